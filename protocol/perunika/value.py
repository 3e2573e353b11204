"""Frozen values made of range-checked fields, equal on CPython and MicroPython.

A value class lists its fields once as data: ``FIELDS = (("name", kind), ...)``. Kinds are the words of
``KINDS`` below; every construction checks every field, so a value that exists is in range (house rule:
every signed number is range-checked). Compared by type and content; packed as a CBOR array in field order.
"""

import sys

from perunika.errors import LocalError, PeerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, dataclass_transform
else:

    def dataclass_transform(**_options):
        return lambda cls: cls


AMOUNT_MAX = (1 << 96) - 1  # onchain.md, constant A

_set = object.__setattr__
_REMEMBERS = sys.implementation.name != "micropython"  # a board has no memory for packed copies


def check_uint(bits, value):
    """Return ``value`` if it is an int in 0..2^bits-1, else raise ``LocalError("value.range")``."""
    if type(value) is not int or value < 0 or value >> bits:
        raise LocalError("value.range", "not an unsigned integer of %d bits: %s" % (bits, _show(value)))
    return value


def check_int(bits, value):
    """Return ``value`` if it is a signed int of ``bits`` bits, else raise ``LocalError("value.range")``."""
    if type(value) is not int or not -(1 << (bits - 1)) <= value < (1 << (bits - 1)):
        raise LocalError("value.range", "not a signed integer of %d bits: %s" % (bits, _show(value)))
    return value


def check_size(size, value):
    """Return ``value`` if it is ``bytes`` of exactly ``size``, else raise ``LocalError("value.size")``."""
    if type(value) is not bytes or len(value) != size:
        raise LocalError("value.size", "not %d bytes: %s" % (size, _show(value)))
    return value


def check_bytes(limit, value):
    """Return ``value`` if it is ``bytes`` of at most ``limit``, else raise ``LocalError("value.size")``."""
    if type(value) is not bytes or len(value) > limit:
        raise LocalError("value.size", "not bytes of at most %d: %s" % (limit, _show(value)))
    return value


def check_text(limit, value):
    """Return ``value`` if it is text of at most ``limit`` UTF-8 bytes, else raise ``LocalError("value.text")``."""
    if type(value) is not str or len(value.encode()) > limit:
        raise LocalError("value.text", "not text of at most %d bytes: %s" % (limit, _show(value)))
    return value


def _show(value):
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "..."


# kind -> (check function, its first argument)
KINDS = {
    "address": (check_size, 20),
    "bytes32": (check_size, 32),
    "bytes8": (check_size, 8),
    "signature": (check_size, 65),
    "retired": (check_bytes, 1024),
    "bytes": (check_bytes, 1024),
    "text": (check_text, 200),
    "word": (check_text, 40),
    "amount": (check_uint, 96),
    "signed": (check_int, 128),
}
for _bits in (8, 16, 32, 40, 64, 96, 128, 256):
    KINDS["uint%d" % _bits] = (check_uint, _bits)
    KINDS["int%d" % _bits] = (check_int, _bits)


def check(kind, value):
    """Return ``value`` if it fits ``kind``, else raise ``LocalError``.

    A kind is a word of ``KINDS`` (with "?": ``None`` too), a class, or a tuple of classes that ends in "?"
    (one of them, or ``None``) or in "*" (a tuple of them).
    """
    if type(kind) is str:
        if kind[-1] == "?":
            if value is None:
                return None
            kind = kind[:-1]
        test, bound = KINDS[kind]
        return test(bound, value)
    if type(kind) is not tuple:
        kind = (kind, "")
    if kind[-1] == "*":
        if type(value) is not tuple:
            raise LocalError("value.kind", "not a tuple: " + _show(value))
        for item in value:
            check(kind[:-1] + ("",), item)
    elif not (value is None and kind[-1] == "?") and type(value) not in kind[:-1]:
        raise LocalError("value.kind", "not a " + kind[0].__name__ + ": " + _show(value))
    return value


def _checked(cls, name, kind, value):
    """Return ``value`` if it fits; the error names class and field."""
    try:
        return check(kind, value)
    except LocalError as error:
        raise LocalError(error.code, "%s.%s: %s" % (cls.__name__, name, error.text))


@dataclass_transform(frozen_default=True)
class Value:
    """A frozen record of checked fields; see the module's docstring."""

    __slots__ = ()
    FIELDS: "ClassVar[tuple[Any, ...]]" = ()

    def __init__(self, *args, **named):
        fields = self.FIELDS
        if len(args) + len(named) != len(fields):
            raise LocalError("value.fields", "%s has %d fields" % (type(self).__name__, len(fields)))
        for i in range(len(fields)):
            name, kind = fields[i]
            if i < len(args):
                value = args[i]
            elif name in named:
                value = named[name]
            else:
                raise LocalError("value.fields", "%s needs %s" % (type(self).__name__, name))
            _set(self, name, _checked(type(self), name, kind, value))

    def __setattr__(self, name, value):
        raise AttributeError(type(self).__name__ + " is frozen")

    def __eq__(self, other):
        return type(self) is type(other) and self.row() == other.row()

    def __hash__(self):
        return hash((type(self).__name__, self.row()))

    def __repr__(self):
        parts = [f[0] + "=" + _show(getattr(self, f[0])) for f in self.FIELDS]
        return type(self).__name__ + "(" + ", ".join(parts) + ")"

    def row(self):
        """Return the fields as a tuple, in order; nested values stay values."""
        return tuple([getattr(self, f[0]) for f in self.FIELDS])

    def replace(self, **changes):
        """Return a copy with the named fields changed; raises ``LocalError`` for an unknown name."""
        cls = type(self)
        copy = object.__new__(cls)
        left = len(changes)
        for name, kind in self.FIELDS:
            if name in changes:
                left -= 1
                _set(copy, name, _checked(cls, name, kind, changes[name]))
            else:
                _set(copy, name, getattr(self, name))
        if left:
            raise LocalError("value.fields", "%s has not all of %s" % (cls.__name__, ", ".join(changes)))
        return copy

    def pack(self):
        """Return plain CBOR items: a list in field order, nested values as lists; callers do not change it."""
        if not _REMEMBERS:
            return [_pack(item) for item in self.row()]
        packed = self.__dict__.get("_packed")
        if packed is None:
            packed = self.__dict__["_packed"] = [_pack(item) for item in self.row()]
        return packed

    @classmethod
    def unpack(cls, items):
        """Return the value that ``pack`` made; anything else raises ``PeerError``."""
        fields = cls.FIELDS
        if type(items) is not list or len(items) != len(fields):
            raise PeerError("message.shape", "%s must be an array of %d items" % (cls.__name__, len(fields)))
        try:
            return cls(*[unpack_item(fields[i][1], items[i]) for i in range(len(fields))])
        except LocalError as error:
            raise PeerError(error.code, error.text)


def _pack(item):
    if isinstance(item, Value):
        return item.pack()
    if type(item) is tuple:
        return [_pack(each) for each in item]
    return item


def unpack_item(kind, item):
    """Return the field of ``kind`` that ``pack`` wrote as ``item``; wrong shapes raise ``PeerError``."""
    if type(kind) is str:
        return item
    if type(kind) is not tuple:
        return kind.unpack(item)
    if kind[-1] == "*":
        if type(item) is not list:
            raise PeerError("message.shape", "an array is needed here")
        return tuple([kind[0].unpack(each) for each in item])
    if item is None:
        return None
    for choice in kind[:-1]:
        if type(item) is list and len(item) == len(choice.FIELDS):
            return choice.unpack(item)
    raise PeerError("message.shape", "%s must be an array of another size" % kind[0].__name__)
