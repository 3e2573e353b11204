"""The board's store: all or nothing, durable when ``commit`` returns, through kills, power cuts and full disks."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perunika.errors import LocalError
from perunika_device import atomic_file, flash_store, platform
from perunika_device.flash_frames import MAX_KEY_BYTES, MAX_PAYLOAD_BYTES, MAX_VALUE_BYTES
from perunika_device.flash_store import MAX_RECORDS, FlashStore
from tests.support.board import board_environment, run_board

BOARD = Path(__file__).with_name("board")
FILE = "registers.log"


def contents(directory: Path) -> dict[bytes, bytes]:
    return dict(FlashStore(str(directory)).scan(b""))


# What it promises


def test_a_new_store_is_empty_and_makes_no_file(tmp_path: Path) -> None:
    assert contents(tmp_path) == {}
    assert os.listdir(tmp_path) == []


def test_commits_survive_a_restart(tmp_path: Path) -> None:
    store = FlashStore(str(tmp_path))
    store.commit({b"a": b"1", b"b": b"2"})
    store.commit({b"a": b"", b"b": None, b"c": b"3"})
    assert contents(tmp_path) == {b"a": b"", b"c": b"3"}


def test_scan_is_in_key_order_and_only_below_the_prefix(tmp_path: Path) -> None:
    store = FlashStore(str(tmp_path))
    store.commit({b"n/2": b"two", b"m/9": b"no", b"n/10": b"ten", b"n/1": b"one"})
    assert store.scan(b"n/") == [(b"n/1", b"one"), (b"n/10", b"ten"), (b"n/2", b"two")]


def test_the_file_stays_bounded_over_a_thousand_commits(tmp_path: Path) -> None:
    store = FlashStore(str(tmp_path), journal_bytes=2000)
    for number in range(1000):
        store.commit({b"lease": number.to_bytes(8, "big"), b"voucher": bytes(150)})
        assert (tmp_path / FILE).stat().st_size < 2600
    assert contents(tmp_path)[b"lease"] == (999).to_bytes(8, "big")


WRITES = st.dictionaries(st.binary(min_size=1, max_size=4), st.none() | st.binary(max_size=40), max_size=5)


@settings(max_examples=60, deadline=None)
@given(history=st.lists(st.tuples(WRITES, st.booleans()), max_size=20))
def test_any_history_leaves_what_a_dict_would(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[dict[bytes, bytes | None], bool]]
) -> None:
    directory = tmp_path_factory.mktemp("store")
    store = FlashStore(str(directory), journal_bytes=200)
    expected: dict[bytes, bytes] = {}
    for writes, restart in history:
        store.commit(writes)
        expected.update({key: value for key, value in writes.items() if value is not None})
        for key in [key for key, value in writes.items() if value is None]:
            expected.pop(key, None)
        if restart:
            store = FlashStore(str(directory), journal_bytes=200)
        assert dict(store.scan(b"")) == expected


# What it refuses


@pytest.mark.parametrize(
    ("writes", "code"),
    [
        ({b"": b"x"}, "store-bounds"),
        ({bytes(MAX_KEY_BYTES + 1): b"x"}, "store-bounds"),
        ({b"k": bytes(MAX_VALUE_BYTES + 1)}, "store-bounds"),
        ({"k": b"x"}, "store-bounds"),
        ({b"k": "x"}, "store-bounds"),
        ({b"%d" % n: bytes(1000) for n in range(1 + MAX_PAYLOAD_BYTES // 1000)}, "store-bounds"),
        ({b"%d" % n: b"" for n in range(MAX_RECORDS)}, "store-full"),
        ({b"%d" % n: bytes(700) for n in range(5)}, "store-full"),
    ],
)
def test_a_commit_out_of_bounds_is_refused_whole(tmp_path: Path, writes: dict[bytes, bytes], code: str) -> None:
    store = FlashStore(str(tmp_path), max_total_bytes=3000)
    store.commit({b"before": b"here"})
    with pytest.raises(LocalError) as refusal:
        store.commit({b"before": b"changed", **writes})
    assert refusal.value.code == code
    assert dict(store.scan(b"")) == contents(tmp_path) == {b"before": b"here"}


def test_replacing_a_record_of_a_full_store_is_allowed(tmp_path: Path) -> None:
    store = FlashStore(str(tmp_path))
    for number in range(MAX_RECORDS):
        store.commit({b"%d" % number: b"x"})
    store.commit({b"7": b"y", b"8": None, b"new": b"z"})
    assert len(contents(tmp_path)) == MAX_RECORDS


def test_a_torn_end_is_passed_over_and_the_store_goes_on(tmp_path: Path) -> None:
    FlashStore(str(tmp_path)).commit({b"a": b"1"})
    whole = (tmp_path / FILE).read_bytes()
    FlashStore(str(tmp_path)).commit({b"a": b"2"})
    longer = (tmp_path / FILE).read_bytes()
    ends = [longer[:cut] for cut in range(len(whole), len(longer))]
    ends += [whole + bytes(len(longer) - len(whole)), longer[:-1] + bytes([longer[-1] ^ 1])]
    for torn in ends:
        (tmp_path / FILE).write_bytes(torn)
        store = FlashStore(str(tmp_path))
        assert (store.get(b"a"), store.torn_bytes) == (b"1", len(torn) - len(whole))
        store.commit({b"b": b"3"})
        assert contents(tmp_path) == {b"a": b"1", b"b": b"3"}


def test_damage_before_a_valid_commit_is_an_error_wherever_it_is(tmp_path: Path) -> None:
    store = FlashStore(str(tmp_path))
    for number in range(4):
        store.commit({b"a": b"value %d" % number})
    whole = (tmp_path / FILE).read_bytes()
    last = whole.rindex(b"\xc7\x5e")
    for at in range(last):
        (tmp_path / FILE).write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        with pytest.raises(LocalError) as refusal:
            FlashStore(str(tmp_path))
        assert refusal.value.code == "store-damaged"


@pytest.mark.parametrize("content", [b"", b"something else entirely", bytes(100)])
def test_a_file_that_is_no_store_is_an_error_not_an_empty_store(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(LocalError) as refusal:
        FlashStore(str(tmp_path))
    assert refusal.value.code == "store-damaged"


# Death at every step, on the host: the process exits at the k-th write, flush, rename or sync.

HISTORY: list[dict[bytes, bytes | None]] = [
    {b"lease": bytes([number]), b"voucher": bytes([number]) * 80, b"odd": b"!" if number % 2 else None}
    for number in range(8)
]


def expected_states() -> list[dict[bytes, bytes]]:
    states: list[dict[bytes, bytes]] = [{}]
    for writes in HISTORY:
        merged = {**states[-1], **writes}
        states.append({key: value for key, value in merged.items() if value is not None})
    return states


class Doom:
    """Counts steps and ends the process at the chosen one, before it, after it, or in the middle of a write."""

    def __init__(self, at: int, moment: str) -> None:
        self.left = at
        self.moment = moment

    def step(self, act: Callable[..., object], *arguments: object) -> object:
        self.left -= 1
        if self.left == 0 and self.moment == "before":
            os._exit(9)
        result = act(*arguments)
        if self.left == 0:
            os._exit(9)
        return result

    def write(self, file: object, part: bytes) -> object:
        if self.left == 1 and self.moment == "middle":
            file.write(part[: len(part) // 2])  # type: ignore[attr-defined]
            file.flush()  # type: ignore[attr-defined]
            os._exit(9)
        return self.step(WRITE_WHOLE, file, part)


WRITE_WHOLE = atomic_file.write_whole


def doomed_child(directory: Path, doom: Doom, acknowledged: int) -> None:
    """In the forked child: commit the history, tell of each acknowledged commit, die when told to."""
    for module in (atomic_file, flash_store):
        module.write_whole = doom.write  # type: ignore[attr-defined]
    for module, name in ((platform, "flush_to_disk"), (platform, "sync_directory"), (os, "rename")):
        original = getattr(module, name)
        setattr(module, name, lambda *args, original=original: doom.step(original, *args))
    store = FlashStore(str(directory), journal_bytes=300)
    for writes in HISTORY:
        store.commit(writes)
        os.write(acknowledged, b".")


def die_at(directory: Path, at: int, moment: str) -> tuple[int, bool]:
    """Return (acknowledged commits, whether the child died on the way)."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            doomed_child(directory, Doom(at, moment), writing)
        finally:
            os._exit(0 if sys.exc_info()[0] is None else 1)
    os.close(writing)
    acknowledged = len(os.read(reading, 100))
    _, status = os.waitpid(child, 0)
    while more := os.read(reading, 100):
        acknowledged += len(more)
    os.close(reading)
    assert os.waitstatus_to_exitcode(status) in (0, 9)
    return acknowledged, os.waitstatus_to_exitcode(status) == 9


@pytest.mark.parametrize("moment", ["before", "middle", "after"])
def test_a_process_may_die_at_every_step(tmp_path: Path, moment: str) -> None:
    states = expected_states()
    died = True
    at = 0
    while died:
        at += 1
        directory = tmp_path / str(at)
        directory.mkdir()
        acknowledged, died = die_at(directory, at, moment)
        left = contents(directory)
        assert left in states[acknowledged : acknowledged + 2], f"step {at}"
        if not died:
            assert left == states[-1]
        FlashStore(str(directory)).commit({b"goes": b"on"})
        assert contents(directory) == {**left, b"goes": b"on"}
    assert at > 20


def test_kill_9_at_any_time_loses_nothing_acknowledged(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from perunika_device.flash_store import FlashStore\n"
        "store = FlashStore(sys.argv[1], journal_bytes=1000)\n"
        "number = int.from_bytes(store.get(b'n') or b'', 'big')\n"
        "while True:\n"
        "    number += 1\n"
        "    store.commit({b'n': number.to_bytes(4, 'big'), b'copy': number.to_bytes(4, 'big') * 50})\n"
        "    print(number, flush=True)\n"
    )
    dice = random.Random(7)
    for _ in range(12):
        command = [sys.executable, "-c", program, str(tmp_path)]
        child = subprocess.Popen(command, env=board_environment(), stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        acknowledged = int(child.stdout.readline())
        time.sleep(dice.random() * 0.05)
        child.send_signal(signal.SIGKILL)
        complete = child.stdout.read().rpartition("\n")[0]
        child.wait()
        child.stdout.close()
        acknowledged = int(complete.split()[-1]) if complete else acknowledged
        left = contents(tmp_path)
        assert acknowledged <= int.from_bytes(left[b"n"], "big") <= acknowledged + 1
        assert left[b"copy"] == left[b"n"] * 50


def test_a_file_that_may_not_grow_refuses_the_commit_and_keeps_the_state(tmp_path: Path) -> None:
    store = FlashStore(str(tmp_path))
    store.commit({b"kept": b"old" * 100})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, limits[1]))
        with pytest.raises(LocalError) as refusal:
            store.commit({b"kept": b"new" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert (refusal.value.code, refusal.value.fault) == ("store-disk", "us")
    assert dict(store.scan(b"")) == contents(tmp_path) == {b"kept": b"old" * 100}
    store.commit({b"kept": b"new" * 100})
    assert contents(tmp_path) == {b"kept": b"new" * 100}


# littlefs on real MicroPython


def test_every_power_cut_on_littlefs_leaves_a_whole_state() -> None:
    report = run_board(BOARD / "power_cuts.py", {}, heap="2m")
    assert report["rewrites"] == 3
    assert report["store"] == {"crashes": report["store"]["crashes"], "bad": 0, "first": None}
    assert report["store"]["crashes"] > 200
    # Controls: the same harness must catch a store that splits a commit, and one that acknowledges too early.
    assert report["split"]["bad"] > 20
    assert report["hasty"]["bad"] > 20


def test_a_flash_operation_that_fails_once_leaves_memory_and_flash_agreed() -> None:
    failures = run_board(BOARD / "power_cuts.py", {}, heap="2m")["failures"]
    assert failures["bad"] == 0
    assert failures["refused"] > 20


def test_a_full_littlefs_refuses_the_commit_and_goes_on_when_there_is_space() -> None:
    report = run_board(BOARD / "disk_full.py", {}, heap="256k")
    assert report["filler_errno"] == 28
    assert report["accepted"] < 60
    assert (report["code"], report["fault"]) == ("store-disk", "us")
    assert report["unchanged"] and report["number"] and report["goes_on"]
