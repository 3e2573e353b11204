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


# The type number is the place in this table: name, then body fields from key 4 on. "?" = may be missing; "route" =
# 32-byte id or handle. Plain text, so that a board keeps 39 strings and no more.
TABLE = (
    "Error code word,text text,hint text?,about uint8?",  # 0
    "QuoteRequest member address,member_owner address,asset address,member_deposit amount,"
    "hub_deposit amount,challenge_duration uint32,salt bytes32",  # 1
    "Quote params BasicParams,open Open,signature signature,fees Fees",  # 2
    "TermsRequest payer address",  # 3
    "Terms terms Terms,signature signature",  # 4
    "AllowanceRequest params VirtualParams,payer_random bytes32,payee_nonce bytes32,signature signature",  # 5
    "OpenVirtual params VirtualParams,payer_random bytes32,payee_nonce bytes32,nid uint64,signature signature",  # 6
    "OfferLeg params VirtualParams,payer_random bytes32,payee_nonce bytes32,nid uint64,signature signature",  # 7
    "LegSigned channel bytes32,nid uint64,version uint40,signature signature",  # 8
    "VirtualOpened virtual bytes32,nid uint64,member_signature signature,hub_signature signature,"
    "params VirtualParams?,payer_random bytes32?,payee_nonce bytes32?,fee amount?",  # 9
    "NotOk virtual bytes32,code word,text text,channel bytes32?,nid uint64?,version uint40?,signature signature?",  # 10
    "CancelLeg virtual bytes32,channel bytes32,nid uint64,version uint40,signature signature",  # 11
    "ReadyRequest virtual bytes32",  # 12
    "Ready ready Ready,signature signature",  # 13
    "Voucher id route,amount amount,signature signature",  # 14
    "TickChain id route,base amount,unit amount,length uint32,root bytes32,signature signature",  # 15
    "Tick id route,k uint16,tick bytes32",  # 16
    "Ack id route,amount amount,served uint64?",  # 17
    "WantVoucher id route,amount amount",  # 18
    "CloseRequest virtual bytes32,signature signature,forward Evidence?",  # 19
    "CloseLeg virtual bytes32,signature signature,forward Evidence?,backward Evidence?",  # 20
    "LegClosed channel bytes32,nid uint64,version uint40,signature signature,virtual bytes32?,forward Evidence?",  # 21
    "Collect virtual bytes32,nid uint64,signature signature?,forward Evidence?,backward Evidence?,"
    "proposal signature?",  # 22
    "Collected virtual bytes32,signature signature",  # 23
    "CheckpointOffer checkpoint Checkpoint,signature signature",  # 24
    "CheckpointSigned channel bytes32,version uint40,signature signature",  # 25
    "WithdrawOffer withdraw Withdraw,signature signature",  # 26
    "WithdrawSigned channel bytes32,nonce uint32,signature signature",  # 27
    "CloseOffer close Close,signature signature",  # 28
    "CloseSigned channel bytes32,signature signature",  # 29
    "Resume id bytes32?,payer address?",  # 30
    "Resumed params VirtualParams,payer_random bytes32,payee_nonce bytes32,terms Terms,"
    "terms_signature signature,ready Ready,ready_signature signature,forward Evidence?",  # 31
    "ChainViewRequest channel bytes32,virtual bytes32,nonce bytes32",  # 32
    "ChainView view ChainView,signature signature",  # 33
    "Reading reading Reading,signature signature",  # 34
    "Protect channel bytes32,register bytes,nonce bytes32",  # 35
    "Receipt receipt Receipt,signature signature",  # 36
    "Start start Start,signature signature",  # 37
    "Finish finish Finish,signature signature",  # 38
)

# What a kind with a capital letter names.
CLASSES = (
    BasicParams, ChainView, Checkpoint, Close, Fees, Finish, Open, Reading, Ready, Receipt, Start, Terms, VirtualParams,
    Withdraw, EVIDENCE,
)  # fmt: skip

_read = {}


def fields_of(number):
    """Return (name, ((field, kind), ...)) of a message type; boards read it anew, hosts remember it."""
    found = _read.get(number)
    if found is None:
        name, _, text = TABLE[number].partition(" ")
        found = (name, parse_fields(text, CLASSES))
        if REMEMBERS:
            _read[number] = found
    return found


_numbers = {}


def number_of(name):
    """Return the type number of the message called ``name``; raises ``LocalError("message.unknown_type")``."""
    found = _numbers.get(name)
    if found is not None:
        return found
    for number in range(len(TABLE)):
        if TABLE[number].startswith(name + " "):
            if REMEMBERS:
                _numbers[name] = number
            return number
    raise LocalError("message.unknown_type", "no message is called " + name)


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
    number = number_of(message.name)
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
    if not 0 <= items[0] < len(TABLE):
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


def peek_header(raw):
    """Return (type number, request id, to, from) of a message of any type, unread otherwise; or raise ``PeerError``."""
    items = cbor.decode(raw, MAX_BYTES)
    if type(items) is not dict or type(items.get(0)) is not int:
        raise PeerError("message.shape", "not a map with a type under key 0")
    try:
        header = [check(_HEADER[i][1], items.get(1 + i)) for i in range(3)]
    except LocalError as error:
        raise PeerError(error.code, error.text)
    return items[0], header[0], header[1], header[2]


def peek(raw):
    """Return (type name, request id, to, from) of ``raw`` without reading the body, for relays; or ``PeerError``."""
    number, request_id, to, sender = peek_header(raw)
    if not 0 <= number < len(TABLE):
        raise PeerError("message.unknown_type", "not a message of a known type")
    return TABLE[number].partition(" ")[0], request_id, to, sender
