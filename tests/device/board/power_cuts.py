"""Cuts the power at every operation of the flash store's workload, and checks what is left. MicroPython only.

For every program or erase operation and every tear model: run until the cut, mount what is left, open the store. What
was acknowledged must be there, and of the commit in progress all or nothing. Then the workload goes on to its end.
"""

import gc
import json
import os

from lfs_disk import HALF, TEARS, Disk, mounted, new_image

from perunika.errors import LocalError
from perunika_device import flash_store, platform
from perunika_device.flash_store import FlashStore

BLOCKS = 64

# More than the journal holds, so that files are replaced on the way; ``rewrites`` in the report counts them.
WORKLOAD = (
    {b"lease": b"\x00\x10", b"channel": b"A" * 150},
    {b"lease": b"\x00\x20"},
    {b"voucher": b"v" * 90, b"lease": b"\x00\x30"},
    {b"channel": None, b"voucher": b"w" * 91},
    {b"lease": b"\x00\x40", b"nid": b"n" * 200, b"tick": b""},
    {b"lease": b"\x00\x50", b"nid": b"m" * 201},
    {b"lease": b"\x00\x60", b"voucher": b"x" * 92},
    {b"lease": b"\x00\x70", b"nid": None},
    {b"lease": b"\x00\x80", b"voucher": b"y" * 93},
)


def states():
    """Return the state after 0, 1, 2 … commits."""
    state = {}
    result = [{}]
    for writes in WORKLOAD:
        for key in writes:
            if writes[key] is None:
                state.pop(key, None)
            else:
                state[key] = writes[key]
        result.append(dict(state))
    return result


class CountingStore(FlashStore):
    """Counts how often the file is replaced."""

    rewrites = 0

    def _rewrite(self, payload):
        CountingStore.rewrites += 1
        FlashStore._rewrite(self, payload)


class SplitStore(FlashStore):
    """Control: one commit becomes two, so half of it can survive."""

    def commit(self, writes):
        for key in sorted(writes):
            FlashStore.commit(self, {key: writes[key]})


class HastyStore(FlashStore):
    """Control: acknowledges before the bytes are on the flash."""

    _open = None

    def _append(self, writes, payload_bytes):
        if self._open is not None:
            self._open.close()
        parts = flash_store.payload_parts(writes)
        frame = b"".join(flash_store.frame_parts(self._number + 1, payload_bytes, parts))
        self._open = open(self._path, "ab")  # noqa: SIM115 - left open on purpose: that is its fault
        self._open.write(frame)
        self._number += 1
        self._file_bytes += len(frame)


def run_workload(kind, start):
    """Commit from number ``start`` on; return how many commits are acknowledged in all."""
    try:
        store = kind("/flash", journal_bytes=400)
        for number in range(start, len(WORKLOAD)):
            store.commit(WORKLOAD[number])
            start = number + 1
    except (LocalError, OSError):
        pass
    return start


def left_after(image):
    """Mount the image and return the store's state."""
    mounted(Disk(image))
    try:
        return dict(FlashStore("/flash").scan(b""))
    finally:
        os.umount("/flash")


def goes_on(image, state, expected):
    """Whether the workload can be finished from ``state`` on."""
    mounted(Disk(image))
    try:
        return run_workload(FlashStore, expected.index(state)) == len(WORKLOAD)
    finally:
        os.umount("/flash")


def crash(kind, empty, cut_at, tear, expected):
    """One power cut; return what is wrong with what it leaves, or None, and whether the power was cut at all."""
    disk = Disk(bytearray(empty), cut_at, tear, seed=cut_at)
    mounted(disk)
    acknowledged = run_workload(kind, 0)
    os.umount("/flash")
    image = bytearray(disk.image)
    disk.dead = True
    if disk.operations < cut_at:
        return None, False
    try:
        state = left_after(image)
    except (LocalError, OSError) as error:
        return "unreadable: " + repr(error), True
    if state not in expected[acknowledged : acknowledged + 2]:
        return "lost or half a commit", True
    if kind is FlashStore and (not goes_on(image, state, expected) or left_after(image) != expected[-1]):
        return "does not go on", True
    return None, True


def explore(kind, empty, expected):
    crashes = bad = 0
    first = None
    for tear in TEARS:
        cut_at = 1
        while True:
            wrong, cut = crash(kind, empty, cut_at, tear, expected)
            if not cut:
                break
            crashes += 1
            if wrong:
                bad += 1
                first = first or f"cut {cut_at}, tear {tear}: {wrong}"
            cut_at += 1
        gc.collect()
    return {"crashes": crashes, "bad": bad, "first": first}


def failures(empty, expected):
    """Let each operation fail once without a power cut; count commits after which memory and flash disagree."""
    tried = refused = bad = 0
    while True:
        tried += 1
        disk = Disk(bytearray(empty), tried, HALF, recovers=True)
        mounted(disk)
        try:
            wrong = disagrees(expected)
        finally:
            os.umount("/flash")
        if disk.operations < tried:
            return {"tried": tried - 1, "refused": refused, "bad": bad}
        refused += wrong[0]
        bad += wrong[1]


def disagrees(expected):
    store = FlashStore("/flash", journal_bytes=400)
    refused = bad = 0
    for number in range(len(WORKLOAD)):
        try:
            store.commit(WORKLOAD[number])
        except LocalError:
            refused += 1
            bad += dict(store.scan(b"")) != expected[number]
            bad += dict(FlashStore("/flash").scan(b"")) != expected[number]
            store.commit(WORKLOAD[number])
    bad += dict(FlashStore("/flash").scan(b"")) != expected[-1]
    return refused, bad


def main():
    start_ms = platform.ticks_ms()
    empty = new_image(BLOCKS)
    expected = states()
    report = {
        "store": explore(FlashStore, empty, expected),
        "split": explore(SplitStore, empty, expected),
        "hasty": explore(HastyStore, empty, expected),
        "failures": failures(empty, expected),
    }
    mounted(Disk(bytearray(empty)))
    run_workload(CountingStore, 0)
    report["rewrites"] = CountingStore.rewrites
    report["ms"] = platform.elapsed_ms(start_ms)
    print(json.dumps(report))


main()
