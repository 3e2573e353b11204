"""What a party keeps: the records of the store, one per register or channel, and where each one lives.

A party's state is a map of small records (protocol.md §1: a channel is a join of signed registers), so a step
touches only what it changes. Keys that begin with ``~`` are volatile: the store forgets them at restart.
"""

import sys

from perunika import cbor
from perunika.evidence import EVIDENCE, TickEvidence, VoucherEvidence
from perunika.structs import BasicParams, Checkpoint, Close, Open, Ready, Terms, VirtualParams, Withdraw
from perunika.value import Value

ALICE, BOB = 0, 1  # sides of a basic channel: member, hub
NONE, OPEN, DISPUTE, FOLDED, CLOSED = range(5)  # status on chain (onchain.md "Rules")

# Roles of a party in a virtual channel.
PAYER, PAYEE, PAYER_MEMBER, PAYEE_MEMBER, HUB = range(5)


class Basic(Value):
    """A basic channel as one side sees it; amounts in wei, times in Unix seconds.

    ``ab``/``ba``: best voucher Alice->Bob / Bob->Alice (own: highest signed, other's: highest verified, R5).
    ``held_*``: what live nanocontracts may still take. ``due``: fees agreed so far, as an amount of ``ab``.
    ``terminated``: nanocontracts that the next checkpoint can retire.
    """

    FIELDS = (
        "params BasicParams,side uint8,status uint8,base int128,total amount,withdraw_nonce uint32,"
        "seen_s uint64,block uint64,ab amount,ab_signature signature?,ba amount,ba_signature signature?,"
        "held_alice int128,held_bob int128,next_even uint64,next_odd uint64,due amount,"
        "checkpoint Checkpoint?,checkpoint_alice signature?,checkpoint_bob signature?,offered Checkpoint?,"
        "offered_signature signature?,withdraws Withdraw*,close Close?,close_alice signature?,"
        "close_bob signature?,frozen uint8,terminated uint32"
    )
    OF = (
        BasicParams,
        Checkpoint,
        Withdraw,
        Close,
    )
    params: BasicParams
    side: int
    status: int
    base: int
    total: int
    withdraw_nonce: int
    seen_s: int
    block: int
    ab: int
    ab_signature: bytes | None
    ba: int
    ba_signature: bytes | None
    held_alice: int
    held_bob: int
    next_even: int
    next_odd: int
    due: int
    checkpoint: Checkpoint | None
    checkpoint_alice: bytes | None
    checkpoint_bob: bytes | None
    offered: Checkpoint | None
    offered_signature: bytes | None
    withdraws: tuple
    close: Close | None
    close_alice: bytes | None
    close_bob: bytes | None
    frozen: int
    terminated: int


class Version(Value):
    """One version of a nanocontract with the signatures held so far; both = co-signed."""

    FIELDS = "version uint40,blocked_alice int128,blocked_bob int128,alice signature?,bob signature?"
    version: int
    blocked_alice: int
    blocked_bob: int
    alice: bytes | None
    bob: bytes | None

    def complete(self):
        return self.alice is not None and self.bob is not None

    def terminal(self):
        return self.blocked_alice + self.blocked_bob == 0


class Nano(Value):
    """A nanocontract that is not retired; ``state`` is the virtual id for the legs of virtual channels."""

    FIELDS = "channel_id bytes32,nid uint64,app address,state bytes32,versions Version*"
    OF = (Version,)
    channel_id: bytes
    nid: int
    app: bytes
    state: bytes
    versions: tuple

    def find(self, version):
        """Return the ``Version`` numbered ``version``, or ``None``."""
        for each in self.versions:
            if each.version == version:
                return each
        return None

    def final(self):
        """Return the co-signed terminal version, or ``None`` while the nanocontract is live."""
        for each in self.versions:
            if each.terminal() and each.complete():
                return each
        return None


class Funding(Value):
    """A virtual channel as a member or the hub keeps it: its legs and what was proved about payments."""

    FIELDS = (
        "role uint8,params VirtualParams,payer_random bytes32,payee_nonce bytes32,phase word,nid_a uint64,"
        "nid_b uint64,fee amount,asked_s uint64,forward Evidence?,backward Evidence?,finish signature?,"
        "reason text?"
    )
    OF = (
        VirtualParams,
        EVIDENCE,
    )
    role: int
    params: VirtualParams
    payer_random: bytes
    payee_nonce: bytes
    phase: str
    nid_a: int
    nid_b: int
    fee: int
    asked_s: int
    forward: VoucherEvidence | TickEvidence | None
    backward: VoucherEvidence | TickEvidence | None
    finish: bytes | None
    reason: str | None


class Stream(Value):
    """A virtual channel as its payer or payee keeps it: terms, best evidence each way, units served."""

    FIELDS = (
        "role uint8,params VirtualParams,payer_random bytes32,payee_nonce bytes32,phase word,terms Terms?,"
        "terms_signature signature?,ready Ready?,ready_signature signature?,forward Evidence?,"
        "backward Evidence?,acked amount,served uint64,started_ms uint64,request bytes8?,reason text?"
    )
    OF = (
        VirtualParams,
        Terms,
        Ready,
        EVIDENCE,
    )
    role: int
    params: VirtualParams
    payer_random: bytes
    payee_nonce: bytes
    phase: str
    terms: Terms | None
    terms_signature: bytes | None
    ready: Ready | None
    ready_signature: bytes | None
    forward: VoucherEvidence | TickEvidence | None
    backward: VoucherEvidence | TickEvidence | None
    acked: int
    served: int
    started_ms: int
    request: bytes | None
    reason: str | None

    def paid(self):
        """Return the wei that the payer owes by its best evidence."""
        return self.forward.amount if self.forward is not None else 0


class Allowance(Value):
    """What the owner lets one payer key lock: ``limit`` wei in all, ``used`` of it open or spent, fee per opening."""

    FIELDS = "limit amount,used amount,max_fee amount,paused uint8"
    limit: int
    used: int
    max_fee: int
    paused: int


class QuoteRecord(Value):
    """A signed promise of the hub to fund a channel: it must keep the money until ``valid_until``."""

    FIELDS = "params BasicParams,open Open,signature signature"
    OF = (
        BasicParams,
        Open,
    )
    params: BasicParams
    open: Open
    signature: bytes


def basic_key(channel_id):
    return b"b" + channel_id


def nano_key(channel_id, nid):
    return b"n" + channel_id + nid.to_bytes(8, "big")


def funding_key(role, virtual_id):
    return b"f" + bytes((role,)) + virtual_id


def stream_key(role, virtual_id):
    return b"s" + bytes((role,)) + virtual_id


def allowance_key(payer):
    return b"a" + payer


def quote_key(channel_id):
    return b"q" + channel_id


try:
    import cbor2

    def _encode(items):
        return cbor2.dumps(items, canonical=True)

except ImportError:  # a board: the same bytes, more slowly
    _encode = cbor.encode

MAX_RECORD_BYTES = 8192
# Records are frozen, so equal bytes may share one decoded record; boards have no memory for that.
_CACHE_ENTRIES = 0 if sys.implementation.name == "micropython" else 8192
_cache: dict = {}


def _remember(raw, record):
    if _CACHE_ENTRIES:
        if len(_cache) >= _CACHE_ENTRIES:
            _cache.clear()
        _cache[raw] = record
    return record


def _decode(cls, raw):
    record = _cache.get(raw)
    if type(record) is cls:
        return record
    return _remember(raw, cls.unpack(cbor.decode(raw, MAX_RECORD_BYTES)))


def load(view, cls, key):
    """Return the record of ``cls`` under ``key``, or ``None``."""
    raw = view.get(key)
    return None if raw is None else _decode(cls, raw)


def save(view, key, record):
    """Write ``record`` under ``key`` in this step's writes."""
    raw = _encode(record.pack())
    _remember(raw, record)
    view.put(key, raw)


def scan(view, cls, prefix):
    """Return all records of ``cls`` whose keys begin with ``prefix``, in key order."""
    return [_decode(cls, raw) for _, raw in view.scan(prefix)]
