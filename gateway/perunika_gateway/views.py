"""What people and dashboards are shown: plain JSON values of records; amounts are decimal strings in wei."""

from collections.abc import Iterable
from typing import Any

from perunika.eip712 import Domain
from perunika.exposure import exposure_member, exposure_payee
from perunika.ledger import clamp_net, free_cash
from perunika.records import (
    PAYEE,
    PAYEE_MEMBER,
    PAYER_MEMBER,
    Allowance,
    Basic,
    Funding,
    Stream,
    scan,
)
from perunika_gateway.devices import Device
from perunika_gateway.readings import KeptReading

STATUS_NAMES = ("none", "open", "dispute", "folded", "closed")
Json = dict[str, Any]


def hexed(raw: bytes | None) -> str | None:
    """Return 0x-hex, or None."""
    return None if raw is None else "0x" + raw.hex()


def streams(view: Any, domain: Domain, policy: Any) -> list[Json]:
    """Return every virtual channel we are an end or a member of, newest validity first; ``policy`` is our payee's."""
    ends = [_stream(stream, domain, policy) for stream in scan(view, Stream, b"s" + bytes((PAYEE,)))]
    met = {each["virtual"] for each in ends}
    legs = [
        _funding(funding, domain)
        for role in (PAYER_MEMBER, PAYEE_MEMBER)
        for funding in scan(view, Funding, b"f" + bytes((role,)))
    ]
    shown = ends + [leg for leg in legs if leg["virtual"] not in met]
    return sorted(shown, key=lambda each: each["validity"], reverse=True)


def _stream(stream: Any, domain: Domain, policy: Any) -> Json:
    price = stream.terms.unit_price
    return {
        **_params(stream.params, domain), "role": "payee", "phase": stream.phase, "paid_wei": str(stream.paid()),
        "served": stream.served, "price_wei": str(price), "unit_ms": stream.terms.unit_millis,
        "handle": f"{stream.ready.handle:08x}" if stream.ready is not None else None,
        "exposure_wei": str(exposure_payee(stream, policy)) if policy is not None else "0",
    }  # fmt: skip


def _funding(funding: Any, domain: Domain) -> Json:
    paid = funding.forward.amount if funding.forward is not None else 0
    mine = funding.role == PAYER_MEMBER
    return {
        **_params(funding.params, domain), "role": "payer's member" if mine else "payee's member",
        "phase": funding.phase, "paid_wei": str(paid), "served": None, "price_wei": None, "unit_ms": None,
        "handle": None, "exposure_wei": str(exposure_member([funding])),
    }  # fmt: skip


def _params(params: Any, domain: Domain) -> Json:
    return {
        "virtual": hexed(params.digest(domain)), "payer": hexed(params.payer), "payee": hexed(params.payee),
        "capacity_wei": str(params.payer_capacity), "validity": params.validity,
    }  # fmt: skip


def channels(view: Any, domain: Domain) -> list[Json]:
    """Return our basic channels."""
    return [_channel(basic, domain) for basic in scan(view, Basic, b"b")]


def _channel(basic: Any, domain: Domain) -> Json:
    free = free_cash(basic)
    return {
        "id": hexed(basic.params.digest(domain)), "member": hexed(basic.params.alice), "hub": hexed(basic.params.bob),
        "status": STATUS_NAMES[basic.status], "base_wei": str(basic.base), "total_wei": str(basic.total),
        "member_paid_wei": str(basic.ab), "hub_paid_wei": str(basic.ba), "free_member_wei": str(free[0]),
        "free_hub_wei": str(free[1]), "terminated": basic.terminated, "frozen": bool(basic.frozen),
        "checkpoint_version": basic.checkpoint.version if basic.checkpoint is not None else 0,
        "block": basic.block, "seen_s": basic.seen_s, "closing": basic.close is not None,
    }  # fmt: skip


def books(view: Any, domain: Domain) -> Json:
    """Return what was earned, spent and paid in fees, from the records alone; ``open`` sums are not final yet."""
    payees = scan(view, Funding, b"f" + bytes((PAYEE_MEMBER,)))
    payers = scan(view, Funding, b"f" + bytes((PAYER_MEMBER,)))
    unpaid = [f for f in payees if f.phase in ("open", "closing")]
    live = {s.params.digest(domain): s.paid() for s in scan(view, Stream, b"s" + bytes((PAYEE,)))}
    return {
        "earned_wei": str(sum(_net(f) for f in payees if f.phase == "paid")),
        "spent_wei": str(sum(_net(f) for f in payers if f.phase == "collected")),
        "fees_wei": str(sum(f.fee for f in payers if f.phase in ("open", "netting", "collected"))),
        "open_earnings_wei": str(sum(max(_net(f), live.get(f.params.digest(domain), 0)) for f in unpaid)),
        "locked_wei": str(sum(f.params.payer_capacity for f in payers if f.phase in ("asked", "open", "netting"))),
        "virtual_channels": len(payees) + len(payers),
        "channels": channels(view, domain),
    }  # fmt: skip


def _net(funding: Any) -> int:
    forward = funding.forward.amount if funding.forward is not None else 0
    backward = funding.backward.amount if funding.backward is not None else 0
    return int(clamp_net(funding.params, forward, backward))


def allowances(view: Any) -> list[Json]:
    """Return what each payer key may lock of our channel."""
    return [
        {
            "payer": hexed(key[1:]), "limit_wei": str(each.limit), "used_wei": str(each.used),
            "max_fee_wei": str(each.max_fee), "paused": bool(each.paused),
        }
        for (key, _), each in zip(view.scan(b"a"), scan(view, Allowance, b"a"), strict=True)
    ]  # fmt: skip


def devices(all_devices: Iterable[Device]) -> list[Json]:
    """Return the configured devices and what was seen of them."""
    return [
        {
            "name": each.config.name, "kind": each.config.kind, "address": hexed(each.id),
            "member": hexed(each.config.member), "availability": each.availability, "seen_s": each.seen_s,
            "messages": each.messages, "refused": dict(each.refused),
        }
        for each in all_devices
    ]  # fmt: skip


def readings(kept: Iterable[KeptReading]) -> list[Json]:
    """Return the last reading of each seller, with the signature that proves it."""
    return [
        {
            "device": hexed(each.reading.device), "sequence": each.reading.sequence, "time": each.reading.time,
            "kind": each.reading.kind.rstrip(b"\x00").decode("utf-8", "replace"), "value": str(each.reading.value),
            "exponent": each.reading.exponent, "signature": hexed(each.signature), "buyer": hexed(each.buyer),
            "seen_s": each.seen_s,
        }
        for each in kept
    ]  # fmt: skip
