"""Hub and gateway as the command line reaches them: configuration file found, HTTP interface, keys, chain."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from perunika.errors import LocalError
from perunika_cli.api import Api
from perunika_cli.arguments import config_option, found_config, overrides
from perunika_cli.command import Option, option
from perunika_gateway.config import GatewayConfig, read_config
from perunika_host.chain import Chain
from perunika_host.config import load
from perunika_host.keystore import Key, load_keystore
from perunika_hub.config import HubConfig

URL = option("--url", metavar="URL", help="the HTTP interface, instead of the one in the configuration")
TOKEN = option("--token-file", type=Path, metavar="FILE", help="admin token, instead of the configuration's")
HUB_API: tuple[Option, ...] = (config_option("hub"), URL, TOKEN)
GATEWAY_API: tuple[Option, ...] = (config_option("gateway"), URL, TOKEN)


def hub_config(arguments: argparse.Namespace, changes: Mapping[str, str] | None = None) -> tuple[Path, HubConfig]:
    """Return the hub's configuration and its file. Raises ConfigError."""
    path = found_config("hub", arguments.config)
    return path, load(HubConfig, path, {**(changes or {}), **overrides(arguments)})


def gateway_config(arguments: argparse.Namespace) -> tuple[Path, GatewayConfig]:
    """Return the gateway's configuration and its file. Raises ConfigError."""
    path = found_config("gateway", arguments.config)
    return path, read_config(path, overrides(arguments))


def hub_api(arguments: argparse.Namespace) -> Api:
    """Return the hub's HTTP interface, by --url or as configured."""
    if arguments.url:
        return Api("the hub", arguments.url, arguments.token_file)
    http = hub_config(arguments)[1].http
    return Api("the hub", _url(http.bind, http.port), arguments.token_file or http.admin_token_file)


def gateway_api(arguments: argparse.Namespace) -> Api:
    """Return the gateway's HTTP interface, by --url or as configured."""
    if arguments.url:
        return Api("the gateway", arguments.url, arguments.token_file)
    http = gateway_config(arguments)[1].http
    return Api("the gateway", _url(http.bind, http.port), arguments.token_file or http.admin_token_file)


def _url(bind: str, port: int) -> str:
    if port == 0:
        hint = "name the address of the ready line with --url, or set http.port"
        raise LocalError("api.port", "http.port is 0, so nobody knows the port", hint)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@dataclass(frozen=True, slots=True)
class Account:
    """Where the key of an account that pays for transactions is."""

    keystore: Path
    password_file: Path

    def unlock(self) -> Key:
        """Return the key. Raises LocalError."""
        return load_keystore(self.keystore, self.password_file)


ACCOUNT: tuple[Option, ...] = (
    option("--keystore", type=Path, metavar="FILE", help="account that pays (default: keys/owner.json there)"),
    option("--password-file", type=Path, metavar="FILE", help="its password (default: .password beside the keystore)"),
)


def account(arguments: argparse.Namespace, config_path: Path | None) -> Account:
    """Return the account of --keystore, or the owner's that `init` made beside the configuration."""
    keystore = arguments.keystore
    if keystore is None and config_path is None:
        raise LocalError("key.missing", "no account is named", "name its keystore with --keystore")
    if keystore is None and config_path is not None:
        keystore = config_path.parent / "keys" / "owner.json"
    return Account(keystore, arguments.password_file or keystore.with_suffix(".password"))


async def hub_chain(config: HubConfig) -> Chain:
    """Return the hub's chain, checked. Raises ChainError."""
    chain = config.chain
    return await Chain.connect(chain.rpc_url, chain.contract, chain.chain_id, chain.confirmations)


async def gateway_chain(config: GatewayConfig) -> Chain:
    """Return the gateway's chain, checked. Raises ChainError."""
    chain = config.chain
    return await Chain.connect(chain.rpc, chain.contract, chain.chain_id, chain.confirmations)
