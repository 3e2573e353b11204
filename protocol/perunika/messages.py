"""The messages on the wire: one table, one codec (details.md "Messages"; docs/perunika.cddl is made from this table).

A message is a CBOR map ``{0: type, 1: request id, 2: to, 3: from, 4...: body}``. The header's keys 1 to 3 are
left out on a direct link, where an id may also be a 4-byte handle (protocol.md §6). Unknown keys are ignored.
"""

from perunika import cbor
from perunika.errors import LocalError, PeerError
from perunika.evidence import EVIDENCE
from perunika.structs import (
    BasicParams,
    ChainView,
    Checkpoint,
    Close,
    Finish,
    Open,
    Reading,
    Ready,
    Receipt,
    Start,
    Terms,
    VirtualParams,
    Withdraw,
)
from perunika.value import REMEMBERS, Value, check, parse_fields, unpack_item

MAX_BYTES = 2048  # a checkpoint with a full bitmap fits


class Fees(Value):
    """The hub's price list, in wei and parts per million; ``valid_until`` is Unix seconds (details.md "Fees")."""

    FIELDS = "base amount,ppm uint32,ppm_per_day uint32,min_capacity amount,max_capacity amount,valid_until uint64"
    base: int
    ppm: int
    ppm_per_day: int
    min_capacity: int
    max_capacity: int
    valid_until: int


# type number, name, body fields from key 4 on; "?" = may be missing; "route" = 32-byte id or handle
TABLE = (
    (0, "Error", "code word,text text,hint text?,about uint8?"),
    (
        1,
        "QuoteRequest",
        "member address,member_owner address,asset address,member_deposit amount,hub_deposit amount,"
        "challenge_duration uint32,salt bytes32",
    ),
    (2, "Quote", "params BasicParams,open Open,signature signature,fees Fees"),
    (3, "TermsRequest", "payer address"),
    (4, "Terms", "terms Terms,signature signature"),
    (5, "AllowanceRequest", "params VirtualParams,payer_random bytes32,payee_nonce bytes32,signature signature"),
    (6, "OpenVirtual", "params VirtualParams,payer_random bytes32,payee_nonce bytes32,nid uint64,signature signature"),
    (7, "OfferLeg", "params VirtualParams,payer_random bytes32,payee_nonce bytes32,nid uint64,signature signature"),
    (8, "LegSigned", "channel bytes32,nid uint64,version uint40,signature signature"),
    (
        9,
        "VirtualOpened",
        "virtual bytes32,nid uint64,member_signature signature,hub_signature signature,params VirtualParams?,"
        "payer_random bytes32?,payee_nonce bytes32?,fee amount?",
    ),
    (
        10,
        "NotOk",
        "virtual bytes32,code word,text text,channel bytes32?,nid uint64?,version uint40?,signature signature?",
    ),
    (11, "CancelLeg", "virtual bytes32,channel bytes32,nid uint64,version uint40,signature signature"),
    (12, "ReadyRequest", "virtual bytes32"),
    (13, "Ready", "ready Ready,signature signature"),
    (14, "Voucher", "id route,amount amount,signature signature"),
    (15, "TickChain", "id route,base amount,unit amount,length uint32,root bytes32,signature signature"),
    (16, "Tick", "id route,k uint32,tick bytes32"),
    (17, "Ack", "id route,amount amount,served uint64?"),
    (18, "WantVoucher", "id route,amount amount"),
    (19, "CloseRequest", "virtual bytes32,signature signature,forward Evidence?"),
    (20, "CloseLeg", "virtual bytes32,signature signature,forward Evidence?,backward Evidence?"),
    (21, "LegClosed", "channel bytes32,nid uint64,version uint40,signature signature,virtual bytes32?"),
    (
        22,
        "Collect",
        "virtual bytes32,nid uint64,signature signature?,forward Evidence?,backward Evidence?,proposal signature?",
    ),
    (23, "Collected", "virtual bytes32,signature signature"),
    (24, "CheckpointOffer", "checkpoint Checkpoint,signature signature"),
    (25, "CheckpointSigned", "channel bytes32,version uint40,signature signature"),
    (26, "WithdrawOffer", "withdraw Withdraw,signature signature"),
    (27, "WithdrawSigned", "channel bytes32,nonce uint32,signature signature"),
    (28, "CloseOffer", "close Close,signature signature"),
    (29, "CloseSigned", "channel bytes32,signature signature"),
    (30, "Resume", "id bytes32?,payer address?"),
    (
        31,
        "Resumed",
        "params VirtualParams,payer_random bytes32,payee_nonce bytes32,terms Terms,terms_signature signature,"
        "ready Ready,ready_signature signature,forward Evidence?",
    ),
    (32, "ChainViewRequest", "channel bytes32,virtual bytes32,nonce bytes32"),
    (33, "ChainView", "view ChainView,signature signature"),
    (34, "Reading", "reading Reading,signature signature"),
    (35, "Protect", "channel bytes32,register bytes,nonce bytes32"),
    (36, "Receipt", "receipt Receipt,signature signature"),
    (37, "Start", "start Start,signature signature"),
    (38, "Finish", "finish Finish,signature signature"),
)

# What a kind with a capital letter names.
CLASSES = (
    BasicParams, ChainView, Checkpoint, Close, Fees, Finish, Open, Reading, Ready, Receipt, Start, Terms, VirtualParams,
    Withdraw, EVIDENCE,
)  # fmt: skip

_BY_TYPE = {}
_BY_NAME = {}
for _number, _name, _fields in TABLE:
    _BY_TYPE[_number] = (_name, _fields)
    _BY_NAME[_name] = _number

_read = {}


def fields_of(number):
    """Return (name, ((field, kind), ...)) of a message type; boards read it anew, hosts remember it."""
    found = _read.get(number)
    if found is None:
        name, text = _BY_TYPE[number]
        found = (name, parse_fields(text, CLASSES))
        if REMEMBERS:
            _read[number] = found
    return found


_HEADER = (("request_id", "bytes8?"), ("to", "address?"), ("sender", "address?"))


class Message:
    """One checked message: ``name`` as in TABLE, ``body`` by field name, and the header (``None`` when left out)."""

    __slots__ = ("name", "body", "request_id", "to", "sender")

    def __init__(self, name, body, request_id=None, to=None, sender=None):
        self.name = name
        self.body = body
        self.request_id = request_id
        self.to = to
        self.sender = sender

    def __getitem__(self, field):
        return self.body.get(field)

    def __eq__(self, other):
        return type(other) is Message and encode(self) == encode(other)

    def __hash__(self):
        return hash(encode(self))

    def __repr__(self):
        return "Message(%s, %r)" % (self.name, self.body)


def encode(message):
    """Return the bytes of ``message``; raises ``LocalError`` when a field is missing, unknown or out of range."""
    if message.name not in _BY_NAME:
        raise LocalError("message.unknown_type", "no message is called " + message.name)
    number = _BY_NAME[message.name]
    fields = fields_of(number)[1]
    items = {0: number}
    for key, value in ((1, message.request_id), (2, message.to), (3, message.sender)):
        if value is not None:
            items[key] = check(_HEADER[key - 1][1], value)
    known = 0
    for key in range(len(fields)):
        name, kind = fields[key]
        value = message.body.get(name)
        if value is None:
            if not _optional(kind):
                raise LocalError("message.missing", message.name + " needs " + name)
            continue
        known += 1
        items[4 + key] = _to_item(kind, value)
    if known != len([name for name in message.body if message.body[name] is not None]):
        raise LocalError("message.unknown_field", "a field of %s is not in its table" % message.name)
    return cbor.encode(items)


def _optional(kind):
    return kind[-1] == "?" if type(kind) is str or type(kind) is tuple else False


def _to_item(kind, value):
    if kind == "route":
        return check("uint32" if type(value) is int else "bytes32", value)
    check(kind, value)
    return value.pack() if isinstance(value, Value) else value


def decode(raw, max_bytes=MAX_BYTES):
    """Return the ``Message`` in ``raw``; raises ``PeerError`` for everything that is not one, exactly."""
    items = cbor.decode(raw, max_bytes)
    if type(items) is not dict or type(items.get(0)) is not int:
        raise PeerError("message.shape", "not a map with a type under key 0")
    if items[0] not in _BY_TYPE:
        raise PeerError(
            "message.unknown_type", "message type %d is not known" % items[0], "update one of the two sides"
        )
    name, fields = fields_of(items[0])
    try:
        header = [check(_HEADER[i][1], items.get(1 + i)) for i in range(3)]
        body = {}
        for key in range(len(fields)):
            value = items.get(4 + key)
            if value is not None:
                body[fields[key][0]] = _from_item(fields[key][1], value)
            elif not _optional(fields[key][1]):
                raise PeerError("message.missing", "%s without %s" % (name, fields[key][0]))
    except LocalError as error:
        raise PeerError(error.code, name + ": " + error.text)
    return Message(name, body, header[0], header[1], header[2])


def _from_item(kind, item):
    if kind == "route":
        return check("uint32" if type(item) is int else "bytes32", item)
    return check(kind, unpack_item(kind, item))


def peek(raw):
    """Return (type name, request id, to, from) of ``raw`` without reading the body, for relays; or ``PeerError``."""
    items = cbor.decode(raw, MAX_BYTES)
    if type(items) is not dict or type(items.get(0)) is not int or items[0] not in _BY_TYPE:
        raise PeerError("message.unknown_type", "not a message of a known type")
    try:
        header = [check(_HEADER[i][1], items.get(1 + i)) for i in range(3)]
    except LocalError as error:
        raise PeerError(error.code, error.text)
    return _BY_TYPE[items[0]][0], header[0], header[1], header[2]
