"""The board's store: registers in one file that survives power cuts at any instruction.

Implements the interface of ``perunika.store``. A commit appends one frame and is durable when it returns; when the file
has grown too long it is written anew beside the old one, which it then replaces. All records are also kept in memory,
so reading costs no flash access; their number and size are bounded.
"""

from perunika.errors import LocalError
from perunika_device import platform
from perunika_device.atomic_file import path_in, remove_leftover, replace_file, write_whole
from perunika_device.flash_frames import (
    FORMAT,
    MAX_KEY_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_VALUE_BYTES,
    apply_writes,
    entry_bytes,
    frame_bytes,
    frame_parts,
    payload_parts,
    read_frames,
)

MAX_RECORDS = 60
_NAME = "registers.log"
_ENOENT = 2


class FlashStore:
    """A store in ``directory``; one program at a time may open it.

    ``max_total_bytes`` bounds keys and values together, ``journal_bytes`` how much the file may grow beyond them before
    it is written anew. Raises ``LocalError`` ``store-damaged`` when a commit that was acknowledged cannot be read.
    ``torn_bytes`` says how much of an unfinished commit was passed over. ``share(other)`` makes two stores that hold
    the same keep it in memory once.
    """

    def __init__(self, directory, max_total_bytes=24576, journal_bytes=8192):
        self._directory = directory
        self._path = path_in(directory, _NAME)
        self._max_total_bytes = max_total_bytes
        self._journal_bytes = journal_bytes
        self._entries = {}
        self._number = 0
        self._file_bytes = 0
        # Set when the end of the file cannot be appended to: it does not exist, or ends in an unfinished commit.
        self._must_rewrite = True
        self.torn_bytes = 0
        self._load()

    def _load(self):
        try:
            remove_leftover(self._directory, _NAME)
            with open(self._path, "rb") as file:
                self._number, self._file_bytes = read_frames(file, self._entries)
                self.torn_bytes = file.seek(0, 2) - self._file_bytes
        except OSError as error:
            if error.errno == _ENOENT:
                return  # a new store: the first commit makes the file
            raise LocalError("store-disk", "the store cannot be read: " + repr(error), "check the flash")
        self._must_rewrite = self.torn_bytes > 0

    def share(self, other):
        """Keep the records of ``other`` in place of equal ones of our own; both get the same commits from now on."""
        self._entries = other._entries

    def get(self, key):
        """Return the value of ``key`` or None."""
        return self._entries.get(key)

    def scan(self, prefix):
        """Return (key, value) of all keys that begin with ``prefix``, in key order."""
        return [(key, self._entries[key]) for key in sorted(self._entries) if key.startswith(prefix)]

    def commit(self, writes):
        """Write all of ``writes`` (key -> value, or None to delete) or nothing; durable when it returns.

        Raises ``LocalError``: ``store-bounds`` for what may never be stored, ``store-full`` for too much of it,
        ``store-disk`` when the flash did not take it. What ``get`` returns is then as before.
        """
        if not writes:
            return
        payload_bytes = self._check(writes)
        try:
            if self._must_rewrite or self._file_bytes + frame_bytes(payload_bytes) > self._limit():
                self._rewrite(writes)
            else:
                self._append(writes, payload_bytes)
        except MemoryError:
            self._must_rewrite = True  # the file may end in a piece of a frame
            raise
        except OSError as error:
            self._undo()
            raise LocalError("store-disk", "the flash did not take the commit: " + repr(error), "free some space")
        apply_writes(writes, self._entries)

    def _check(self, writes):
        """Return the size of the payload; raise ``LocalError`` when it may not be stored."""
        payload_bytes = 0
        total_bytes = self._total_bytes()
        records = len(self._entries)
        for key in writes:
            value = writes[key]
            _check_entry(key, value)
            payload_bytes += entry_bytes(key, value)
            if key in self._entries:
                total_bytes -= entry_bytes(key, self._entries[key])
                records -= 1
            if value is not None:
                total_bytes += entry_bytes(key, value)
                records += 1
        if payload_bytes > MAX_PAYLOAD_BYTES:
            raise LocalError(
                "store-bounds", "one commit of more than %d bytes" % MAX_PAYLOAD_BYTES, "commit less at once"
            )
        if records > MAX_RECORDS or total_bytes > self._max_total_bytes:
            raise LocalError("store-full", "too many or too large records", "close channels that are done")
        return payload_bytes

    def _total_bytes(self):
        return sum([entry_bytes(key, self._entries[key]) for key in self._entries])

    def _limit(self):
        """How long the file may become: what it holds anyway, and the journal."""
        return self._total_bytes() + len(self._entries) * frame_bytes(0) + self._journal_bytes

    def _append(self, writes, payload_bytes):
        with open(self._path, "ab") as file:
            size_bytes = 0
            for part in frame_parts(self._number + 1, payload_bytes, payload_parts(writes)):
                size_bytes += write_whole(file, part)
            platform.flush_to_disk(file)
        self._number += 1
        self._file_bytes += size_bytes

    def _rewrite(self, writes):
        """Write the state that results from ``writes`` as a new file."""
        entries = dict(self._entries)
        apply_writes(writes, entries)
        self._file_bytes = replace_file(self._directory, _NAME, _whole_file(entries))
        self._number = 1 + len(entries)
        self._must_rewrite = False

    def _undo(self):
        """Get rid of what a failed commit has left in the file, now or else before the next commit."""
        self._must_rewrite = True
        try:
            self._rewrite({})
        except OSError:
            pass  # still no space: _must_rewrite stays set, and reading goes on


def _whole_file(entries):
    number = 1
    for part in frame_parts(number, len(FORMAT), (FORMAT,)):
        yield part
    for key in entries:
        number += 1
        single = {key: entries[key]}
        for part in frame_parts(number, entry_bytes(key, entries[key]), payload_parts(single)):
            yield part


def _check_entry(key, value):
    if not isinstance(key, bytes) or not 1 <= len(key) <= MAX_KEY_BYTES:
        raise LocalError("store-bounds", "a key must be 1 to %d bytes" % MAX_KEY_BYTES)
    if value is not None and (not isinstance(value, bytes) or len(value) > MAX_VALUE_BYTES):
        raise LocalError("store-bounds", "a value must be at most %d bytes" % MAX_VALUE_BYTES)
