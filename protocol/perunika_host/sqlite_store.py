"""The Store of perunika/store.py on SQLite: durable when ``commit`` returns, plus the human-readable journal.

WAL with synchronous FULL: one flush per commit, readers never wait for a writer. Reads and writes have a
connection each, so that a commit in a worker thread does not hold up reads in the event loop.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from perunika.errors import LocalError
from perunika_host.single_writer import SingleWriter
from perunika_host.sqlite_schema import MIGRATIONS, Migration, migrate, refuse_foreign

BUSY_TIMEOUT_MS = 5000
EVENTS_PAGE = 1000

FULL_HINT = "free space on that disk; nothing was changed and the program goes on"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the journal: ``number`` grows by time of commit, ``time_s`` is Unix time."""

    number: int
    time_s: float
    kind: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A line to be written: fields already as JSON, so that a bad value fails in the step that made it."""

    time_s: float
    kind: str
    json: str


def event_json(fields: Mapping[str, object]) -> str:
    """Return fields as one JSON object; bytes become 0x-hex. Raises LocalError on other types."""

    def plain(value: object) -> str:
        if isinstance(value, (bytes, bytearray)):
            return "0x" + value.hex()
        raise LocalError("store.event", f"an event field cannot hold a {type(value).__name__}", "use text or numbers")

    return json.dumps(dict(fields), default=plain, sort_keys=True, separators=(",", ":"))


class SqliteStore:
    """Registers and journal in one SQLite file; at most one process may open it for writing.

    ``read_only=True`` opens beside a running writer (the command line does). Raises LocalError with code
    ``store.locked``, ``store.unwritable``, ``store.full``, ``store.readonly``, ``store.corrupt``,
    ``store.foreign``, ``store.newer`` or ``store.failed``; after any of them from ``commit`` the
    durable state is as it was and the store may be used on.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        read_only: bool = False,
        now: Callable[[], float] = time.time,
        migrations: Sequence[Migration] = MIGRATIONS,
    ) -> None:
        self.path = fspath(path)
        self.now = now
        self._write_lock = threading.Lock()
        self._single_writer = None if read_only else SingleWriter(self.path)
        try:
            self._writer = None if read_only else self._connect("rwc")
            if self._writer:
                migrate(self._writer, self.path, migrations)
            self._reader = self._connect("ro")
            refuse_foreign(self._reader, self.path, len(migrations))
        except sqlite3.Error as error:
            self._release_lock()
            raise self._explain(error) from error
        except LocalError:
            self._release_lock()
            raise

    def _connect(self, mode: str) -> sqlite3.Connection:
        uri = f"file:{quote(str(Path(self.path).absolute()))}?mode={mode}"
        connection = sqlite3.connect(
            uri, uri=True, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False
        )
        if mode != "ro":
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("PRAGMA synchronous = FULL")
            # Without it macOS leaves written pages in the drive's cache; elsewhere it does nothing.
            connection.execute("PRAGMA fullfsync = ON")
        return connection

    def _release_lock(self) -> None:
        if self._single_writer:
            self._single_writer.close()

    def get(self, key: bytes) -> bytes | None:
        """Return the durable value of ``key`` or None."""
        rows: list[tuple[bytes]] = self._rows("SELECT value FROM registers WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """Return all (key, value) whose key starts with ``prefix``, in key order."""
        end = _after_prefix(prefix)
        if end is None:
            return self._rows("SELECT key, value FROM registers WHERE key >= ? ORDER BY key", (prefix,))
        return self._rows("SELECT key, value FROM registers WHERE key >= ? AND key < ? ORDER BY key", (prefix, end))

    def commit(self, writes: Mapping[bytes, bytes | None], events: Iterable[NewEvent] = ()) -> None:
        """Write all or nothing, durable on return; None deletes. Raises LocalError, then nothing changed."""
        if self._writer is None:
            raise LocalError("store.readonly", f"{self.path} was opened for reading only", "")
        with self._write_lock:
            try:
                self._commit_in_transaction(self._writer, writes, events)
            except sqlite3.Error as error:
                raise self._explain(error) from error
            finally:
                if self._writer.in_transaction:
                    self._writer.rollback()

    @staticmethod
    def _commit_in_transaction(
        connection: sqlite3.Connection, writes: Mapping[bytes, bytes | None], events: Iterable[NewEvent]
    ) -> None:
        puts = [(key, value) for key, value in writes.items() if value is not None]
        deletes = [(key,) for key, value in writes.items() if value is None]
        lines = [(event.time_s, event.kind, event.json) for event in events]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO registers(key, value) VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value", puts
        )
        connection.executemany("DELETE FROM registers WHERE key = ?", deletes)
        connection.executemany("INSERT INTO events(ts, kind, json) VALUES(?, ?, ?)", lines)
        connection.execute("COMMIT")

    def record(self, kind: str, fields: Mapping[str, object]) -> None:
        """Append one line to the journal in a commit of its own."""
        self.commit({}, [NewEvent(self.now(), kind, event_json(fields))])

    def events(self, after: int = 0, kind: str | None = None, limit: int = EVENTS_PAGE) -> list[Event]:
        """Return up to ``limit`` journal lines with number > ``after``, oldest first, of one kind or of all."""
        rows = self._rows(
            "SELECT id, ts, kind, json FROM events WHERE id > ? AND (? IS NULL OR kind = ?) ORDER BY id LIMIT ?",
            (after, kind, kind, limit),
        )
        return [Event(number, time_s, name, json.loads(text)) for number, time_s, name, text in rows]

    def _rows(self, sql: str, values: tuple[object, ...]) -> list[Any]:
        try:
            return self._reader.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._explain(error) from error

    def _explain(self, error: sqlite3.Error) -> LocalError:
        primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        code, hint = {
            sqlite3.SQLITE_FULL: ("store.full", FULL_HINT),
            sqlite3.SQLITE_IOERR: ("store.failed", "check that disk (full, unplugged, failing?); nothing was changed"),
            sqlite3.SQLITE_READONLY: ("store.readonly", "give this user write access to the file and its directory"),
            sqlite3.SQLITE_CANTOPEN: ("store.unwritable", "create the directory, or name another file"),
            sqlite3.SQLITE_NOTADB: ("store.corrupt", "this is no database of ours: name another file"),
            sqlite3.SQLITE_CORRUPT: ("store.corrupt", "stop, and restore the file from its copy"),
            sqlite3.SQLITE_BUSY: ("store.busy", "another program holds the file open; close it"),
        }.get(primary, ("store.failed", "nothing was changed"))
        return LocalError(code, f"{self.path}: {error}", hint)

    def close(self) -> None:
        """Close both connections and free the writer's lock."""
        self._reader.close()
        if self._writer:
            self._writer.close()
        self._release_lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _after_prefix(prefix: bytes) -> bytes | None:
    """Return the smallest bytes greater than everything that starts with ``prefix``; None if there is none."""
    trimmed = prefix.rstrip(b"\xff")
    if not trimmed:
        return None
    return trimmed[:-1] + bytes([trimmed[-1] + 1])
