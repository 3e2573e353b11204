"""The board's registers in up to two places on flash, and its volatile ones in memory (R15).

Keys that begin with ``~`` are forgotten at a restart (``perunika.records``). With a second directory every commit is
durable in both before it returns; a place that was lost is filled again from the other one when the board starts.
"""

from perunika.errors import LocalError
from perunika_device import platform
from perunika_device.flash_store import FlashStore

_VOLATILE = 126  # b"~"
_COPY_BYTES = 4096
MAX_VOLATILE = 64


class BoardStore:
    """The Store of ``perunika.store`` in ``directory``, mirrored in ``second`` unless that is None.

    ``restored`` says that one place was empty and has been filled from the other.
    """

    def __init__(self, directory, second=None):
        self.restored = False
        self._volatile = {}
        self._places = [_open(directory)]
        if second is not None:
            self._places.append(_open(second))
            self._agree()

    def _agree(self):
        """Make both places equal: the first one is written first, so it is the newer one, unless it was lost."""
        first, other = self._places
        kept, lost = first.scan(b""), other.scan(b"")
        if kept != lost:
            self.restored = not kept or not lost
            if kept:
                _copy(kept, other)
            else:
                _copy(lost, first)
        other.share(first)

    def get(self, key):
        """Return the value of ``key`` or None."""
        return self._volatile.get(key) if key[0] == _VOLATILE else self._places[0].get(key)

    def scan(self, prefix):
        """Return all (key, value) whose key starts with ``prefix``, in key order."""
        if prefix[:1] != b"~":
            return self._places[0].scan(prefix)
        return [(key, self._volatile[key]) for key in sorted(self._volatile) if key.startswith(prefix)]

    def commit(self, writes):
        """Write all of ``writes`` or nothing; durable everywhere when it returns. Raises what ``FlashStore`` does."""
        lasting = {}
        for key in writes:
            if key[0] != _VOLATILE:
                lasting[key] = writes[key]
        if lasting:
            for place in self._places:
                place.commit(lasting)
        for key in writes:
            if key[0] == _VOLATILE:
                self._remember(key, writes[key])

    def _remember(self, key, value):
        if value is None:
            self._volatile.pop(key, None)
        elif key in self._volatile or len(self._volatile) < MAX_VOLATILE:
            self._volatile[key] = value
        else:
            raise LocalError("store-full", "too much is under way at once", "wait until it is done")


def _open(directory):
    platform.make_directory(directory)
    return FlashStore(directory)


def _copy(entries, place):
    stale = [key for key, _ in place.scan(b"")]
    writes = {}
    size_bytes = 0
    for key, value in entries:
        writes[key] = value
        size_bytes += len(key) + len(value)
        if size_bytes > _COPY_BYTES:
            place.commit(writes)
            writes = {}
            size_bytes = 0
    kept = [key for key, _ in entries]
    for key in stale:
        if key not in kept:
            writes[key] = None
    place.commit(writes)
