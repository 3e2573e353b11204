"""device.json: what a board is told about broker, chain, hub, gateway, its money and its prices."""

import json
import secrets
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perunika.errors import LocalError
from perunika_cli.channel_file import ChannelFile, read_channel_file
from perunika_cli.provision import new_directory
from perunika_cli.stack.certificates import write_private
from perunika_gateway.config import GatewayConfig, LimitsConfig
from perunika_gateway.identity import FOR_EVER_S
from perunika_host.keystore import keystore_address

FILE_NAME = "device.json"
PIN_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a paying board is allowed, in wei; ``channel`` is its ``own`` or that of the member that grants it money."""

    payee: bytes
    budget_wei: int
    max_unit_price_wei: int
    channel: ChannelFile
    own: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """What a selling board sells: readings of ``kind``, each for ``unit_price_wei``."""

    unit_price_wei: int
    kind: str


def board_path(directory: Path) -> Path:
    """Return the board's file; a directory that has none gets one that only describes keys. Raises LocalError."""
    path = new_directory(directory) / FILE_NAME
    if not path.exists():
        write_board(path, {"keys": _new_keys()})
    return path


def _new_keys() -> dict[str, str]:
    # A chip seals its seed with its own id; a simulated board has none and needs a PIN.
    return {"directory": "keys", "pin": "".join(secrets.choice("0123456789") for _ in range(PIN_DIGITS))}


def read_board(path: Path) -> dict[str, Any]:
    """Return the file's content. Raises LocalError."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise LocalError("device.file", f"{path}: {error.strerror}", "run `perunika device init` first") from error
    except ValueError as error:
        raise LocalError("device.file", f"{path} is no JSON: {error}", "correct it, or start again") from error
    if not isinstance(found, dict):
        raise LocalError("device.file", f"{path} is no JSON object", "correct it, or start again")
    return found


def write_board(path: Path, content: dict[str, Any]) -> None:
    """Write the file for this user's eyes only: it holds the password for the broker. Raises LocalError."""
    try:
        write_private(path, (json.dumps(content, indent=2) + "\n").encode())
    except OSError as error:
        raise LocalError("device.file", f"{path}: {error.strerror}", "name a directory that you may write") from error


def refuse_provisioned(path: Path) -> dict[str, Any]:
    """Return the ``keys`` of a board that knows nothing else yet. Raises LocalError for another one."""
    board = read_board(path)
    if set(board) - {"keys"}:
        raise LocalError("init.exists", f"{path} is complete already", "edit it, or name another directory")
    keys: dict[str, Any] = board.get("keys", _new_keys())
    return keys


def common_part(config: GatewayConfig, keys: dict[str, Any], device_id: bytes, directory: Path) -> dict[str, Any]:
    """Return everything that does not depend on the board's role. Raises LocalError without a site."""
    site = config.site
    if site.host is None:
        hint = "fill in [site] of gateway.toml, or name the gateway of the devices' site with --config"
        raise LocalError("device.site", "this gateway serves no devices: site.host is not set", hint)
    broker: dict[str, Any] = {
        "host": site.host,
        "port": site.port,
        "user": device_id.hex(),
        "password": secrets.token_urlsafe(24),
    }
    if site.ca_file is not None:
        broker["ca"] = _copy_ca(site.ca_file, directory)
    return {
        "site": site.name,
        "broker": broker,
        "chain": {"id": config.chain.chain_id, "contract": _hex(config.chain.contract)},
        "hub": _hex(config.hub.address),
        "gateway": _hex(keystore_address(config.member.keystore)),
        "keys": keys,
        "provisioned": int(time.time()),
    }


def _copy_ca(ca_file: Path, directory: Path) -> str:
    """Write the CA's certificate as DER, which boards read, and return its name."""
    try:
        pem = ca_file.read_text("ascii")
        start = pem.index(ssl.PEM_HEADER)
        end = pem.index(ssl.PEM_FOOTER, start) + len(ssl.PEM_FOOTER)
        write_private(directory / "ca.der", ssl.PEM_cert_to_DER_cert(pem[start:end]))
    except (OSError, ValueError) as error:
        hint = "correct site.ca_file in gateway.toml"
        raise LocalError("device.ca", f"{ca_file} is no CA certificate: {error}", hint) from error
    return "ca.der"


def payer_part(config: GatewayConfig, purchase: Purchase) -> dict[str, Any]:
    """Return the sections of a paying board: on our allowance, or with its own channel."""
    payer: dict[str, Any] = {
        "payee": _hex(purchase.payee),
        "budget_wei": purchase.budget_wei,
        "max_unit_price_wei": purchase.max_unit_price_wei,
    }
    if purchase.own:
        return {"payer": payer, "member": _member(purchase.channel, config.limits)}
    funding = purchase.channel
    return {"payer": {**payer, "member": _hex(funding.params.alice), "channel": _hex(funding.channel_id)}}


def _member(own: ChannelFile, limits: LimitsConfig) -> dict[str, Any]:
    return {
        **_channel(own),
        "deposit_wei": own.member_deposit_wei,
        "hub_deposit_wei": own.hub_deposit_wei,
        "max_fee_wei": limits.max_fee_wei,
        "fees": {
            "base_wei": limits.fee_base_wei,
            "ppm": limits.fee_ppm,
            "ppm_per_day": limits.fee_ppm_per_day,
            "min_capacity_wei": limits.min_capacity_wei,
            "max_capacity_wei": limits.max_capacity_wei,
            "valid_until": FOR_EVER_S,
        },
    }


def _channel(found: ChannelFile) -> dict[str, Any]:
    params = found.params
    return {
        "owner": _hex(params.alice_owner),
        "hub_owner": _hex(params.bob_owner),
        "challenge_duration_s": params.challenge_duration,
        "open_before": params.open_before,
        "salt": _hex(params.salt),
    }


def seller_part(config: GatewayConfig, offer: Offer) -> dict[str, Any]:
    """Return the section of a selling board: it sells through our basic channel."""
    through = read_channel_file(config.member.channel)
    return {
        "seller": {
            "member": _hex(through.params.alice),
            "channel": _channel(through),
            "unit_price_wei": offer.unit_price_wei,
            "kind": offer.kind,
        }
    }


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
