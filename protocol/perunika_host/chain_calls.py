"""What calls of the contract carry, in the order of its ABI; signatures are 65 bytes r || s || v or empty."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from perunika.errors import LocalError

ZERO_ADDRESS = bytes(20)
NATIVE = ZERO_ADDRESS

SignatureWords = tuple[bytes, bytes, int]


class Params(Protocol):
    """BasicParams of perunika.structs: what names a channel."""

    alice: bytes
    bob: bytes
    alice_owner: bytes
    bob_owner: bytes
    asset: bytes
    challenge_duration: int
    open_before: int
    salt: bytes


def params_words(params: Params) -> tuple[object, ...]:
    """Return BasicParams as the ABI wants them."""
    return (
        params.alice, params.bob, params.alice_owner, params.bob_owner, params.asset,
        params.challenge_duration, params.open_before, params.salt,
    )  # fmt: skip


def signature_words(signature: bytes) -> SignatureWords:
    """Return (r, s, v); all zero for an empty signature: none needed. Raises LocalError on another length."""
    if not signature:
        return bytes(32), bytes(32), 0
    if len(signature) != 65:
        raise LocalError("chain.argument", f"a signature has 65 bytes, not {len(signature)}", "")
    return signature[:32], signature[32:64], signature[64]


@dataclass(frozen=True, slots=True)
class Opening:
    """One channel to open; the hub's signature on Open is empty when bobOwner sends."""

    params: Params
    member_deposit_wei: int
    hub_deposit_wei: int
    valid_until: int
    hub_signature: bytes = b""

    def words(self) -> tuple[object, ...]:
        """Return the ABI's Opening."""
        amounts = (self.member_deposit_wei, self.hub_deposit_wei, self.valid_until)
        return params_words(self.params), *amounts, signature_words(self.hub_signature)


@dataclass(frozen=True, slots=True)
class Closing:
    """A co-signed end; a side that sends it, or whose owner does, may leave its signature empty."""

    params: Params
    net_wei: int
    valid_until: int
    alice_signature: bytes = b""
    bob_signature: bytes = b""

    def words(self) -> tuple[object, ...]:
        """Return the ABI's Closing."""
        signatures = signature_words(self.alice_signature), signature_words(self.bob_signature)
        return params_words(self.params), self.net_wei, self.valid_until, *signatures


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A co-signed payout while the channel goes on."""

    nonce: int
    to_alice_wei: int
    to_bob_wei: int
    valid_until: int
    alice_signature: bytes = b""
    bob_signature: bytes = b""

    def words(self) -> tuple[object, ...]:
        """Return the ABI's Withdrawal."""
        signatures = signature_words(self.alice_signature), signature_words(self.bob_signature)
        return self.nonce, self.to_alice_wei, self.to_bob_wei, self.valid_until, *signatures


@dataclass(frozen=True, slots=True)
class StartPermit:
    """Leave for an agent to start a dispute; the default is none."""

    agent: bytes = ZERO_ADDRESS
    valid_until: int = 0
    signature: bytes = b""

    def words(self) -> tuple[object, ...]:
        """Return the ABI's StartPermit."""
        return self.agent, self.valid_until, signature_words(self.signature)


@dataclass(frozen=True, slots=True)
class CheckpointPost:
    """A co-signed checkpoint; version 0 is none."""

    version: int = 0
    net_wei: int = 0
    floor: int = 0
    retired: bytes = b""
    alice_signature: bytes = b""
    bob_signature: bytes = b""

    def words(self) -> tuple[object, ...]:
        """Return the ABI's CheckpointPost."""
        signatures = signature_words(self.alice_signature), signature_words(self.bob_signature)
        return self.version, self.net_wei, self.floor, self.retired, *signatures

    def content_words(self) -> tuple[object, ...]:
        """Return the ABI's CheckpointContent, which settle repeats."""
        return self.net_wei, self.floor, self.retired


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a payer signed: none, a voucher, or a tick of a chain."""

    kind: int = 0
    amount_wei: int = 0
    unit_wei: int = 0
    length: int = 0
    index: int = 0
    root: bytes = bytes(32)
    preimage: bytes = bytes(32)
    signature: bytes = b""

    def words(self) -> tuple[object, ...]:
        """Return the ABI's Evidence."""
        tick = (self.unit_wei, self.length, self.index, self.root, self.preimage)
        return self.kind, self.amount_wei, *tick, signature_words(self.signature)


def voucher(amount_wei: int, signature: bytes) -> Evidence:
    """Return a voucher as evidence."""
    return Evidence(kind=1, amount_wei=amount_wei, signature=signature)


def tick(
    base_wei: int, unit_wei: int, length: int, root: bytes, index: int, preimage: bytes, signature: bytes
) -> Evidence:
    """Return tick ``index`` of a signed chain as evidence."""
    return Evidence(2, base_wei, unit_wei, length, index, root, preimage, signature)


def all_words(entries: Sequence[Opening] | Sequence[Closing]) -> list[tuple[object, ...]]:
    """Return a list of entries as the ABI wants them."""
    return [entry.words() for entry in entries]
