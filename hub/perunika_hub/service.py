"""The hub's process: reads its configuration, starts the parts, says when it is ready, ends on SIGTERM.

``python -m perunika_hub --config hub.toml``; the ready line on standard output is
``perunika hub ready http=http://127.0.0.1:8420 hub=0x… contract=0x…``.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from aiohttp import web

from perunika.eip712 import Domain
from perunika.errors import ChainError, LocalError, PerunikaError
from perunika.hub import Hub
from perunika_host.chain import Chain
from perunika_host.chain_actions import ChainActions
from perunika_host.config import load
from perunika_host.config_examples import refuse_examples
from perunika_host.keystore import Key, load_keystore
from perunika_host.mqtt_link import MqttLink
from perunika_host.rpc import Rpc
from perunika_host.secret_file import read_secret
from perunika_host.sqlite_store import SqliteStore
from perunika_hub.books import Books
from perunika_hub.config import HubConfig, hub_policy, mqtt_settings
from perunika_hub.exchange import BINDINGS, UP_FILTER, Exchange
from perunika_hub.http_api import Api, Parts
from perunika_hub.http_guard import AdminToken
from perunika_hub.jobs import HubParty
from perunika_hub.logs import start_logs
from perunika_hub.routes import Routes
from perunika_hub.settlement import Settlement
from perunika_hub.shell import now_ms
from perunika_hub.two_stores import TwoStores
from perunika_hub.watcher import Watcher

log = logging.getLogger("perunika.hub")

POLICY_PERIOD_S = 30.0
SHUTDOWN_S = 5.0
BROKER_WAIT_S = 10.0
CHAIN_WAIT_S = 3.0


@dataclass(frozen=True, slots=True)
class Keys:
    """The unlocked keys of this process."""

    hub: Key
    gas: Key


class Service:
    """All parts of a hub; ``async with`` starts them, ``failed`` ends with the error of a part that cannot go on."""

    def __init__(self, config: HubConfig, keys: Keys, token: str) -> None:
        self.config = config
        self.keys = keys
        self._token = token
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self.http_url = ""

    async def __aenter__(self) -> "Service":
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        config = self.config
        store = _open_store(config)
        self._stack.callback(store.close)
        self.hub = Hub(self.keys.hub.protocol, hub_policy(config, now_ms() // 1000))
        self.exchange = self._exchange(store)
        self._stack.push_async_callback(self.exchange.shell.close)
        rpc = Rpc(config.chain.rpc_url)
        self._stack.push_async_callback(rpc.close)
        chain = Chain(rpc, config.chain.contract, config.chain.chain_id, config.chain.confirmations)
        await self._check_deployment(chain)
        books = Books(store)
        self.watcher, self.settlement = self._chain_parts(chain, books)
        await self.exchange.shell.start()
        self.link = await self._stack.enter_async_context(MqttLink(mqtt_settings(config.mqtt)))
        self.exchange.publish = self.link.publish
        self.link.subscribe(UP_FILTER, self.exchange.on_up)
        self._stack.push_async_callback(self._stop_tasks)
        self._tasks = [
            asyncio.create_task(part)
            for part in (
                self.watcher.run(), self.settlement.run(), self.exchange.shell.run_ticks(), self._renew_policy(),
            )
        ]  # fmt: skip
        self.settlement.wake()
        await self._serve_http(books)
        await self._wait_for_broker()
        await self._wait_for_chain()

    def _exchange(self, store: SqliteStore) -> Exchange:
        config = self.config
        party = HubParty(Domain(config.chain.chain_id, config.chain.contract), [self.hub])
        bound = {key[len(BINDINGS) :]: member for key, member in store.scan(BINDINGS)}
        routes = Routes({device.address: device.member for device in config.devices}, bound)
        return Exchange(party, store, self.hub.address, routes)

    def _chain_parts(self, chain: Chain, books: Books) -> tuple[Watcher, Settlement]:
        config = self.config
        actions = ChainActions(chain, self.keys.gas.account, config.settle.receipt_timeout)
        settlement = Settlement(
            self.exchange.shell, actions, config.settle, lambda: watcher.state.time_s, books.is_booked
        )
        watcher = Watcher(
            chain,
            self.exchange.shell,
            self.hub.address,
            config.keys.vault_owner,
            poll_s=config.chain.poll,
            start_block=config.chain.start_block,
            sweep=config.settle.sweep,
            on_opened=self.exchange.members.add,
            on_confirmed=settlement.confirmed,
        )
        self.exchange.submitted = settlement.wake
        return watcher, settlement

    async def _check_deployment(self, chain: Chain) -> None:
        """Refuse a wrong chain or contract at once; a node that is away is only a warning."""
        limits, keys = self.config.limits, self.config.keys
        try:
            probe = await Chain.connect(chain.rpc.url, chain.contract, chain.chain_id, chain.confirmations)
            await probe.close()
            shortest_s, longest_s = await chain.windows_s()
            if not shortest_s <= limits.min_window <= limits.max_window <= longest_s:
                text = f"the contract allows windows of {shortest_s} s to {longest_s} s, limits.min_window and "
                text += f"limits.max_window are {limits.min_window} s and {limits.max_window} s"
                raise LocalError("config.window", text, "set both inside what the contract allows")
            if not await chain.is_operator(keys.vault_owner, self.hub.address):
                hint = "`perunika hub fund` by the vault's owner; until then members cannot open"
                log.warning("the vault's owner has not granted this hub's key (setOperator): %s", hint)
        except ChainError as error:
            if error.code != "chain.unreachable":
                raise
            log.warning("%s; starting without, openings are refused until it answers", error)

    async def _renew_policy(self) -> None:
        """Move the end of the price list ahead as time passes."""
        while True:
            await asyncio.sleep(POLICY_PERIOD_S)
            self.hub.policy = hub_policy(self.config, now_ms() // 1000)

    async def _serve_http(self, books: Books) -> None:
        parts = Parts(
            self.config, self.hub, self.exchange, self.watcher, self.settlement, books, self.link,
            AdminToken(self._token),
        )  # fmt: skip
        runner = web.AppRunner(Api(parts).application(), shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        http = self.config.http
        try:
            await web.TCPSite(runner, http.bind, http.port).start()
        except OSError as error:
            text = f"cannot listen on {http.bind}:{http.port}: {error.strerror}"
            raise LocalError("http.port", text, "choose another http.port, or 0 for a free one") from error
        host = f"[{http.bind}]" if ":" in http.bind else http.bind
        self.http_url = f"http://{host}:{runner.addresses[0][1]}"

    async def _wait_for_broker(self) -> None:
        try:
            await self.link.wait_connected(BROKER_WAIT_S)
        except LocalError as error:
            log.warning("%s; starting without, members cannot reach this hub until it answers", error)

    async def _wait_for_chain(self) -> None:
        try:
            async with asyncio.timeout(CHAIN_WAIT_S):
                await self.watcher.began.wait()
        except TimeoutError:
            log.warning("no confirmed block seen yet; openings are refused until there is one")

    async def _stop_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def failed(self) -> None:
        """Return never while all is well; raises the error of a part that ended."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()


def _open_store(config: HubConfig) -> SqliteStore:
    second = config.store.second_path
    return SqliteStore(config.store.path) if second is None else TwoStores(config.store.path, second)


def load_keys(config: HubConfig) -> Keys:
    """Unlock the keystores. Raises LocalError that names the file."""
    keys = config.keys
    hub = load_keystore(keys.hub_keystore, keys.hub_password_file)
    same = keys.gas_keystore == keys.hub_keystore
    gas = hub if same else load_keystore(keys.gas_keystore, keys.gas_password_file)
    return Keys(hub, gas)


async def serve(config: HubConfig) -> None:
    """Run a hub until SIGTERM or SIGINT. Raises PerunikaError when it cannot start or cannot go on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    token = read_secret(config.http.admin_token_file)
    keys = await asyncio.to_thread(load_keys, config)
    async with Service(config, keys, token) as service:
        ready = f"http={service.http_url} hub=0x{service.hub.address.hex()} contract=0x{config.chain.contract.hex()}"
        sys.stdout.write(f"perunika hub ready {ready}\n")
        sys.stdout.flush()
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(service.failed())]
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        for task in done:
            task.result()
    log.info("stopped")


def main(config_path: str | PathLike[str], overrides: Mapping[str, str] | None = None) -> int:
    """Run a hub; returns the exit status: 0 after SIGTERM, 2 when something must be corrected first."""
    try:
        config = load(HubConfig, Path(config_path), overrides)
        refuse_examples(config, config_path)
        start_logs(config.log.level, config.log.format)
        asyncio.run(serve(config))
    except PerunikaError as error:
        sys.stderr.write(f"perunika hub: {error}\n")
        return 2
    return 0
