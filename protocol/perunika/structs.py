"""The signed structs of Perunika: what each signature means (onchain.md "Signed structs", details.md "Messages").

Every class gives its fields with the bound that posting enforces (amounts below 2^96), and its ABI types
exactly as the contract hashes them.
"""

from perunika.crypto import keccak256
from perunika.eip712 import Struct
from perunika.statements import ChainView as ChainView  # "as": structs.py is where others find all structs
from perunika.statements import Proposal as Proposal
from perunika.statements import Reading as Reading
from perunika.statements import Ready as Ready
from perunika.statements import Receipt as Receipt
from perunika.statements import Terms as Terms

PAYER_LEG = b"\x00" * 20  # app 0
PAYEE_LEG = b"\x00" * 19 + b"\x01"  # app 1
ZERO_ADDRESS = b"\x00" * 20
ZERO_32 = b"\x00" * 32
NATIVE = ZERO_ADDRESS  # asset 0 is the chain's own coin


class BasicParams(Struct):
    """A basic channel; its digest is the channel id. ``alice`` = member, ``bob`` = hub; owners are paid."""

    ABI = (
        "address alice,address bob,address aliceOwner,address bobOwner,address asset,"
        "uint32 challengeDuration,uint40 openBefore,bytes32 salt"
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

    ABI = (
        "bytes32 payerChannel,bytes32 payeeChannel,address payer,address payee,uint128 payerCapacity,"
        "uint128 payeeCapacity,uint64 validity,uint32 window,bytes32 salt"
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

    ABI = "bytes32 channelId,uint128 cumulativeAmount"
    channel_id: bytes
    cumulative_amount: int


class TickChain(Struct):
    """A PayWord chain: tick k with SHA-256^k(x_k) = root is worth ``base + k * unit``."""

    ABI = "bytes32 channelId,uint128 base,uint128 unit,uint32 length,bytes32 root"
    channel_id: bytes
    base: int
    unit: int
    length: int
    root: bytes


class Nanocontract(Struct):
    """One version of a nanocontract (Paper §4.2): what each side has blocked; sum 0 means terminated (R2)."""

    ABI = (
        "bytes32 channelId,uint64 nid,uint64 version,int128 blockedAlice,int128 blockedBob,address app,"
        "bytes32 state,uint32 runTime"
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

    ABI = "bytes32 channelId,uint64 version,int128 net,uint64 floor,bytes retired"
    channel_id: bytes
    version: int
    net: int
    floor: int
    retired: bytes


class Open(Struct):
    """The hub's promise to fund a channel with ``hub_deposit`` out of its vault until ``valid_until``."""

    ABI = "bytes32 channelId,uint128 memberDeposit,uint128 hubDeposit,uint64 validUntil"
    channel_id: bytes
    member_deposit: int
    hub_deposit: int
    valid_until: int


class Withdraw(Struct):
    """Both sides take cash out of an open channel."""

    ABI = "bytes32 channelId,uint32 nonce,uint128 toAlice,uint128 toBob,uint64 validUntil"
    channel_id: bytes
    nonce: int
    to_alice: int
    to_bob: int
    valid_until: int


class Close(Struct):
    """Cooperative close; ``net`` is everything that went from Alice to Bob in the channel's life."""

    ABI = "bytes32 channelId,int128 net,uint64 validUntil"
    channel_id: bytes
    net: int
    valid_until: int


class Start(Struct):
    """Permits ``agent`` to start the dispute of a basic or virtual channel."""

    ABI = "bytes32 id,address agent,uint64 validUntil"
    id: bytes
    agent: bytes
    valid_until: int


class Finish(Struct):
    """Ends a virtual channel early: only brings its deadline forward (R18: it never expires)."""

    ABI = "bytes32 virtualId"
    virtual_id: bytes


class Action(Struct):
    """One step of an app by one party (onchain.md ``execute``)."""

    ABI = "bytes32 channelId,uint64 nid,uint32 step,bytes32 stateHash,bytes32 inputHash"
    channel_id: bytes
    nid: int
    step: int
    state_hash: bytes
    input_hash: bytes


class Fund(Struct):
    """Permits the contract to pull exactly ``amount`` of an ERC-20 from ``source`` for this one channel."""

    ABI = "bytes32 channelId,address from,uint128 amount,uint64 validUntil"
    channel_id: bytes
    source: bytes
    amount: int
    valid_until: int


ALL = (
    BasicParams,
    VirtualParams,
    Voucher,
    TickChain,
    Nanocontract,
    Checkpoint,
    Open,
    Withdraw,
    Close,
    Start,
    Finish,
    Action,
    Fund,
    Terms,
    Ready,
    ChainView,
    Reading,
    Receipt,
    Proposal,
)
