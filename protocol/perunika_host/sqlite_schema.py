"""The tables of a host's database, as a list of migrations that only grows.

``PRAGMA user_version`` says how many of them a file has seen. A migration never changes once released;
a file written by a newer program is refused, never guessed at.
"""

import sqlite3
from collections.abc import Callable, Sequence

from perunika.errors import LocalError

Migration = Callable[[sqlite3.Connection], None]

# "PERU" in ASCII: tells our files from other SQLite databases.
APPLICATION_ID = 0x50455255


def create_registers_and_events(connection: sqlite3.Connection) -> None:
    """Create the register map and the journal; triggers keep the journal append-only."""
    connection.execute("CREATE TABLE registers(key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
    connection.execute(
        "CREATE TABLE events(id INTEGER PRIMARY KEY AUTOINCREMENT, "
        "ts REAL NOT NULL, kind TEXT NOT NULL, json TEXT NOT NULL)"
    )
    connection.execute("CREATE INDEX events_by_kind ON events(kind, id)")
    for operation in ("UPDATE", "DELETE"):
        connection.execute(
            f"CREATE TRIGGER events_no_{operation.lower()} BEFORE {operation} ON events "
            "BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
        )


MIGRATIONS: tuple[Migration, ...] = (create_registers_and_events,)


def version_of(connection: sqlite3.Connection) -> int:
    """Return how many migrations this file has seen; 0 for a new file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, path: str, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring a database to the newest schema, each migration in a transaction of its own.

    Raises LocalError when the file belongs to another program or to a newer version of this one.
    """
    refuse_foreign(connection, path, len(migrations))
    for number in range(version_of(connection), len(migrations)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            migrations[number](connection)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def refuse_foreign(connection: sqlite3.Connection, path: str, newest: int) -> None:
    """Raise LocalError unless the file is empty or ours, and not newer than ``newest``."""
    version = version_of(connection)
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application != APPLICATION_ID and (application or tables):
        raise LocalError("store.foreign", f"{path} is a database of another program", "name another file")
    if version > newest:
        raise LocalError(
            "store.newer",
            f"{path} has schema {version}, this program knows {newest}",
            "install the newer Perunika that wrote it",
        )
