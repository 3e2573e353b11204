"""Evidence of a payment: a voucher or a tick of a PayWord chain (onchain.md ``amountOf``)."""

from perunika.crypto import sha256, verify
from perunika.errors import LocalError, PeerError
from perunika.structs import TickChain, Voucher
from perunika.value import AMOUNT_MAX, Value

TICKS_MAX = 1024  # onchain.md, constant TICKS


class VoucherEvidence(Value):
    """A cumulative amount and the payer's signature on ``Voucher{channel_id, amount}``."""

    FIELDS = "amount amount,signature signature"
    amount: int
    signature: bytes


class TickEvidence(Value):
    """A signed chain and its ``k``-th tick: worth ``base + k * unit`` wei; R16 bounds the length."""

    FIELDS = "base amount,unit amount,length uint32,root bytes32,signature signature,k uint32,tick bytes32"
    base: int
    unit: int
    length: int
    root: bytes
    signature: bytes
    k: int
    tick: bytes

    @property
    def amount(self):
        return self.base + self.k * self.unit


EVIDENCE = (VoucherEvidence, TickEvidence, "?")  # kind of a field that may hold either


def sign_voucher(domain, key, channel_id, amount):
    """Return evidence that ``key`` owes ``amount`` wei in all in ``channel_id``; deterministic (R1)."""
    return VoucherEvidence(amount, key.sign(Voucher(channel_id, amount).digest(domain)))


def check_evidence(domain, signer, channel_id, evidence):
    """Return the amount in wei that ``evidence`` proves, as ``amountOf`` of the contract does.

    Raises ``PeerError`` when the signature, the chain's length, the tick or the amount is wrong.
    """
    if type(evidence) is TickEvidence:
        return _check_tick(domain, signer, channel_id, evidence)
    if not verify(Voucher(channel_id, evidence.amount).digest(domain), evidence.signature, signer):
        raise PeerError("voucher.signer", "the voucher is not signed by this channel's payer")
    return evidence.amount


def _check_tick(domain, signer, channel_id, evidence):
    if not evidence.k <= evidence.length <= TICKS_MAX:
        raise PeerError("tick.length", "tick %d of a chain of %d" % (evidence.k, evidence.length))
    if evidence.amount > AMOUNT_MAX:
        raise PeerError("tick.range", "the tick's amount is beyond 2^96 - 1")
    chain = TickChain(channel_id, evidence.base, evidence.unit, evidence.length, evidence.root)
    if not verify(chain.digest(domain), evidence.signature, signer):
        raise PeerError("tick.signer", "the tick chain is not signed by this channel's payer")
    if hash_ticks(evidence.tick, evidence.k) != evidence.root:
        raise PeerError("tick.preimage", "the tick does not hash to the chain's root")
    return evidence.amount


def hash_ticks(tick, count):
    """Return SHA-256 applied ``count`` times; ``count`` above ``TICKS_MAX`` raises ``LocalError``."""
    if count > TICKS_MAX:
        raise LocalError("tick.length", "more than %d hashes" % TICKS_MAX)
    for _ in range(count):
        tick = sha256(tick)
    return tick
