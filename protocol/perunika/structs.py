"""The signed structs of Perunika: what each signature means (onchain.md "Signed structs", details.md "Messages").

Every class gives its fields with the bound that posting enforces (amounts below 2^96), and its ABI types
exactly as the contract hashes them.
"""

from perunika.crypto import keccak256
from perunika.eip712 import Struct

PAYER_LEG = b"\x00" * 20  # app 0
PAYEE_LEG = b"\x00" * 19 + b"\x01"  # app 1
ZERO_ADDRESS = b"\x00" * 20
ZERO_32 = b"\x00" * 32
NATIVE = ZERO_ADDRESS  # asset 0 is the chain's own coin


class BasicParams(Struct):
    """A basic channel; its digest is the channel id. ``alice`` = member, ``bob`` = hub; owners are paid."""

    NAME = "BasicParams"
    FIELDS = (
        ("alice", "address"), ("bob", "address"), ("alice_owner", "address"), ("bob_owner", "address"),
        ("asset", "address"), ("challenge_duration", "uint32"), ("open_before", "uint40"), ("salt", "bytes32"),
    )
    ABI = (
        ("alice", "address"), ("bob", "address"), ("aliceOwner", "address"), ("bobOwner", "address"),
        ("asset", "address"), ("challengeDuration", "uint32"), ("openBefore", "uint40"), ("salt", "bytes32"),
    )
    alice: bytes
    bob: bytes
    alice_owner: bytes
    bob_owner: bytes
    asset: bytes
    challenge_duration: int
    open_before: int
    salt: bytes


class VirtualParams(Struct):
    """A virtual channel between ``payer`` and ``payee`` over two basic channels; its digest is the virtual id."""

    NAME = "VirtualParams"
    FIELDS = (
        ("payer_channel", "bytes32"), ("payee_channel", "bytes32"), ("payer", "address"), ("payee", "address"),
        ("payer_capacity", "amount"), ("payee_capacity", "amount"), ("validity", "uint64"), ("window", "uint32"),
        ("salt", "bytes32"),
    )
    ABI = (
        ("payerChannel", "bytes32"), ("payeeChannel", "bytes32"), ("payer", "address"), ("payee", "address"),
        ("payerCapacity", "uint128"), ("payeeCapacity", "uint128"), ("validity", "uint64"), ("window", "uint32"),
        ("salt", "bytes32"),
    )
    payer_channel: bytes
    payee_channel: bytes
    payer: bytes
    payee: bytes
    payer_capacity: int
    payee_capacity: int
    validity: int
    window: int
    salt: bytes


def virtual_salt(payer_random, payee_nonce):
    """Return the salt of a virtual channel: keccak256 of both sides' 32 random bytes (details.md)."""
    return keccak256(payer_random + payee_nonce)


class Voucher(Struct):
    """``cumulative_amount`` wei paid so far, one way, in a basic or a virtual channel; signed by the payer alone."""

    NAME = "Voucher"
    FIELDS = (("channel_id", "bytes32"), ("cumulative_amount", "amount"))
    ABI = (("channelId", "bytes32"), ("cumulativeAmount", "uint128"))
    channel_id: bytes
    cumulative_amount: int


class TickChain(Struct):
    """A PayWord chain: tick k with SHA-256^k(x_k) = root is worth ``base + k * unit``."""

    NAME = "TickChain"
    FIELDS = (
        ("channel_id", "bytes32"), ("base", "amount"), ("unit", "amount"), ("length", "uint32"), ("root", "bytes32"),
    )
    ABI = (
        ("channelId", "bytes32"), ("base", "uint128"), ("unit", "uint128"), ("length", "uint32"), ("root", "bytes32"),
    )
    channel_id: bytes
    base: int
    unit: int
    length: int
    root: bytes


class Nanocontract(Struct):
    """One version of a nanocontract (Paper §4.2): what each side has blocked; sum 0 means terminated (R2)."""

    NAME = "Nanocontract"
    FIELDS = (
        ("channel_id", "bytes32"), ("nid", "uint64"), ("version", "uint40"), ("blocked_alice", "int128"),
        ("blocked_bob", "int128"), ("app", "address"), ("state", "bytes32"), ("run_time", "uint32"),
    )
    ABI = (
        ("channelId", "bytes32"), ("nid", "uint64"), ("version", "uint64"), ("blockedAlice", "int128"),
        ("blockedBob", "int128"), ("app", "address"), ("state", "bytes32"), ("runTime", "uint32"),
    )
    channel_id: bytes
    nid: int
    version: int
    blocked_alice: int
    blocked_bob: int
    app: bytes
    state: bytes
    run_time: int


class Checkpoint(Struct):
    """Which nanocontracts are retired and what they moved from Alice to Bob in all (Paper §4.2.10)."""

    NAME = "Checkpoint"
    FIELDS = (
        ("channel_id", "bytes32"), ("version", "uint40"), ("net", "int128"), ("floor", "uint64"),
        ("retired", "retired"),
    )
    ABI = (
        ("channelId", "bytes32"), ("version", "uint64"), ("net", "int128"), ("floor", "uint64"), ("retired", "bytes"),
    )
    channel_id: bytes
    version: int
    net: int
    floor: int
    retired: bytes


class Open(Struct):
    """The hub's promise to fund a channel with ``hub_deposit`` out of its vault until ``valid_until``."""

    NAME = "Open"
    FIELDS = (("channel_id", "bytes32"), ("member_deposit", "amount"), ("hub_deposit", "amount"), ("valid_until", "uint64"))
    ABI = (
        ("channelId", "bytes32"), ("memberDeposit", "uint128"), ("hubDeposit", "uint128"), ("validUntil", "uint64"),
    )
    channel_id: bytes
    member_deposit: int
    hub_deposit: int
    valid_until: int


class Withdraw(Struct):
    """Both sides take cash out of an open channel."""

    NAME = "Withdraw"
    FIELDS = (
        ("channel_id", "bytes32"), ("nonce", "uint32"), ("to_alice", "amount"), ("to_bob", "amount"),
        ("valid_until", "uint64"),
    )
    ABI = (
        ("channelId", "bytes32"), ("nonce", "uint32"), ("toAlice", "uint128"), ("toBob", "uint128"),
        ("validUntil", "uint64"),
    )
    channel_id: bytes
    nonce: int
    to_alice: int
    to_bob: int
    valid_until: int


class Close(Struct):
    """Cooperative close; ``net`` is everything that went from Alice to Bob in the channel's life."""

    NAME = "Close"
    FIELDS = (("channel_id", "bytes32"), ("net", "int128"), ("valid_until", "uint64"))
    ABI = (("channelId", "bytes32"), ("net", "int128"), ("validUntil", "uint64"))
    channel_id: bytes
    net: int
    valid_until: int


class Start(Struct):
    """Permits ``agent`` to start the dispute of a basic or virtual channel."""

    NAME = "Start"
    FIELDS = (("id", "bytes32"), ("agent", "address"), ("valid_until", "uint64"))
    ABI = (("id", "bytes32"), ("agent", "address"), ("validUntil", "uint64"))
    id: bytes
    agent: bytes
    valid_until: int


class Finish(Struct):
    """Ends a virtual channel early: only brings its deadline forward (R18: it never expires)."""

    NAME = "Finish"
    FIELDS = (("virtual_id", "bytes32"),)
    ABI = (("virtualId", "bytes32"),)
    virtual_id: bytes


class Action(Struct):
    """One step of an app by one party (onchain.md ``execute``)."""

    NAME = "Action"
    FIELDS = (
        ("channel_id", "bytes32"), ("nid", "uint64"), ("step", "uint32"), ("state_hash", "bytes32"),
        ("input_hash", "bytes32"),
    )
    ABI = (
        ("channelId", "bytes32"), ("nid", "uint64"), ("step", "uint32"), ("stateHash", "bytes32"),
        ("inputHash", "bytes32"),
    )
    channel_id: bytes
    nid: int
    step: int
    state_hash: bytes
    input_hash: bytes


class Fund(Struct):
    """Permits the contract to pull exactly ``amount`` of an ERC-20 from ``source`` for this one channel."""

    NAME = "Fund"
    FIELDS = (("channel_id", "bytes32"), ("source", "address"), ("amount", "amount"), ("valid_until", "uint64"))
    ABI = (("channelId", "bytes32"), ("from", "address"), ("amount", "uint128"), ("validUntil", "uint64"))
    channel_id: bytes
    source: bytes
    amount: int
    valid_until: int


class Terms(Struct):
    """What a payee sells and under which conditions; signed by the payee key (details.md)."""

    NAME = "Terms"
    FIELDS = (
        ("payee_channel", "bytes32"), ("payee", "address"), ("payee_nonce", "bytes32"), ("unit_price", "amount"),
        ("unit_millis", "uint32"), ("min_capacity", "amount"), ("window", "uint32"), ("max_validity", "uint64"),
        ("valid_until", "uint64"),
    )
    ABI = (
        ("payeeChannel", "bytes32"), ("payee", "address"), ("payeeNonce", "bytes32"), ("unitPrice", "uint128"),
        ("unitMillis", "uint32"), ("minCapacity", "uint128"), ("window", "uint32"), ("maxValidity", "uint64"),
        ("validUntil", "uint64"),
    )
    payee_channel: bytes
    payee: bytes
    payee_nonce: bytes
    unit_price: int
    unit_millis: int
    min_capacity: int
    window: int
    max_validity: int
    valid_until: int


class Ready(Struct):
    """The payee serves now; ``exposure`` wei may be owed before it stops; signed by the payee key."""

    NAME = "Ready"
    FIELDS = (("virtual_id", "bytes32"), ("handle", "uint32"), ("exposure", "amount"))
    ABI = (("virtualId", "bytes32"), ("handle", "uint32"), ("exposure", "uint128"))
    virtual_id: bytes
    handle: int
    exposure: int


class ChainView(Struct):
    """What a gateway or watchtower sees of a channel, for a device without a chain (details.md, ADR-0007)."""

    NAME = "ChainView"
    FIELDS = (
        ("channel_id", "bytes32"), ("virtual_id", "bytes32"), ("status", "uint8"), ("base", "int128"),
        ("total", "amount"), ("hub_free", "amount"), ("block", "uint64"), ("time", "uint64"), ("nonce", "bytes32"),
    )
    ABI = (
        ("channelId", "bytes32"), ("virtualId", "bytes32"), ("status", "uint8"), ("base", "int128"),
        ("total", "uint128"), ("hubFree", "uint128"), ("block", "uint64"), ("time", "uint64"), ("nonce", "bytes32"),
    )
    channel_id: bytes
    virtual_id: bytes
    status: int
    base: int
    total: int
    hub_free: int
    block: int
    time: int
    nonce: bytes


class Reading(Struct):
    """One measured value, ``value * 10^exponent`` of ``kind``; signed by the device."""

    NAME = "Reading"
    FIELDS = (
        ("device", "address"), ("sequence", "uint64"), ("time", "uint64"), ("kind", "bytes32"), ("value", "int256"),
        ("exponent", "int8"),
    )
    ABI = (
        ("device", "address"), ("sequence", "uint64"), ("time", "uint64"), ("kind", "bytes32"), ("value", "int256"),
        ("exponent", "int8"),
    )
    device: bytes
    sequence: int
    time: int
    kind: bytes
    value: int
    exponent: int


class Receipt(Struct):
    """A watchtower has taken a register in charge until ``until``; signed by the watchtower."""

    NAME = "Receipt"
    FIELDS = (("channel_id", "bytes32"), ("register_hash", "bytes32"), ("until", "uint64"))
    ABI = (("channelId", "bytes32"), ("registerHash", "bytes32"), ("until", "uint64"))
    channel_id: bytes
    register_hash: bytes
    until: int


ALL = (
    BasicParams, VirtualParams, Voucher, TickChain, Nanocontract, Checkpoint, Open, Withdraw, Close, Start, Finish,
    Action, Fund, Terms, Ready, ChainView, Reading, Receipt,
)
