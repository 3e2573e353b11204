"""The board's keys: one sealed seed, one key for each role (R20), made on the board and never shown."""

from perunika.crypto import PrivateKey, derive_secret
from perunika.errors import LocalError
from perunika_device import platform
from perunika_device.atomic_file import path_in, read_file, replace_file
from perunika_device.sealed import load_or_create_seed

ROLES = ("member", "payer", "payee")
_LABELS = {"member": b"perunika/1/member", "payer": b"perunika/1/payer", "payee": b"perunika/1/payee"}

_STAND_IN = "board.id"


class Identity:
    """Keys derived from the seed in ``settings.directory``, which is made when it is not there.

    Raises ``LocalError``: ``sealed`` for a wrong PIN, ``seed-*`` for a damaged or unreadable seed.
    """

    def __init__(self, settings):
        platform.make_directory(settings.directory)
        passphrase = settings.pin if settings.pin is not None else platform.unique_id() or _stand_in(settings.directory)
        self._seed = load_or_create_seed(settings.directory, passphrase)[0]

    def key(self, role):
        """Return the ``PrivateKey`` of ``member``, ``payer`` or ``payee``."""
        return PrivateKey(derive_secret(self._seed, _LABELS[role]))

    def addresses(self):
        """Return role -> 0x-hex address, for the owner who provisions the board."""
        return {role: "0x" + self.key(role).address.hex() for role in ROLES}


def _stand_in(directory):
    """Return what a simulated board has in place of a chip's unique id: random bytes in a file of their own."""
    try:
        known = read_file(path_in(directory, _STAND_IN))
        if known is None:
            known = platform.urandom(16)
            replace_file(directory, _STAND_IN, (known,))
    except OSError as error:
        raise LocalError("seed-disk", "the simulated board's id cannot be kept: " + repr(error), "check the disk")
    return known
