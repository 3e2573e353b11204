"""A store in two places (R15): every change is on the second disk before it is on the first.

Both count their commits. At the start the one that is behind is brought up: a first store that was lost or put
back from an old copy is restored from the second, a second one that is new or was away is filled again.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from perunika.errors import LocalError
from perunika_host.sqlite_store import EVENTS_PAGE, Event, NewEvent, SqliteStore, event_json

log = logging.getLogger("perunika.hub.store")

COUNT = b"H2"


class TwoStores(SqliteStore):
    """A ``SqliteStore`` with a copy; raises LocalError ``store.…`` naming the path that fails, nothing changed then."""

    def __init__(self, path: Path, second_path: Path) -> None:
        super().__init__(path)
        try:
            self.second = SqliteStore(second_path)
        except LocalError:
            super().close()
            raise
        # What a failed commit has left in the second store alone; taken back with the next commit.
        self._astray: dict[bytes, bytes | None] = {}
        self._match()

    def _match(self) -> None:
        mine, other = _count(self), _count(self.second)
        if other > mine + 1 or (other and not mine):
            log.warning("%s is %d commits behind %s: restored from there", self.path, other - mine, self.second.path)
            _copy(self.second, self)
        elif mine != other:
            _copy(self, self.second)

    def commit(self, writes: Mapping[bytes, bytes | None], events: Iterable[NewEvent] = ()) -> None:
        """Write to the second store, then to the first; durable in both on return."""
        lines = tuple(events)
        counted = {**writes, COUNT: (_count(self) + 1).to_bytes(8, "big")}
        self.second.commit({**self._astray, **counted}, lines)
        self._astray = {key: self.get(key) for key in counted}
        super().commit(counted, lines)
        self._astray = {}

    def close(self) -> None:
        """Close both."""
        self.second.close()
        super().close()


def _count(store: SqliteStore) -> int:
    return int.from_bytes(SqliteStore.get(store, COUNT) or b"", "big")


def _copy(source: SqliteStore, target: SqliteStore) -> None:
    """Make ``target`` equal to ``source``: registers in one commit, and the journal's lines that it lacks."""
    wanted = dict(source.scan(b""))
    changes: dict[bytes, bytes | None] = dict.fromkeys((key for key, _ in target.scan(b"") if key not in wanted))
    changes.update(wanted)
    SqliteStore.commit(target, changes, _missing_lines(source, target))


def _missing_lines(source: SqliteStore, target: SqliteStore) -> list[NewEvent]:
    known = {(line.time_s, line.kind, event_json(line.fields)) for line in _lines(target)}
    lines = [(line.time_s, line.kind, event_json(line.fields)) for line in _lines(source)]
    return [NewEvent(*line) for line in lines if line not in known]


def _lines(store: SqliteStore) -> Iterator[Event]:
    after = 0
    while page := store.events(after=after):
        yield from page
        after = page[-1].number
        if len(page) < EVENTS_PAGE:
            return
