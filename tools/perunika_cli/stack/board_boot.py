"""Runs first on a simulated board: mounts the read-only memory that the launcher has mapped, then runs a module.

On a chip the firmware does the same: it mounts the ROMFS partition at /rom before main.py runs.
"""

import os
import sys

import uctypes  # type: ignore[import-not-found]
import vfs  # type: ignore[import-not-found]

address, size = os.getenv("PERUNIKA_ROM", "").split(":")
vfs.mount(vfs.VfsRom(uctypes.bytearray_at(int(address), int(size))), "/rom")
sys.path[:] = ["/rom", ".frozen"]
module = __import__(sys.argv[1])
for part in sys.argv[1].split(".")[1:]:
    module = getattr(module, part)
sys.exit(module.main(sys.argv[2:]))
