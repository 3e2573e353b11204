"""Signed statements that no contract reads: what parties tell each other off chain (details.md "Messages")."""

from perunika.eip712 import Struct


class Terms(Struct):
    """What a payee sells and under which conditions; signed by the payee key (details.md)."""

    ABI = (
        "bytes32 payeeChannel,address payee,bytes32 payeeNonce,uint128 unitPrice,uint32 unitMillis,"
        "uint128 minCapacity,uint32 window,uint64 maxValidity,uint64 validUntil"
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

    ABI = "bytes32 virtualId,uint32 handle,uint128 exposure"
    virtual_id: bytes
    handle: int
    exposure: int


class ChainView(Struct):
    """What a gateway or watchtower sees of a channel, for a device without a chain (details.md, ADR-0007)."""

    ABI = (
        "bytes32 channelId,bytes32 virtualId,uint8 status,int128 base,uint128 total,uint128 hubFree,"
        "uint64 block,uint64 time,bytes32 nonce"
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

    ABI = "address device,uint64 sequence,uint64 time,bytes32 kind,int256 value,int8 exponent"
    device: bytes
    sequence: int
    time: int
    kind: bytes
    value: int
    exponent: int


class Receipt(Struct):
    """A watchtower has taken a register in charge until ``until``; signed by the watchtower."""

    ABI = "bytes32 channelId,bytes32 registerHash,uint64 until"
    channel_id: bytes
    register_hash: bytes
    until: int


class Proposal(Struct):
    """The hub asks a member to sign ``version`` of a virtual channel's leg first (R7, R10; ADR-0016).

    ``net`` is what that version moves from payer to payee. The contract knows no such struct: it moves nothing.
    """

    ABI = "bytes32 channelId,uint64 nid,uint64 version,bytes32 virtualId,int128 net"
    channel_id: bytes
    nid: int
    version: int
    virtual_id: bytes
    net: int
