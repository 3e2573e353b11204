"""What the contract tells: one small dataclass per event, fields as in IPerunikaEvents, amounts in wei."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from eth_abi.exceptions import DecodingError

from perunika.errors import ChainError
from perunika_host.chain_abi import perunika_abi, snake_case
from perunika_host.chain_calls import unpack_terms


@dataclass(frozen=True, slots=True)
class ChainEvent:
    """Where an event stands; (block, log_index) orders all of them."""

    block: int
    log_index: int
    transaction: bytes


@dataclass(frozen=True, slots=True)
class Deposited(ChainEvent):
    """``amount`` came into the vault of ``owner`` from outside."""

    owner: bytes
    asset: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class VaultWithdrawn(ChainEvent):
    """``owner`` took ``amount`` out of its vault."""

    owner: bytes
    asset: bytes
    to: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class OperatorSet(ChainEvent):
    """``key`` may (or may no longer) commit the vault of ``owner``."""

    owner: bytes
    key: bytes
    on: bool


@dataclass(frozen=True, slots=True)
class ClaimRecorded(ChainEvent):
    """A payout failed and waits for ``pushClaim``."""

    owner: bytes
    asset: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class ClaimPaid(ChainEvent):
    """A waiting claim was paid."""

    owner: bytes
    asset: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class Opened(ChainEvent):
    """A channel lives; ``valid_until`` is that of the hub's Open."""

    channel_id: bytes
    member_deposit: int
    hub_deposit: int
    valid_until: int


@dataclass(frozen=True, slots=True)
class ToppedUp(ChainEvent):
    """A channel holds more."""

    channel_id: bytes
    alice_side: bool
    amount: int


@dataclass(frozen=True, slots=True)
class Withdrawn(ChainEvent):
    """Both took a part out; the channel goes on."""

    channel_id: bytes
    nonce: int
    to_alice: int
    to_bob: int


@dataclass(frozen=True, slots=True)
class Closed(ChainEvent):
    """A channel ended as both agreed."""

    channel_id: bytes
    to_alice: int
    to_bob: int


@dataclass(frozen=True, slots=True)
class Swept(ChainEvent):
    """The word of a closed channel was freed."""

    channel_id: bytes


@dataclass(frozen=True, slots=True)
class EntryFailed(ChainEvent):
    """An entry of a batch was skipped; ``reason`` is the encoded error (``Abi.decode_error``)."""

    channel_id: bytes
    index: int
    reason: bytes


@dataclass(frozen=True, slots=True)
class Disputed(ChainEvent):
    """A dispute began; evidence counts until ``evidence_until`` (Unix time)."""

    channel_id: bytes
    evidence_until: int


@dataclass(frozen=True, slots=True)
class VouchersMerged(ChainEvent):
    """The highest amounts posted so far."""

    channel_id: bytes
    alice_to_bob: int
    bob_to_alice: int


@dataclass(frozen=True, slots=True)
class Checkpointed(ChainEvent):
    """The highest checkpoint posted so far."""

    channel_id: bytes
    version: int
    net: int
    floor: int
    retired: bytes


@dataclass(frozen=True, slots=True)
class Settled(ChainEvent):
    """A dispute paid out; ``ended`` when nothing is left."""

    channel_id: bytes
    to_alice: int
    to_bob: int
    ended: bool


EVENTS: dict[str, type[ChainEvent]] = {
    cls.__name__: cls
    for cls in (
        Deposited, VaultWithdrawn, OperatorSet, ClaimRecorded, ClaimPaid, Opened, ToppedUp, Withdrawn, Closed, Swept,
        EntryFailed, Disputed, VouchersMerged, Checkpointed, Settled,
    )
}  # fmt: skip


def decode_log(log: Mapping[str, Any]) -> ChainEvent | None:
    """Return the event of a JSON-RPC log; None for one of a later version. Raises ChainError on nonsense."""
    try:
        topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
        decoded = perunika_abi().decode_event(topics, bytes.fromhex(log["data"][2:]))
        if decoded is None or decoded[0] not in EVENTS:
            return None
        cls, values = EVENTS[decoded[0]], {snake_case(name): value for name, value in decoded[1].items()}
        if cls is Opened:
            values.update(
                zip(("member_deposit", "hub_deposit", "valid_until"), unpack_terms(values["terms"]), strict=True)
            )
        known = {field.name for field in fields(cls)}
        place = int(log["blockNumber"], 16), int(log["logIndex"], 16), bytes.fromhex(log["transactionHash"][2:])
        return cls(*place, **{name: value for name, value in values.items() if name in known})
    except (KeyError, ValueError, TypeError, DecodingError) as error:
        text = f"the node gave a log that cannot be read: {error}"
        raise ChainError("chain.log", text, "check node and contract address") from error
