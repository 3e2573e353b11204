"""The frames of the store's file: what was committed together, in order, each with its number and checksum.

    frame   = magic (2) | payload bytes (2) | number (4) | payload | CRC-32 of everything before (4)
    payload = entries: key bytes (1) | value bytes (2, 0xffff = deleted) | key | value

All integers big-endian. Numbers grow by one from frame to frame. The first frame of a file has number 1 and, in place
of entries, the name of the format.
"""

import binascii

from perunika.errors import LocalError

MAX_KEY_BYTES = 64
MAX_VALUE_BYTES = 1024
MAX_PAYLOAD_BYTES = 8192
FORMAT = b"perunika store 1"

_MAGIC = b"\xc7\x5e"
_HEAD_BYTES = 8
_CRC_BYTES = 4
_ENTRY_HEAD_BYTES = 3
_DELETED = 0xFFFF
_SEARCH_BYTES = 512


def frame_bytes(payload_bytes):
    """Return the size of a frame around a payload."""
    return _HEAD_BYTES + payload_bytes + _CRC_BYTES


def entry_bytes(key, value):
    """Return the size of an entry; ``value`` None means that the key is deleted."""
    return _ENTRY_HEAD_BYTES + len(key) + (0 if value is None else len(value))


def frame_parts(number, payload_bytes, parts):
    """Yield the frame around a payload of ``payload_bytes`` that comes in ``parts``.

    A small heap has no room for a frame in one piece.
    """
    head = _MAGIC + payload_bytes.to_bytes(2, "big") + number.to_bytes(4, "big")
    crc = binascii.crc32(head)
    yield head
    for part in parts:
        crc = binascii.crc32(part, crc)
        yield part
    yield crc.to_bytes(4, "big")


def payload_parts(writes):
    """Yield the entries of ``writes`` (key -> value or None), which the caller has checked against the bounds."""
    for key in writes:
        value = writes[key]
        length = _DELETED if value is None else len(value)
        yield bytes((len(key), length >> 8, length & 0xFF)) + key
        if value:
            yield value


def apply_writes(writes, entries):
    """Apply ``writes`` to the dict ``entries``."""
    for key in writes:
        if writes[key] is None:
            entries.pop(key, None)
        else:
            entries[key] = writes[key]


def apply_payload(payload, entries):
    """Apply the entries of a payload to the dict ``entries``; raise ``LocalError`` when it is malformed."""
    at = 0
    while at < len(payload):
        if at + _ENTRY_HEAD_BYTES > len(payload):
            raise _damaged("an entry is cut off")
        key_end = at + _ENTRY_HEAD_BYTES + payload[at]
        length = payload[at + 1] << 8 | payload[at + 2]
        end = key_end + (0 if length == _DELETED else length)
        if end > len(payload):
            raise _damaged("an entry is longer than its frame")
        key = payload[at + _ENTRY_HEAD_BYTES : key_end]
        if length == _DELETED:
            entries.pop(key, None)
        else:
            entries[key] = payload[key_end:end]
        at = end


def read_frame(file):
    """Return (number, payload) of the frame at the file's position, or None when no valid frame begins there."""
    head = file.read(_HEAD_BYTES)
    if len(head) < _HEAD_BYTES or head[:2] != _MAGIC:
        return None
    length = int.from_bytes(head[2:4], "big")
    if length > MAX_PAYLOAD_BYTES:
        return None
    payload = file.read(length)
    crc = file.read(_CRC_BYTES)
    if len(payload) < length or len(crc) < _CRC_BYTES:
        return None
    if int.from_bytes(crc, "big") != binascii.crc32(payload, binascii.crc32(head)):
        return None
    return int.from_bytes(head[4:], "big"), payload


def read_frames(file, entries):
    """Apply all frames of a file to ``entries``; return (last number, bytes of valid frames).

    An invalid end is what a power cut leaves of an unfinished commit and is passed over. Raises ``LocalError`` when
    the damage lies before something valid: an acknowledged commit is lost then, and going on would take it back.
    """
    first = read_frame(file)
    if first is None or first != (1, FORMAT):
        raise _damaged("it does not begin as a store does")
    number = 1
    end = file.tell()
    while True:
        frame = read_frame(file)
        if frame is None:
            break
        if frame[0] != number + 1:
            raise _damaged("commit %d is missing" % (number + 1))
        number = frame[0]
        apply_payload(frame[1], entries)
        end = file.tell()
    if _valid_frame_after(file, end):
        raise _damaged("commit %d is damaged, but a later one is not" % (number + 1))
    return number, end


def _valid_frame_after(file, start):
    """Return whether a valid frame begins anywhere after ``start``."""
    file.seek(start + 1)
    base = start + 1
    block = file.read(_SEARCH_BYTES)
    while len(block) >= len(_MAGIC):
        at = block.find(_MAGIC)
        while at >= 0:
            file.seek(base + at)
            if read_frame(file) is not None:
                return True
            at = block.find(_MAGIC, at + 1)
        base += len(block) - 1  # the magic may lie across two blocks
        file.seek(base)
        block = file.read(_SEARCH_BYTES)
    return False


def _damaged(text):
    return LocalError("store-damaged", "the store's file is damaged: " + text, "restore it from its second place")
