"""Frozen values made of range-checked fields, equal on CPython and MicroPython.

A value class lists its fields once as data: ``FIELDS = "name kind,name kind"``; ``OF`` holds the classes that its
kinds name. The text is read at the class's first use, so that a board pays only for what it uses. Every construction
checks every field: a value that exists is in range (house rule: every signed number is range-checked). Values are
compared by type and content, and packed as a CBOR array in field order.
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
REMEMBERS = sys.implementation.name != "micropython"  # a board has no memory for packed copies


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


def clip_text(text, limit):
    """Return ``text`` cut to at most ``limit`` UTF-8 bytes, between characters."""
    text = text[:limit]
    while len(text.encode()) > limit:
        text = text[:-1]
    return text


def _show(value):
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "..."


# kind -> (check function, its first argument); uintN and intN are read from their names
_KINDS = {
    "address": (check_size, 20),
    "signature": (check_size, 65),
    "retired": (check_bytes, 1024),
    "text": (check_text, 200),
    "word": (check_text, 40),
    "amount": (check_uint, 96),
}


def _kind(word):
    """Return (check function, its first argument) of a plain kind; raises ``LocalError("value.kind")``."""
    known = _KINDS.get(word)
    if known is not None:
        return known
    for prefix, test in (("uint", check_uint), ("int", check_int), ("bytes", check_size)):
        if word.startswith(prefix) and word[len(prefix) :].isdigit():
            known = (test, int(word[len(prefix) :]))
            if REMEMBERS:
                _KINDS[word] = known
            return known
    if word == "bytes":
        return check_bytes, 1024
    raise LocalError("value.kind", "no kind is called " + word)


def parse_fields(text, classes):
    """Return the (name, kind) pairs of ``"name kind,..."``; kinds with a capital letter are found in ``classes``.

    A tuple in ``classes`` is the kind ``Evidence`` (one of several classes).
    """
    return tuple([_pair(item, classes) for item in text.split(",")]) if text else ()


class _Box:
    """Its attributes' names are words that MicroPython keeps once."""


def share(word):
    """Return a text equal to ``word`` that costs a board no memory when the same word is kept elsewhere too."""
    if REMEMBERS:
        return sys.intern(word)
    box = _Box()
    setattr(box, word, None)
    return list(box.__dict__)[0]


def _pair(item, classes):
    name, kind = item.split(" ")
    name = share(name)
    if not "A" <= kind[0] <= "Z":
        return name, share(kind)
    mode = kind[-1] if kind[-1] in "?*" else ""
    wanted = kind[: len(kind) - len(mode)]
    for cls in classes:
        if type(cls) is tuple:
            if wanted == "Evidence":
                return name, cls
        elif cls.__name__ == wanted:
            return name, (cls, mode) if mode else cls
    raise LocalError("value.kind", "no class for kind " + kind)


def check(kind, value):
    """Return ``value`` if it fits ``kind``, else raise ``LocalError``.

    A kind is a plain word (with "?": ``None`` too), a class, or a tuple of classes that ends in "?"
    (one of them, or ``None``) or in "*" (a tuple of them).
    """
    if type(kind) is str:
        if kind[-1] == "?":
            if value is None:
                return None
            kind = kind[:-1]
        test, bound = _kind(kind)
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
    FIELDS: "ClassVar[Any]" = ""
    OF: "ClassVar[tuple[Any, ...]]" = ()

    def __init_subclass__(cls):
        # CPython only: there FIELDS are pairs from the start, for whoever shows values to people.
        cls.fields()

    @classmethod
    def fields(cls):
        """Return the (name, kind) pairs."""
        found = cls.FIELDS
        if type(found) is str:
            found = cls._read_fields(found)
            if found:
                cls.FIELDS = found
        return found

    @classmethod
    def _read_fields(cls, text):
        return parse_fields(text, cls.OF)

    def __init__(self, *args, **named):
        fields = self.fields()
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
        parts = [f[0] + "=" + _show(getattr(self, f[0])) for f in self.fields()]
        return type(self).__name__ + "(" + ", ".join(parts) + ")"

    def row(self):
        """Return the fields as a tuple, in order; nested values stay values."""
        return tuple([getattr(self, f[0]) for f in self.fields()])

    def replace(self, **changes):
        """Return a copy with the named fields changed; raises ``LocalError`` for an unknown name."""
        cls = type(self)
        copy = object.__new__(cls)
        left = len(changes)
        for name, kind in cls.fields():
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
        if not REMEMBERS:
            return [_pack(item) for item in self.row()]
        packed = self.__dict__.get("_packed")
        if packed is None:
            packed = self.__dict__["_packed"] = [_pack(item) for item in self.row()]
        return packed

    @classmethod
    def unpack(cls, items):
        """Return the value that ``pack`` made; anything else raises ``PeerError``."""
        fields = cls.fields()
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
        if type(item) is list and len(item) == len(choice.fields()):
            return choice.unpack(item)
    raise PeerError("message.shape", "%s must be an array of another size" % kind[0].__name__)
