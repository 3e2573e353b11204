"""The SQLite store: Store interface, one writer, durable journal, errors that leave everything as it was."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perunika.errors import LocalError
from perunika.store import MemoryStore
from perunika_host.sqlite_schema import MIGRATIONS
from perunika_host.sqlite_store import NewEvent, SqliteStore


@pytest.fixture
def store(tmp_path):
    with SqliteStore(tmp_path / "hub.db", now=lambda: 1700000000.5) as opened:
        yield opened


def run_child(program, *arguments):
    """Run a program in another process, with what this one imports; returns what it printed."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments], capture_output=True, text=True, timeout=60
    )


def test_values_survive_closing(tmp_path):
    with SqliteStore(tmp_path / "hub.db") as first:
        first.commit({b"a": b"1", b"b": b""})
    with SqliteStore(tmp_path / "hub.db") as second:
        assert (second.get(b"a"), second.get(b"b"), second.get(b"c")) == (b"1", b"", None)


keys = st.binary(max_size=3) | st.sampled_from([b"\xff", b"\xff\xff", b"a\xff", b"a\xffb", b"b"])
writes = st.dictionaries(keys, st.none() | st.binary(max_size=4), max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(writes, max_size=5), keys)
def test_agrees_with_the_memory_store_on_every_prefix(tmp_path_factory, commits, prefix):
    model = MemoryStore()
    with SqliteStore(tmp_path_factory.mktemp("s") / "s.db") as store:
        for batch in commits:
            store.commit(batch)
            model.commit(batch)
        assert store.scan(prefix) == model.scan(prefix)
        assert store.scan(b"") == model.scan(b"")
        assert store.get(prefix) == model.get(prefix)


def test_is_wal_and_synchronous_full(store):
    assert store._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._writer.execute("PRAGMA synchronous").fetchone() == (2,)


def test_events_commit_with_the_registers(store):
    store.commit({b"k": b"v"}, [NewEvent(1.0, "paid", '{"amount_wei":5}')])
    store.record("opened", {"channel": b"\x01\x02", "amount_wei": 2**90})
    first, second = store.events()
    assert (first.number, first.time_s, first.kind, first.fields) == (1, 1.0, "paid", {"amount_wei": 5})
    assert second.fields == {"channel": "0x0102", "amount_wei": 2**90}
    assert store.events(after=1) == [second]
    assert store.events(kind="paid") == [first]
    assert store.events(limit=1) == [first]


@pytest.mark.parametrize("statement", ["DELETE FROM events", "UPDATE events SET kind = 'x'"])
def test_the_journal_cannot_be_changed(store, statement):
    store.record("opened", {})
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        store._writer.execute(statement)


def test_an_event_of_another_type_is_refused(store):
    with pytest.raises(LocalError, match=r"store\.event.*object"):
        store.record("odd", {"x": object()})
    assert store.events() == []


def test_a_second_process_is_refused_and_told_who_holds_the_file(store):
    child = run_child(
        """
        import sys
        from perunika.errors import LocalError
        from perunika_host.sqlite_store import SqliteStore
        try:
            SqliteStore(sys.argv[1])
        except LocalError as error:
            print(error.code, error.text)
        """,
        store.path,
    )
    assert child.stdout.startswith("store.locked"), child.stderr
    assert f"process {os.getpid()} " in child.stdout and store.path + ".lock" in child.stdout


def test_a_reader_may_look_beside_the_writer_but_not_write(store):
    with SqliteStore(store.path, read_only=True) as reader:
        store.commit({b"k": b"v"})
        assert reader.get(b"k") == b"v"
        with pytest.raises(LocalError, match=r"store\.readonly"):
            reader.commit({b"k": b"w"})


def test_kill_9_keeps_every_commit_that_was_reported(tmp_path):
    path = str(tmp_path / "hub.db")
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent("""
            import sys
            from perunika_host.sqlite_store import SqliteStore
            store = SqliteStore(sys.argv[1])
            for number in range(100000):
                store.commit({b"n": b"%d" % number, b"k%d" % number: b"x" * 300})
                print(number, flush=True)
            """),
            path,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    reported = [int(child.stdout.readline()) for _ in range(200)]
    os.kill(child.pid, signal.SIGKILL)
    reported += [int(line) for line in child.stdout.read().split("\n")[:-1]]
    child.wait()
    with SqliteStore(path) as store:
        number = int(store.get(b"n"))
        assert number >= reported[-1]
        assert len(store.scan(b"k")) == number + 1


def test_a_full_disk_changes_nothing_and_the_process_goes_on(tmp_path):
    child = run_child(
        """
        import resource, sys
        from perunika.errors import LocalError
        from perunika_host.sqlite_store import SqliteStore
        store = SqliteStore(sys.argv[1])
        store.commit({b"a": b"old"})
        # The kernel refuses to let any file grow beyond this: what a full disk does to SQLite.
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        try:
            store.commit({b"a": b"new", b"big": bytes(1_000_000)})
        except LocalError as error:
            print(error.code)
        print(store.get(b"a"), store.get(b"big"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        store.commit({b"a": b"after"})
        print(store.get(b"a"))
        """,
        str(tmp_path / "hub.db"),
    )
    code, unchanged, after = child.stdout.splitlines()
    assert code in ("store.full", "store.failed"), child.stderr
    assert (unchanged, after) == ("b'old' None", "b'after'")


def test_a_read_only_database_is_an_error_of_ours_with_a_hint(store):
    store._writer.execute("PRAGMA query_only = ON")
    with pytest.raises(LocalError) as caught:
        store.commit({b"k": b"v"})
    assert caught.value.code == "store.readonly" and "write access" in caught.value.hint
    store._writer.execute("PRAGMA query_only = OFF")
    store.commit({b"k": b"v"})


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(LocalError, match=r"store\.unwritable.*nowhere.*create the directory"):
        SqliteStore(tmp_path / "nowhere" / "hub.db")


def test_a_file_that_is_no_database_is_refused_unchanged(tmp_path):
    path = tmp_path / "hub.db"
    path.write_bytes(b"this is my shopping list" * 100)
    with pytest.raises(LocalError, match=r"store\.corrupt"):
        SqliteStore(path)
    assert path.read_bytes() == b"this is my shopping list" * 100


def test_a_database_of_another_program_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "hub.db") as connection:
        connection.execute("CREATE TABLE cats(name)")
    with pytest.raises(LocalError, match=r"store\.foreign"):
        SqliteStore(tmp_path / "hub.db")


def test_a_migration_runs_once_and_a_newer_file_is_refused(tmp_path):
    path = tmp_path / "hub.db"
    SqliteStore(path).close()
    more = (*MIGRATIONS, lambda connection: connection.execute("CREATE TABLE extra(x)"))
    SqliteStore(path, migrations=more).close()
    SqliteStore(path, migrations=more).close()
    with pytest.raises(LocalError, match=r"store\.newer.*schema 2"):
        SqliteStore(path)


def test_a_failing_migration_leaves_the_old_schema(tmp_path):
    path = tmp_path / "hub.db"
    SqliteStore(path).close()

    def break_off(connection):
        connection.execute("CREATE TABLE extra(x)")
        raise LocalError("test.stop", "stopped half way")

    with pytest.raises(LocalError, match="half way"):
        SqliteStore(path, migrations=(*MIGRATIONS, break_off))
    with SqliteStore(path) as store:
        assert store._rows("SELECT name FROM sqlite_schema WHERE name = 'extra'", ()) == []
