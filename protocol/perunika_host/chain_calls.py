"""What calls of the contract carry, by the names of its ABI; signatures are 65 bytes r || s || v or empty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perunika.errors import LocalError
from perunika.structs import BasicParams

ZERO_ADDRESS = bytes(20)
NATIVE = ZERO_ADDRESS

Fields = Mapping[str, object]


# What names a channel; frozen, so a structural type with settable fields would not fit it.
Params = BasicParams


def params_fields(params: Params) -> Fields:
    """Return the ABI's BasicParams."""
    return {
        "alice": params.alice,
        "bob": params.bob,
        "aliceOwner": params.alice_owner,
        "bobOwner": params.bob_owner,
        "asset": params.asset,
        "challengeDuration": params.challenge_duration,
        "openBefore": params.open_before,
        "salt": params.salt,
    }


def signature_fields(signature: bytes) -> Fields:
    """Return the two words of EIP-2098; both zero for an empty signature: none needed.

    Raises LocalError for another length, v other than 27 or 28, or a high s: the contract would refuse it.
    """
    if not signature:
        return {"r": bytes(32), "vs": bytes(32)}
    s, parity = int.from_bytes(signature[32:64], "big"), signature[64] - 27 if len(signature) == 65 else -1
    if parity not in (0, 1) or s >> 255:
        raise LocalError("chain.argument", "a signature has 65 bytes, a low s, and v 27 or 28", "")
    return {"r": signature[:32], "vs": (s | parity << 255).to_bytes(32, "big")}


def open_terms(member_wei: int, hub_wei: int, valid_until: int) -> int:
    """Pack what an opening puts in: member u96, hub u96, until u64. Raises LocalError when one does not fit."""
    for value, bits in ((member_wei, 96), (hub_wei, 96), (valid_until, 64)):
        if value < 0 or value >> bits:
            raise LocalError("chain.argument", f"{value} does not fit {bits} bits", "")
    return member_wei << 160 | hub_wei << 64 | valid_until


def unpack_terms(terms: int) -> tuple[int, int, int]:
    """Return (member_wei, hub_wei, valid_until) of what ``open_terms`` packs."""
    return terms >> 160, terms >> 64 & (1 << 96) - 1, terms & (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Opening:
    """One channel to open; the hub's signature on Open is empty when bobOwner sends."""

    params: Params
    member_deposit_wei: int
    hub_deposit_wei: int
    valid_until: int
    hub_signature: bytes = b""

    def fields(self) -> Fields:
        """Return the ABI's Opening."""
        return {
            "params": params_fields(self.params),
            "terms": open_terms(self.member_deposit_wei, self.hub_deposit_wei, self.valid_until),
            "hubSignature": signature_fields(self.hub_signature),
        }


@dataclass(frozen=True, slots=True)
class Closing:
    """A co-signed end; a side that sends it, or whose owner does, may leave its signature empty."""

    params: Params
    net_wei: int
    valid_until: int
    alice_signature: bytes = b""
    bob_signature: bytes = b""

    def fields(self) -> Fields:
        """Return the ABI's Closing."""
        return {
            "params": params_fields(self.params),
            "net": self.net_wei,
            "validUntil": self.valid_until,
            "aliceSignature": signature_fields(self.alice_signature),
            "bobSignature": signature_fields(self.bob_signature),
        }


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A co-signed payout while the channel goes on."""

    nonce: int
    to_alice_wei: int
    to_bob_wei: int
    valid_until: int
    alice_signature: bytes = b""
    bob_signature: bytes = b""

    def fields(self) -> Fields:
        """Return the ABI's Withdrawal."""
        return {
            "nonce": self.nonce,
            "toAlice": self.to_alice_wei,
            "toBob": self.to_bob_wei,
            "validUntil": self.valid_until,
            "aliceSignature": signature_fields(self.alice_signature),
            "bobSignature": signature_fields(self.bob_signature),
        }


@dataclass(frozen=True, slots=True)
class StartPermit:
    """Leave for an agent to start a dispute; the default is none."""

    agent: bytes = ZERO_ADDRESS
    valid_until: int = 0
    signature: bytes = b""

    def fields(self) -> Fields:
        """Return the ABI's StartPermit."""
        return {"agent": self.agent, "validUntil": self.valid_until, "signature": signature_fields(self.signature)}


@dataclass(frozen=True, slots=True)
class CheckpointPost:
    """A co-signed checkpoint; version 0 is none."""

    version: int = 0
    net_wei: int = 0
    floor: int = 0
    retired: bytes = b""
    alice_signature: bytes = b""
    bob_signature: bytes = b""

    def fields(self) -> Fields:
        """Return the ABI's CheckpointPost."""
        return {
            "version": self.version,
            **self.content_fields(),
            "aliceSignature": signature_fields(self.alice_signature),
            "bobSignature": signature_fields(self.bob_signature),
        }

    def content_fields(self) -> Fields:
        """Return the ABI's CheckpointContent, which settle repeats."""
        return {"net": self.net_wei, "floor": self.floor, "retired": self.retired}


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

    def fields(self) -> Fields:
        """Return the ABI's Evidence."""
        return {
            "kind": self.kind,
            "amount": self.amount_wei,
            "unit": self.unit_wei,
            "length": self.length,
            "index": self.index,
            "root": self.root,
            "preimage": self.preimage,
            "signature": signature_fields(self.signature),
        }


def voucher(amount_wei: int, signature: bytes) -> Evidence:
    """Return a voucher as evidence."""
    return Evidence(kind=1, amount_wei=amount_wei, signature=signature)


def tick(
    base_wei: int, unit_wei: int, length: int, root: bytes, index: int, preimage: bytes, signature: bytes
) -> Evidence:
    """Return tick ``index`` of a signed chain as evidence."""
    return Evidence(2, base_wei, unit_wei, length, index, root, preimage, signature)


def all_fields(entries: Sequence[Opening] | Sequence[Closing]) -> list[Fields]:
    """Return a list of entries as the ABI wants them."""
    return [entry.fields() for entry in entries]
