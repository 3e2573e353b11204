"""Where registers are kept: a map from short byte keys to canonical bytes.

A store has three operations. ``get(key) -> bytes | None``; ``scan(prefix) -> list of (key, value)`` in key
order; ``commit(writes)`` where ``writes`` maps key -> value or ``None`` (delete): all or nothing, durable
when it returns (R1: durable before sent). Stores of the shells: littlefs on the board, SQLite on hosts.
"""


class MemoryStore:
    """A store that forgets at exit; for tests and for views built on top of it."""

    def __init__(self, entries=()):
        self._entries = {}
        for key, value in entries:
            self._entries[key] = value

    def get(self, key):
        return self._entries.get(key)

    def scan(self, prefix):
        return [(key, self._entries[key]) for key in sorted(self._entries) if key.startswith(prefix)]

    def commit(self, writes):
        for key in writes:
            if writes[key] is None:
                self._entries.pop(key, None)
            else:
                self._entries[key] = writes[key]


class Overlay:
    """Reads through to a store, keeps writes until they are committed together (group commit).

    ``writes`` holds what differs from the store; a step that raises is undone with ``rollback(mark)``.
    """

    def __init__(self, store):
        self.store = store
        self.writes = {}

    def get(self, key):
        if key in self.writes:
            return self.writes[key]
        return self.store.get(key)

    def scan(self, prefix):
        merged = dict(self.store.scan(prefix))
        for key in self.writes:
            if key.startswith(prefix):
                merged[key] = self.writes[key]
        return [(key, merged[key]) for key in sorted(merged) if merged[key] is not None]

    def put(self, key, value):
        self.writes[key] = value

    def delete(self, key):
        self.writes[key] = None

    def commit(self):
        if self.writes:
            self.store.commit(self.writes)
            self.writes = {}
