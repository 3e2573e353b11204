"""Which chain, contract, hub and channel a `channel` command means: gateway.toml, with options on top."""

import argparse
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from perunika.errors import LocalError
from perunika_cli.arguments import SET, address, config_option
from perunika_cli.command import Option, option
from perunika_cli.services import gateway_config
from perunika_gateway.config import LimitsConfig
from perunika_host.chain import CONFIRMATIONS, Chain
from perunika_host.keystore import keystore_address

CHAIN_OPTIONS: tuple[Option, ...] = (
    config_option("gateway"),
    SET,
    option("--rpc", metavar="URL", help="node, instead of the one in gateway.toml"),
    option("--contract", type=address, help="contract, instead of the one in gateway.toml"),
)
HUB_OPTIONS: tuple[Option, ...] = (
    option("--hub-url", metavar="URL", help="the hub's HTTP interface, instead of the one in gateway.toml"),
    option("--hub", type=address, metavar="KEY", help="the hub's key, instead of the one in gateway.toml"),
    option("--member", type=address, metavar="KEY", help="key that uses the channel (default: this gateway's)"),
)
FILE = option("--file", type=Path, metavar="FILE", help="channel.json (default: the one gateway.toml names)")


@dataclass(frozen=True, slots=True)
class Place:
    """What is known before anybody is asked; None is not known."""

    config_path: Path | None
    rpc_url: str
    contract: bytes
    chain_id: int | None
    confirmations: int
    hub: bytes | None
    hub_url: str | None
    member: bytes | None
    channel_file: Path
    limits: LimitsConfig

    async def connect(self) -> Chain:
        """Return the chain, checked. Raises ChainError."""
        return await Chain.connect(self.rpc_url, self.contract, self.chain_id, self.confirmations)


def place_of(arguments: argparse.Namespace) -> Place:
    """Return what options and gateway.toml say; with --rpc and --contract no gateway.toml is needed.

    Raises LocalError or ConfigError.
    """
    free = arguments.config is None and arguments.rpc is not None and arguments.contract is not None
    place = _without_config(arguments) if free else _from_config(arguments)
    changes = {
        "rpc_url": arguments.rpc,
        "contract": arguments.contract,
        "hub": getattr(arguments, "hub", None),
        "hub_url": getattr(arguments, "hub_url", None),
        "member": getattr(arguments, "member", None),
        "channel_file": getattr(arguments, "file", None),
    }
    values = {known.name: getattr(place, known.name) for known in fields(Place)}
    return Place(**{**values, **{name: value for name, value in changes.items() if value is not None}})


def _without_config(arguments: argparse.Namespace) -> Place:
    file = Path("channel.json")
    return Place(None, arguments.rpc, arguments.contract, None, CONFIRMATIONS, None, None, None, file, default_limits())


def _from_config(arguments: argparse.Namespace) -> Place:
    path, config = gateway_config(arguments)
    return Place(
        path,
        config.chain.rpc,
        config.chain.contract,
        config.chain.chain_id if arguments.rpc is None else None,
        config.chain.confirmations,
        config.hub.address,
        config.hub.url,
        keystore_address(config.member.keystore),
        config.member.channel,
        config.limits,
    )


def default_limits() -> LimitsConfig:
    """Return the limits that a gateway.toml without [limits] has."""
    read: dict[str, Any] = {
        known.name: known.metadata["kind"].read(known.default, Path()) for known in fields(LimitsConfig)
    }
    return LimitsConfig(**read)


def required(value: Any, name: str, hint: str) -> Any:
    """Return ``value``. Raises LocalError that names the option when it is not known."""
    if value is None:
        raise LocalError("usage", f"{name} is not known", hint)
    return value
