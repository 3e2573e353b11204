"""A littlefs disk in memory that loses its power, or fails, at a chosen operation. MicroPython only.

A dead disk answers every operation with EIO and changes nothing, so whatever the program does after the cut
leaves no trace; nothing is allocated on that path, because finalisers may close files while the heap is locked.
"""

import os

BLOCK_BYTES = 512
NOTHING, HALF, WHOLE, RANDOM = range(4)
TEARS = (NOTHING, HALF, WHOLE, RANDOM)
_EIO = -5


class Disk:
    """``cut_at``: number of the program or erase operation that is the last one, 0 for never.

    ``tear``: how much of that operation reaches the memory. ``recovers``: the disk fails once and then works again.
    """

    def __init__(self, image, cut_at=0, tear=NOTHING, recovers=False, seed=1):
        self.image = image
        self.operations = 0
        self.dead = False
        self._cut_at = cut_at
        self._tear = tear
        self._recovers = recovers
        self._random = seed

    def readblocks(self, block, buffer, offset=0):
        if self.dead:
            return _EIO
        at = block * BLOCK_BYTES + offset
        buffer[:] = memoryview(self.image)[at : at + len(buffer)]
        return 0

    def writeblocks(self, block, buffer, offset=0):
        if self.dead:
            return _EIO
        at = block * BLOCK_BYTES + offset
        if self._cut_now():
            self._torn(at, buffer)
            return self._die()
        memoryview(self.image)[at : at + len(buffer)] = buffer
        return 0

    def ioctl(self, request, argument):
        if request == 4:
            return len(self.image) // BLOCK_BYTES
        if request == 5:
            return BLOCK_BYTES
        if request == 6:
            return self._erase(argument * BLOCK_BYTES)
        return 0

    def _erase(self, at):
        if self.dead:
            return _EIO
        if self._cut_now():
            self._torn(at, _ERASED)
            return self._die()
        memoryview(self.image)[at : at + BLOCK_BYTES] = _ERASED
        return 0

    def _cut_now(self):
        self.operations += 1
        return self.operations == self._cut_at

    def _die(self):
        self.dead = not self._recovers
        return _EIO

    def _torn(self, at, buffer):
        for index in range(len(buffer)):
            if self._tear == WHOLE or (self._tear == HALF and index < len(buffer) // 2):
                self.image[at + index] = buffer[index]
            elif self._tear == RANDOM:
                self._random = (self._random * 1103515245 + 12345) & 0x3FFFFFFF
                if self._random & 0x10000:
                    self.image[at + index] = buffer[index]


_ERASED = b"\xff" * BLOCK_BYTES


def new_image(blocks):
    """Return the image of an empty littlefs."""
    image = bytearray(blocks * BLOCK_BYTES)
    os.VfsLfs2.mkfs(Disk(image), progsize=32, readsize=32, lookahead=32)
    return image


def mounted(disk):
    """Mount ``disk`` at /flash; unmount with ``os.umount``."""
    os.mount(os.VfsLfs2(disk, progsize=32, readsize=32, lookahead=32), "/flash")
