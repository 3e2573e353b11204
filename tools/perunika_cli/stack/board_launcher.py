"""Maps a ROM image into this process and becomes MicroPython: ``board_launcher.py IMAGE HEAP_BYTES BOOT WORD...``.

It knows nothing of this project and imports nothing of it. The address is given in PERUNIKA_ROM, as
``address:length``: a board's firmware knows where its flash is, a simulated one has to be told.
"""

import ctypes
import mmap
import os
import sys


def main(words: list[str]) -> int:
    """Return MicroPython's exit status."""
    image, heap_bytes, boot, *rest = words
    with open(image, "rb") as file:
        rom = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # ctypes wants it writable; the file never changes
    address = ctypes.addressof(ctypes.c_char.from_buffer(rom))
    os.environ["PERUNIKA_ROM"] = f"{address}:{len(rom)}"
    from micropython_run import run_main  # type: ignore[import-not-found]

    return int(run_main(["micropython", "-X", f"heapsize={heap_bytes}", boot, *rest]) or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
