"""What a board must know even when its registers are lost: small files beside its seed (R15)."""

from perunika.errors import LocalError
from perunika_device.atomic_file import path_in, read_file, replace_file

CHANNEL = "channel.adopted"  # holds the id of the basic channel that this board has signed in
PAYER = "payer.used"  # there once a virtual channel was paid


def read_marker(directory, name):
    """Return what the marker holds, or None; raises ``LocalError("seed-disk")``."""
    try:
        return read_file(path_in(directory, name))
    except OSError as error:
        raise LocalError("seed-disk", "a marker cannot be read: " + repr(error), "check the flash")


def write_marker(directory, name, content):
    """Make the marker durable unless it holds ``content`` already; raises ``LocalError("seed-disk")``."""
    if read_marker(directory, name) == content:
        return
    try:
        replace_file(directory, name, (content,))
    except OSError as error:
        raise LocalError("seed-disk", "a marker cannot be written: " + repr(error), "check the flash")
