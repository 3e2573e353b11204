"""A store in two places (R15): every commit is in both databases before anything is sent.

The second one may lie on another disk. A counter in both tells which of them knows more, so that a lost, an
emptied or an old copy of the first is filled from the second, and the other way round.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from perunika.errors import LocalError
from perunika_host.sqlite_store import NewEvent, SqliteStore, event_json

log = logging.getLogger("perunika.gateway.store")

COUNTER = b"%commits"
PAGE = 1000

Commit = Callable[[Mapping[bytes, bytes | None], Iterable[NewEvent]], None]


class TwoPlaces(SqliteStore):
    """A ``SqliteStore`` whose commits are durable in a second one too.

    A commit that only one place takes raises LocalError, as if the program had ended between storing and sending:
    nothing goes out, and the other place is brought up to date before the next commit.
    """

    def __init__(self, path: Path, second_path: Path) -> None:
        for each in (path, second_path):
            _make_directory(each)
        super().__init__(path)
        try:
            self._second = SqliteStore(second_path)
        except LocalError:
            super().close()
            raise
        self._behind = False
        self.restored = False
        try:
            self._level()
        except LocalError:
            self.close()
            raise
        self._count = _count(self)

    def _level(self) -> None:
        """Fill the place that knows less from the one that knows more."""
        mine, other = _count(self), _count(self._second)
        if other > mine:
            log.warning("%s knows less than %s: restoring it", self.path, self._second.path)
            _copy(self._second, super().commit, self)
            self.restored = True
        elif mine > other:
            _copy(self, self._second.commit, self._second)

    def commit(self, writes: Mapping[bytes, bytes | None], events: Iterable[NewEvent] = ()) -> None:
        """Write to both places; see SqliteStore."""
        events = tuple(events)
        count = self._count + 1
        counted = {**writes, COUNTER: count.to_bytes(8, "big")}
        if self._behind:
            _copy(self, self._second.commit, self._second)
            self._behind = False
        super().commit(counted, events)
        self._count = count
        self._behind = True
        self._second.commit(counted, events)
        self._behind = False

    def close(self) -> None:
        """Close both."""
        super().close()
        self._second.close()


def open_store(path: Path, second_path: Path | None) -> SqliteStore:
    """Return the store of a gateway. Raises LocalError."""
    if second_path is not None:
        return TwoPlaces(path, second_path)
    _make_directory(path)
    return SqliteStore(path)


def _make_directory(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise LocalError("store.unwritable", f"{path.parent}: {error.strerror}", "name another directory") from error


def _count(store: SqliteStore) -> int:
    return int.from_bytes(store.get(COUNTER) or b"", "big")


def _copy(source: SqliteStore, commit: Commit, target: SqliteStore) -> None:
    """Make the registers of ``target`` those of ``source``, in one commit, and add the journal lines it lacks."""
    wanted = dict(source.scan(b""))
    writes: dict[bytes, bytes | None] = {key: None for key, _ in target.scan(b"") if key not in wanted}
    writes.update((key, value) for key, value in wanted.items() if target.get(key) != value)
    commit(writes, _lines_after(source, _last_line(target)))


def _last_line(store: SqliteStore) -> int:
    number = 0
    while page := store.events(number, limit=PAGE):
        number = page[-1].number
    return number


def _lines_after(source: SqliteStore, number: int) -> list[NewEvent]:
    lines: list[NewEvent] = []
    while page := source.events(number, limit=PAGE):
        lines += [NewEvent(event.time_s, event.kind, event_json(event.fields)) for event in page]
        number = page[-1].number
    return lines
