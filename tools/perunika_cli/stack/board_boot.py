"""Runs first on a simulated board: mounts the read-only memory that the launcher has mapped, then runs the program.

On a chip the firmware does the same: it mounts the ROMFS partition at /rom before main.py runs. A program is a script,
or a module of the board's own packages, whose ``main(words)`` returns the exit status.
"""

import gc
import os
import sys

import uctypes  # type: ignore[import-not-found]
import vfs  # type: ignore[import-not-found]

# Tidy often while modules are loaded, else what loading leaves behind ends up in pieces everywhere.
gc.threshold(2048)  # type: ignore[attr-defined]  # MicroPython's
address, size = os.getenv("PERUNIKA_ROM", "").split(":")
vfs.mount(vfs.VfsRom(uctypes.bytearray_at(int(address), int(size))), "/rom")
sys.path[:] = ["/rom", ".frozen"]
sys.argv[:] = sys.argv[1:]
if sys.argv[0].endswith(".py"):
    with open(sys.argv[0]) as file:
        source = file.read()
    exec(compile(source, sys.argv[0], "exec"), {"__name__": "__main__"})  # noqa: S102  the program we were told to run
else:
    module = __import__(sys.argv[0])
    for part in sys.argv[0].split(".")[1:]:
        module = getattr(module, part)
    sys.exit(module.main(sys.argv[1:]))
