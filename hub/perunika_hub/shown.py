"""Records as JSON for people and programs: amounts as decimal strings of wei, bytes as 0x-hex, the rest as it is."""

from collections.abc import Sequence
from typing import Any

from perunika.ledger import free_cash
from perunika.records import HUB, Basic, Funding
from perunika.value import Value
from perunika_hub.books import Books, ChannelSums, fees_of, fees_wei
from perunika_hub.shell import basics_by_id

Json = dict[str, Any]

STATUS_NAMES = ("none", "open", "dispute", "folded", "closed")
AMOUNT_KINDS = frozenset(("amount", "int128", "uint128"))


def hexed(value: bytes) -> str:
    """Return 0x and lower-case hex digits."""
    return "0x" + value.hex()


def plain(value: Value) -> Json:
    """Return the fields of a value of the protocol."""
    return {name: _field(kind, getattr(value, name)) for name, kind in value.FIELDS}


def _field(kind: Any, value: Any) -> Any:
    if isinstance(value, bytes):
        return hexed(value)
    if isinstance(value, Value):
        return plain(value)
    return str(value) if kind in AMOUNT_KINDS else value


def channel(view: Any, channel_id: bytes, basic: Basic) -> Json:
    """Return one basic channel."""
    free_member, free_hub = free_cash(basic)
    nanocontracts = len(view.scan(b"n" + channel_id))
    return {
        "id": hexed(channel_id),
        "params": plain(basic.params),
        "status": STATUS_NAMES[basic.status],
        "base": str(basic.base),
        "total": str(basic.total),
        "member_paid": str(basic.ab),
        "hub_paid": str(basic.ba),
        "fees_due": str(basic.due),
        "free_member": str(free_member),
        "free_hub": str(free_hub),
        "live": nanocontracts - basic.terminated,
        "terminated": basic.terminated,
        "checkpoint_version": basic.checkpoint.version if basic.checkpoint is not None else 0,
        "closing": basic.close is not None,
        "block": basic.block,
        "seen": basic.seen_s,
    }


def virtual(virtual_id: bytes, funding: Funding) -> Json:
    """Return one virtual channel as the hub knows it; ``proved`` is the best amount the payee's member has shown."""
    return {
        "id": hexed(virtual_id),
        "params": plain(funding.params),
        "phase": funding.phase,
        "fee": str(funding.fee),
        "proved": str(funding.forward.amount if funding.forward is not None else 0),
        "asked": funding.asked_s,
        "reason": funding.reason or "",
    }


def virtual_key(virtual_id: bytes = b"") -> bytes:
    """Return the key (or prefix) of the hub's virtual channels in its store."""
    return b"f" + bytes((HUB,)) + virtual_id


def books(view: Any, sums: Books, vault_wei: int | None) -> Json:
    """Return all books."""
    sums.refresh()
    return {
        "fees_wei": str(fees_wei(view)),
        "paid_early_wei": str(sums.paid_early_wei),
        "collected_wei": str(sums.collected_wei),
        "virtuals_opened": sums.opened,
        "vault_wei": None if vault_wei is None else str(vault_wei),
        "gas_wei": str(sums.gas_wei()),
        "deposits": {
            "members_wei": str(sum(each.member_deposit_wei for each in sums.channels.values())),
            "hub_wei": str(sum(each.hub_deposit_wei for each in sums.channels.values())),
        },
        "payouts": {
            "members_wei": str(sum(each.to_member_wei for each in sums.channels.values())),
            "hub_wei": str(sum(each.to_hub_wei for each in sums.channels.values())),
        },
        "transactions": [
            {
                "hash": each.digest,
                "kind": each.kind,
                "gas_used": each.gas_used,
                "gas_price_wei": str(each.gas_price_wei),
                "block": each.block,
                "channels": list(each.channels),
            }
            for each in sums.transactions
        ],
        "channels": _channels(view, sums),
    }


def _channels(view: Any, sums: Books) -> Sequence[Json]:
    return [
        {
            "id": hexed(channel_id),
            "member": hexed(basic.params.alice),
            "member_owner": hexed(basic.params.alice_owner),
            "fees_wei": str(fees_of(basic)),
            "member_paid_wei": str(basic.ab),
            **_sums(sums.channels.get(hexed(channel_id), ChannelSums())),
        }
        for channel_id, basic in basics_by_id(view)
    ]


def _sums(sums: ChannelSums) -> Json:
    return {
        "member_deposit_wei": str(sums.member_deposit_wei),
        "hub_deposit_wei": str(sums.hub_deposit_wei),
        "to_member_wei": str(sums.to_member_wei),
        "to_hub_wei": str(sums.to_hub_wei),
        "closed": sums.closed,
    }
