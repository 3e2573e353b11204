"""Files that change as a whole: after a power cut a file is the old one or the new one, never a mixture.

Needs a file system whose rename replaces the target: littlefs on boards, the usual ones of a host. FAT has none.
"""

import errno
import os

from perunika_device import platform

_TEMPORARY = ".new"


def path_in(directory, name):
    """Return the path of ``name`` in ``directory``; the root of a board's file system is ``/`` or empty."""
    return directory.rstrip("/") + "/" + name if directory else name


def read_file(path):
    """Return the bytes of a file, or None when there is none; other errors are raised as ``OSError``."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise


def remove_leftover(directory, name):
    """Remove what a power cut in the middle of ``replace_file`` has left; the file itself is not touched."""
    try:
        os.remove(path_in(directory, name) + _TEMPORARY)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def replace_file(directory, name, parts):
    """Write ``parts`` (an iterable of bytes) as the new content of ``name``; durable when it returns.

    Returns the size in bytes. Raises ``OSError``, for example when the disk is full; the old content stays then.
    """
    path = path_in(directory, name)
    size_bytes = 0
    with open(path + _TEMPORARY, "wb") as file:
        for part in parts:
            size_bytes += write_whole(file, part)
        platform.flush_to_disk(file)
    os.rename(path + _TEMPORARY, path)
    platform.sync_directory(directory)
    return size_bytes


def write_whole(file, part):
    """Write all of ``part`` and return its length; a short write is a full disk."""
    if file.write(part) != len(part):
        raise OSError(28, "the disk took only a part")
    return len(part)
