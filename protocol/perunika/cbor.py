"""CBOR with core deterministic encoding (RFC 8949 §4.2.1), the part that Perunika's messages use.

Items: int (bignum tags 2 and 3 beyond 64 bits), bytes, str, list, dict with unsigned int keys, True, False, None.
The decoder is bounded, takes only the deterministic form, refuses trailing bytes and raises only ``PeerError``.
"""

from perunika.errors import LocalError, PeerError

MAX_DEPTH = 5
MAX_BIGNUM = 32  # bytes: an int256


def encode(item):
    """Return the deterministic encoding of ``item``; raises ``LocalError`` for what has none here."""
    out = []
    _write(item, out, 0)
    return b"".join(out)


def _head(major, number):
    if number < 24:
        return bytes((major << 5 | number,))
    if number < 0x100:
        return bytes((major << 5 | 24, number))
    if number < 0x10000:
        return bytes((major << 5 | 25,)) + number.to_bytes(2, "big")
    if number < 0x100000000:
        return bytes((major << 5 | 26,)) + number.to_bytes(4, "big")
    return bytes((major << 5 | 27,)) + number.to_bytes(8, "big")


def _write_int(item, out):
    major, number = (0, item) if item >= 0 else (1, -1 - item)
    if number >> 64 == 0:
        out.append(_head(major, number))
        return
    size = 9
    while number >> (8 * size):
        size += 1
    if size > MAX_BIGNUM:
        raise LocalError("cbor.range", "integer beyond 256 bits")
    out.append(bytes((0xC2 + major,)) + _head(2, size) + number.to_bytes(size, "big"))


def _write(item, out, depth):
    kind = type(item)
    if kind is int:
        _write_int(item, out)
    elif kind is bytes:
        out.append(_head(2, len(item)))
        out.append(item)
    elif kind is str:
        text = item.encode()
        out.append(_head(3, len(text)))
        out.append(text)
    elif item is None or kind is bool:
        out.append(b"\xf6" if item is None else (b"\xf5" if item else b"\xf4"))
    elif depth >= MAX_DEPTH:
        raise LocalError("cbor.depth", "nested too deeply")
    elif kind is list or kind is tuple:
        out.append(_head(4, len(item)))
        for each in item:
            _write(each, out, depth + 1)
    elif kind is dict:
        for key in item:
            if type(key) is not int or key < 0 or key >> 64:
                raise LocalError("cbor.key", "map keys must be unsigned integers")
        out.append(_head(5, len(item)))
        for key in sorted(item):
            _write_int(key, out)
            _write(item[key], out, depth + 1)
    else:
        raise LocalError("cbor.type", "no encoding for " + kind.__name__)


def decode(message, max_bytes=2048):
    """Return the one item in ``message``; everything else raises ``PeerError`` with code ``cbor.*``."""
    if len(message) > max_bytes:
        raise PeerError("cbor.oversized", "message of %d bytes, at most %d allowed" % (len(message), max_bytes))
    try:
        item, end = _read(message, 0, 0)
    except IndexError:
        raise PeerError("cbor.truncated", "message ends inside an item")
    if end != len(message):
        raise PeerError("cbor.trailing", "%d bytes after the message" % (len(message) - end))
    return item


def _number(message, at):
    """Return (argument, next offset) of the head at ``at``; shortest form only."""
    short = message[at] & 31
    if short < 24:
        return short, at + 1
    if short > 27:
        raise PeerError("cbor.form", "indefinite or reserved length")
    size = 1 << (short - 24)
    end = at + 1 + size
    if end > len(message):
        raise PeerError("cbor.truncated", "message ends inside an item")
    number = int.from_bytes(message[at + 1 : end], "big")
    if number < 24 or (size > 1 and number >> (4 * size) == 0):
        raise PeerError("cbor.form", "number not in its shortest form")
    return number, end


def _take(message, at, size):
    end = at + size
    if end > len(message):
        raise PeerError("cbor.truncated", "message ends inside an item")
    return bytes(message[at:end]), end


def _read(message, at, depth):
    major = message[at] >> 5
    if major == 7:
        return _read_simple(message[at]), at + 1
    number, end = _number(message, at)
    if major == 0:
        return number, end
    if major == 1:
        return -1 - number, end
    if major == 2:
        return _take(message, end, number)
    if major == 3:
        return _read_text(message, end, number)
    if major == 6:
        return _read_bignum(message, end, number)
    if depth >= MAX_DEPTH:
        raise PeerError("cbor.depth", "nested too deeply")
    if number > len(message) - end:
        raise PeerError("cbor.truncated", "more items announced than bytes left")
    if major == 4:
        items = []
        for _ in range(number):
            item, end = _read(message, end, depth + 1)
            items.append(item)
        return items, end
    return _read_map(message, end, number, depth)


def _read_simple(first):
    if first == 0xF6:
        return None
    if first == 0xF5 or first == 0xF4:
        return first == 0xF5
    raise PeerError("cbor.type", "simple value or float not allowed")


def _read_text(message, at, size):
    text, end = _take(message, at, size)
    try:
        return text.decode(), end
    except UnicodeError:
        raise PeerError("cbor.text", "text is not UTF-8")


def _read_bignum(message, at, tag):
    if tag != 2 and tag != 3:
        raise PeerError("cbor.type", "tag %d not allowed" % tag)
    if message[at] >> 5 != 2:
        raise PeerError("cbor.type", "bignum is not a byte string")
    size, at = _number(message, at)
    body, end = _take(message, at, size)
    if not 8 < size <= MAX_BIGNUM or body[0] == 0:
        raise PeerError("cbor.form", "bignum not in its shortest form or beyond 256 bits")
    number = int.from_bytes(body, "big")
    return (number if tag == 2 else -1 - number), end


def _read_map(message, at, size, depth):
    entries = {}
    last = -1
    for _ in range(size):
        if message[at] >> 5 != 0:
            raise PeerError("cbor.key", "map keys must be unsigned integers")
        key, at = _number(message, at)
        if key <= last:
            raise PeerError("cbor.key", "map keys not strictly increasing")
        last = key
        entries[key], at = _read(message, at, depth + 1)
    return entries, at
