"""Group commit: one flush for many steps, results only after it, refusals and failures isolated."""

import asyncio
import subprocess
import sys
import textwrap
import threading

import pytest

from perunika.errors import LocalError, PeerError
from perunika_host.group_commit import GroupCommit
from perunika_host.sqlite_store import SqliteStore


class CountingStore(SqliteStore):
    """The real store; a gate holds a commit back or lets it fail, so that tests can look in between."""

    def __init__(self, path):
        super().__init__(path)
        self.gate = threading.Event()
        self.gate.set()
        self.commits = 0

    def commit(self, writes, events=()):
        assert self.gate.wait(10)
        self.commits += 1
        super().commit(writes, events)


@pytest.fixture
def store(tmp_path):
    with CountingStore(tmp_path / "hub.db") as opened:
        yield opened


def add(amount):
    def step(overlay):
        total = int(overlay.get(b"total") or b"0") + amount
        overlay.put(b"total", b"%d" % total)
        return total

    return step


def refuse(overlay):
    overlay.put(b"total", b"999")
    overlay.record("refused", {})
    raise PeerError("voucher.signer", "signed by another key")


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 20))


def test_many_steps_share_a_flush_and_run_in_order(store):
    async def scene():
        group = GroupCommit(store)
        results = await asyncio.gather(*(group.run(add(1)) for _ in range(100)))
        await group.close()
        return results

    assert run(scene()) == list(range(1, 101))
    assert store.get(b"total") == b"100"
    assert store.commits == 1


def test_a_result_is_handed_back_only_after_the_flush(store):
    async def scene():
        group = GroupCommit(store)
        store.gate.clear()
        waiting = asyncio.create_task(group.run(add(5)))
        duplicate = asyncio.create_task(group.run(lambda overlay: overlay.get(b"total")))
        await asyncio.sleep(0.1)
        assert not waiting.done() and store.get(b"total") is None
        # It wrote nothing, but it saw what is not durable: an acknowledgement of that must wait as well.
        assert not duplicate.done()
        store.gate.set()
        assert (await waiting, await duplicate) == (5, b"5")
        assert await group.run(lambda overlay: overlay.get(b"total")) == b"5"
        await group.close()

    run(scene())
    assert store.commits == 1


def test_the_next_batch_builds_on_the_one_being_flushed(store):
    async def scene():
        group = GroupCommit(store)
        store.gate.clear()
        first = asyncio.create_task(group.run(add(1)))
        await asyncio.sleep(0.05)
        second = [asyncio.create_task(group.run(add(10))) for _ in range(3)]
        await asyncio.sleep(0.05)
        store.gate.set()
        results = await asyncio.gather(first, *second)
        await group.close()
        return results

    assert run(scene()) == [1, 11, 21, 31]
    assert store.commits == 2


def test_a_refused_step_leaves_nothing_and_disturbs_nobody(store):
    async def scene():
        group = GroupCommit(store)
        steps = [add(1), refuse, add(1), lambda overlay: 1 // 0, add(1)]
        results = await asyncio.gather(*(group.run(step) for step in steps), return_exceptions=True)
        await group.close()
        return results

    one, refused, two, bug, three = run(scene())
    assert (one, two, three) == (1, 2, 3)
    assert isinstance(refused, PeerError) and isinstance(bug, ZeroDivisionError)
    assert store.get(b"total") == b"3" and store.events() == []


def test_events_are_in_the_same_commit(store):
    def step(overlay):
        overlay.put(b"k", b"v")
        overlay.record("paid", {"amount_wei": 7})

    async def scene():
        group = GroupCommit(store)
        await group.run(step)
        await group.close()

    run(scene())
    assert [(event.kind, event.fields) for event in store.events()] == [("paid", {"amount_wei": 7})]


def test_a_failed_flush_fails_what_built_on_it_and_the_next_step_works(store):
    async def scene():
        group = GroupCommit(store)
        assert await group.run(add(1)) == 1
        store.gate.clear()
        store._writer.execute("PRAGMA query_only = ON")
        first = asyncio.create_task(group.run(add(10)))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(group.run(add(100)))
        await asyncio.sleep(0.05)
        store.gate.set()
        failures = await asyncio.gather(first, second, return_exceptions=True)
        store._writer.execute("PRAGMA query_only = OFF")
        after = await group.run(add(1000))
        await group.close()
        return failures, after

    failures, after = run(scene())
    assert [error.code for error in failures] == ["store.readonly", "store.readonly"]
    assert after == 1001 and store.get(b"total") == b"1001"


def test_batches_are_bounded(store):
    async def scene():
        group = GroupCommit(store, max_batch=10)
        results = await asyncio.gather(*(group.run(add(1)) for _ in range(95)))
        await group.close()
        return sorted(results)

    assert run(scene()) == list(range(1, 96))
    assert store.commits == 10


def test_cancelling_a_caller_does_not_undo_its_step_or_that_of_others(store):
    async def scene():
        group = GroupCommit(store)
        store.gate.clear()
        cancelled, other = (asyncio.create_task(group.run(add(1))) for _ in range(2))
        await asyncio.sleep(0.05)
        cancelled.cancel()
        await asyncio.sleep(0)
        store.gate.set()
        assert await other == 2
        assert cancelled.cancelled()
        await group.close()

    run(scene())
    assert store.get(b"total") == b"2"


def test_a_closed_group_refuses(store):
    async def scene():
        group = GroupCommit(store)
        await group.close()
        await group.run(add(1))

    with pytest.raises(LocalError, match=r"store\.closed"):
        run(scene())


def test_text_keys_are_refused_in_the_step(store):
    async def scene():
        group = GroupCommit(store)
        results = await asyncio.gather(
            group.run(lambda overlay: overlay.put("k", b"v")), group.run(add(1)), return_exceptions=True
        )
        await group.close()
        return results

    wrong, right = run(scene())
    assert wrong.code == "store.type" and right == 1


def test_kill_9_loses_nothing_that_was_handed_back(tmp_path):
    path = str(tmp_path / "hub.db")
    program = textwrap.dedent("""
        import asyncio, os, sys
        from perunika_host.group_commit import GroupCommit
        from perunika_host.sqlite_store import SqliteStore

        async def payer(group, name):
            for amount in range(1, 10_000):
                await group.run(lambda overlay: overlay.put(name, b"%d" % amount))
                os.write(1, b"%s %d\\n" % (name, amount))

        async def main():
            group = GroupCommit(SqliteStore(sys.argv[1]))
            await asyncio.gather(*(payer(group, b"payer%d" % i) for i in range(8)))

        asyncio.run(main())
    """)
    child = subprocess.Popen([sys.executable, "-c", program, path], stdout=subprocess.PIPE)
    lines = [child.stdout.readline() for _ in range(400)]
    child.kill()
    lines += child.stdout.readlines()
    child.wait()
    handed_back = {}
    for line in lines:
        name, amount = line.split()
        handed_back[name] = int(amount)
    assert len(handed_back) == 8
    with SqliteStore(path) as store:
        for name, amount in handed_back.items():
            assert int(store.get(name)) >= amount
