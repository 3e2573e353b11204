"""First steps of a gateway: its files, filled in from what the hub says about itself; the process."""

import argparse
from pathlib import Path
from typing import Any

from perunika.errors import PeerError
from perunika_cli.api import Api
from perunika_cli.arguments import found_config, hex_of, overrides
from perunika_cli.command import OK
from perunika_cli.config_edit import with_values, written_values
from perunika_cli.hub_setup import confirmed
from perunika_cli.output import Output, fields_table
from perunika_cli.provision import (
    new_directory,
    new_key,
    new_token,
    read_private_key,
    refuse_existing,
    relative,
    write_config,
)
from perunika_gateway.config import GatewayConfig
from perunika_host.config import ConfigError, Problem, parse_overrides
from perunika_host.config_template import write_template


def run_init(arguments: argparse.Namespace, output: Output) -> int:
    """Write gateway.toml, keystores for member, meter and owner, and the admin token."""
    directory: Path = arguments.directory
    config = directory / "gateway.toml"
    refuse_existing(config)
    given = {**_files(arguments.meter), **parse_overrides(arguments.set)}
    _require_upstream(given)
    texts = {**_from_hub(arguments.hub_url), **given}
    imported = read_private_key(arguments.import_owner) if arguments.import_owner else None
    confirmed(arguments, f"Make a gateway's configuration and keys in {directory}?")
    written = written_values(GatewayConfig, texts, directory.absolute())
    keys = new_directory(new_directory(directory) / "keys")
    made = {name: new_key(keys, name) for name in ("member", "meter") if name == "member" or arguments.meter}
    owner = arguments.owner or new_key(keys, "owner", imported).address
    new_token(keys / "admin.token")
    write_config(config, with_values(write_template(GatewayConfig), written))
    addresses = {name: hex_of(key.address) for name, key in made.items()}
    plain = {"config": str(config), **addresses, "owner": hex_of(owner)}
    steps = (
        f"Next: fill in {relative(config)}, above all the brokers; `perunika channel open`, `perunika gateway run`, "
        "and `perunika doctor` whenever something is unclear."
    )
    output.answer(plain, fields_table(dict(plain)), steps)
    return OK


def _files(meter: str | None) -> dict[str, str]:
    files = {
        "member.keystore": "keys/member.json",
        "member.password_file": "keys/member.password",
        "member.channel": "channel.json",
        "http.admin_token_file": "keys/admin.token",
    }
    if meter:
        files |= {
            "meter.kind": meter,
            "meter.keystore": "keys/meter.json",
            "meter.password_file": "keys/meter.password",
        }
    return files


def _require_upstream(given: dict[str, str]) -> None:
    """Raise ConfigError for a meter that has nothing to sell, before anything is made."""
    kind = given.get("meter.kind")
    if kind and "meter.upstream" not in given:
        scheme = "tcp" if kind == "tcp" else "http"
        hint = f"name the service that is sold: --set meter.upstream={scheme}://127.0.0.1:3000"
        raise ConfigError("command line", [Problem("meter.upstream", None, "is missing, a meter needs it", hint)])


def _from_hub(url: str | None) -> dict[str, str]:
    """Return what a hub's own answer fills in. Raises PeerError when it is none."""
    if url is None:
        return {}
    told: dict[str, Any] = Api("the hub", url).get("/v1/info")
    try:
        return {
            "chain.contract": str(told["contract"]),
            "chain.chain_id": str(told["chain_id"]),
            "chain.confirmations": str(told["confirmations"]),
            "hub.address": str(told["hub"]),
            "hub.url": url,
        }
    except (KeyError, TypeError) as error:
        raise PeerError("hub.info", f"{url} does not answer like a hub: {error!r}", "correct --hub-url") from error


def run_gateway(arguments: argparse.Namespace, output: Output) -> int:
    """Run the gateway in this process."""
    from perunika_gateway.service import main

    path = found_config("gateway", arguments.config)
    output.note(f"gateway with {relative(path)}; Ctrl-C ends it")
    return main(path, overrides(arguments))
