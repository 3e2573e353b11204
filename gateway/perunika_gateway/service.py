"""The gateway as a process: configuration in, one line on stdout when it is ready, SIGTERM ends it in order."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from perunika.errors import PerunikaError
from perunika_gateway.api import Api
from perunika_gateway.config import GatewayConfig, read_config
from perunika_gateway.gateway import Gateway
from perunika_host.config import parse_overrides
from perunika_host.config_examples import refuse_examples

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
CANNOT_START = 2


def main(config_path: str | Path, overrides: Mapping[str, str] | None = None) -> int:
    """Run a gateway until SIGTERM or SIGINT; returns the exit status: 0, or 2 with the reason on stderr."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=LOG_FORMAT)
    try:
        config = read_config(Path(config_path), dict(overrides or {}))
        refuse_examples(config, config_path)
        asyncio.run(serve(config))
    except PerunikaError as error:
        sys.stderr.write(f"perunika gateway cannot start: {error}\n")
        return CANNOT_START
    return 0


async def serve(config: GatewayConfig) -> None:
    """Run one gateway until a signal asks it to end; its virtual channels stay open and go on after a restart."""
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    async with Gateway(config) as gateway:
        api = Api(gateway)
        await api.open()
        try:
            sys.stdout.write(readiness(gateway, api) + "\n")
            sys.stdout.flush()
            await _until(ending, gateway)
        finally:
            await api.close()


def readiness(gateway: Gateway, api: Api) -> str:
    """Return the line that tells who started us where everything is."""
    words = ["perunika gateway ready", f"member=0x{gateway.identity.member.address.hex()}"]
    words.append(f"http={gateway.config.http.bind}:{api.port}")
    if gateway.meter is not None:
        words.append(f"meter={gateway.config.meter.bind}:{gateway.meter.port}")
    return " ".join(words)


async def _until(ending: asyncio.Event, gateway: Gateway) -> None:
    """Run until the signal, or until running fails, which is then raised."""
    tasks = [asyncio.create_task(gateway.run()), asyncio.create_task(ending.wait())]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def run(arguments: Sequence[str] | None = None) -> int:
    """Entry of ``python -m perunika_gateway``."""
    parser = argparse.ArgumentParser("perunika_gateway", description="Bridge devices to a hub and sell by the second.")
    parser.add_argument("--config", required=True, help="the gateway's TOML file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting")
    given = parser.parse_args(arguments)
    try:
        overrides = parse_overrides(given.set)
    except PerunikaError as error:
        sys.stderr.write(f"{error}\n")
        return CANNOT_START
    return main(given.config, overrides)
