"""Fills a littlefs until a commit is refused, frees space, and goes on. MicroPython only; prints a JSON object."""

import json
import os

from lfs_disk import Disk, mounted, new_image

from perunika.errors import LocalError
from perunika_device.flash_store import FlashStore


def fill(path, block):
    size = 0
    try:
        with open(path, "wb") as file:
            while True:
                file.write(block)
                file.flush()
                size += len(block)
    except OSError as error:
        return error.errno, size


mounted(Disk(new_image(24)))
store = FlashStore("/flash", journal_bytes=4096)
store.commit({b"kept": b"old" * 100})
errno, _ = fill("/flash/filler", bytes(64))
refused = None
accepted = 0
for number in range(60):
    # Small steps: a nearly full disk may take some more before it refuses.
    try:
        store.commit({b"kept": b"new" * 100, b"number": b"%d" % number})
        accepted += 1
    except LocalError as error:
        refused = error
        break
in_memory = dict(store.scan(b""))
on_flash = dict(FlashStore("/flash").scan(b""))
os.remove("/flash/filler")
store.commit({b"kept": b"after" * 50})
print(
    json.dumps(
        {
            "filler_errno": errno,
            "accepted": accepted,
            "code": refused and refused.code,
            "fault": refused and refused.fault,
            "unchanged": in_memory == on_flash and in_memory[b"kept"] == (b"new" if accepted else b"old") * 100,
            "number": accepted == 0 or in_memory[b"number"] == b"%d" % (accepted - 1),
            "goes_on": FlashStore("/flash").get(b"kept") == b"after" * 50,
        }
    )
)
