"""Who this gateway is: its keys, its channel, its policies, made from the configuration."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perunika.eip712 import Domain
from perunika.errors import LocalError
from perunika.messages import Fees
from perunika.policies import MemberPolicy, PayeePolicy
from perunika.structs import BasicParams
from perunika_gateway.config import GatewayConfig, LimitsConfig
from perunika_host.keystore import Key, load_keystore

FOR_EVER_S = (1 << 53) - 1
MAX_CHANNEL_FILE_BYTES = 65536


@dataclass(frozen=True)
class Identity:
    """The member, its basic channel and, with a meter, the payee key."""

    domain: Domain
    member: Key
    channel: BasicParams
    channel_id: bytes
    member_policy: MemberPolicy
    payee: Key | None
    payee_policy: PayeePolicy | None

    @property
    def own(self) -> frozenset[bytes]:
        """Addresses that live in this process."""
        return frozenset(key.address for key in (self.member, self.payee) if key is not None)


def load_identity(config: GatewayConfig) -> Identity:
    """Unlock the keys and read the channel. Raises LocalError that names the file that is wrong."""
    member = load_keystore(config.member.keystore, config.member.password_file)
    channel = read_channel(config.member.channel)
    if channel.alice != member.address or channel.bob != config.hub.address:
        raise LocalError(
            "channel.parties",
            f"{config.member.channel} is the channel 0x{channel.alice.hex()} with hub 0x{channel.bob.hex()}, "
            f"we are 0x{member.address.hex()} and our hub is 0x{config.hub.address.hex()}",
            "correct member.channel, member.keystore or hub.address",
        )
    domain = Domain(config.chain.chain_id, config.chain.contract)
    payee = None
    if config.meter.keystore is not None and config.meter.password_file is not None and config.meter.kind:
        payee = load_keystore(config.meter.keystore, config.meter.password_file)
    return Identity(
        domain, member, channel, channel.digest(domain), _member_policy(config), payee,
        _payee_policy(config, channel, member.address) if payee is not None else None,
    )  # fmt: skip


def read_channel(path: Path) -> BasicParams:
    """Return the BasicParams in a JSON file (fields by name, bytes as 0x-hex). Raises LocalError."""
    hint = "use the file that `perunika channel open` wrote"
    try:
        if path.stat().st_size > MAX_CHANNEL_FILE_BYTES:
            raise LocalError("channel.file", f"{path} is too long", hint)
        found = json.loads(path.read_text("utf-8"))
        fields = found.get("params", found)
        values: list[Any] = [_read_field(kind, fields[name]) for name, kind in BasicParams.FIELDS]
        return BasicParams(*values)
    except OSError as error:
        raise LocalError("channel.file", f"{path}: {error.strerror}", hint) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LocalError("channel.file", f"{path} holds no basic channel: {error!r}", hint) from error


def _read_field(kind: str, value: Any) -> int | bytes:
    if kind.startswith("uint"):
        return int(value)
    return bytes.fromhex(str(value).removeprefix("0x"))


def _member_policy(config: GatewayConfig) -> MemberPolicy:
    limits = config.limits
    return MemberPolicy(
        config.hub.address, accepted_fees(limits), limits.min_window_s, limits.max_window_s, limits.max_validity_s
    )


def accepted_fees(limits: LimitsConfig) -> Fees:
    """Return the highest price list that we accept."""
    return Fees(
        limits.fee_base_wei, limits.fee_ppm, limits.fee_ppm_per_day, limits.min_capacity_wei, limits.max_capacity_wei,
        FOR_EVER_S,
    )  # fmt: skip


def _payee_policy(config: GatewayConfig, channel: BasicParams, member: bytes) -> PayeePolicy:
    meter = config.meter
    exposure = meter.unit_price_wei if meter.exposure_wei is None else meter.exposure_wei
    return PayeePolicy(
        channel, member, member, meter.unit_price_wei, round(meter.unit_s * 1000), meter.min_capacity_wei,
        meter.window_s, config.limits.min_window_s, meter.max_validity_s, 600, exposure, meter.idle_s,
    )  # fmt: skip
