"""The second place (R15): it is never behind, and brings back what the first has lost."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perunika.errors import LocalError
from perunika_host.sqlite_store import SqliteStore
from perunika_hub.two_stores import COUNT, TwoStores


def registers(store):
    return {key: value for key, value in store.scan(b"") if key != COUNT}


def kinds(store):
    return [line.kind for line in store.events()]


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "first.sqlite3", tmp_path / "second.sqlite3"


def remove(path):
    for name in path.parent.glob(path.name + "*"):
        name.unlink()


def test_every_commit_is_in_both(paths):
    with TwoStores(*paths) as store:
        store.commit({b"a": b"1", b"b": b"2"})
        store.commit({b"a": None})
        store.record("opened", {"amount": 5})
        assert registers(store) == registers(store.second) == {b"b": b"2"}
        assert kinds(store) == kinds(store.second) == ["opened"]


@pytest.mark.parametrize("lost", [0, 1])
def test_one_lost_file_is_filled_from_the_other(paths, lost):
    with TwoStores(*paths) as store:
        store.commit({b"a": b"1"})
        store.record("opened", {"amount": 5})
    remove(paths[lost])
    with TwoStores(*paths) as store:
        assert registers(store) == registers(store.second) == {b"a": b"1"}
        assert kinds(store) == kinds(store.second) == ["opened"]
        store.commit({b"c": b"3"})
        assert registers(store) == registers(store.second) == {b"a": b"1", b"c": b"3"}


def test_an_old_copy_of_the_first_does_not_win(paths, tmp_path):
    with TwoStores(*paths) as store:
        store.commit({b"a": b"old"})
    old = paths[0].read_bytes()
    with TwoStores(*paths) as store:
        for number in range(5):
            store.commit({b"a": b"%d" % number})
    remove(paths[0])
    paths[0].write_bytes(old)
    with TwoStores(*paths) as store:
        assert registers(store) == {b"a": b"4"}


def test_a_second_store_that_was_away_is_filled_again(paths):
    with TwoStores(*paths) as store:
        store.commit({b"a": b"1", b"gone": b"1"})
    with SqliteStore(paths[0]) as alone:
        count = int.from_bytes(alone.get(COUNT), "big")
        alone.commit({b"a": b"2", b"gone": None, COUNT: (count + 3).to_bytes(8, "big")})
    with TwoStores(*paths) as store:
        assert registers(store.second) == {b"a": b"2"}


def test_when_the_first_fails_the_second_takes_back_what_nobody_was_told(paths):
    with TwoStores(*paths) as store:
        store.commit({b"a": b"1"})
        store._writer.execute("PRAGMA query_only = ON")
        with pytest.raises(LocalError):
            store.commit({b"a": b"2", b"b": b"2"})
        assert registers(store) == {b"a": b"1"}
        store._writer.execute("PRAGMA query_only = OFF")
        store.commit({b"c": b"3"})
        assert registers(store) == registers(store.second) == {b"a": b"1", b"c": b"3"}


def test_when_the_second_fails_nothing_is_changed(paths):
    with TwoStores(*paths) as store:
        store.commit({b"a": b"1"})
        store.second._writer.execute("PRAGMA query_only = ON")
        with pytest.raises(LocalError, match="second"):
            store.commit({b"a": b"2"})
        assert registers(store) == registers(store.second) == {b"a": b"1"}


KEYS = st.sampled_from([b"a", b"b", b"c"])
WRITES = st.dictionaries(KEYS, st.one_of(st.none(), st.binary(max_size=3)), min_size=1)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(WRITES, st.sampled_from(["fine", "first fails", "second fails", "restart", "first lost"]))))
def test_both_hold_what_was_confirmed_whatever_fails_in_between(paths, steps):
    for path in paths:
        remove(path)
    expected = {}
    store = TwoStores(*paths)
    for writes, what in steps:
        failing = {"first fails": store._writer, "second fails": store.second._writer}.get(what)
        if failing is not None:
            failing.execute("PRAGMA query_only = ON")
            with pytest.raises(LocalError):
                store.commit(writes)
            failing.execute("PRAGMA query_only = OFF")
        else:
            store.commit(writes)
            expected.update(writes)
        if what in ("restart", "first lost"):
            store.close()
            if what == "first lost":
                remove(paths[0])
            store = TwoStores(*paths)
        assert registers(store) == {key: value for key, value in expected.items() if value is not None}
    store.close()
