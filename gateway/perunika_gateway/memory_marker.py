"""Remembers beside the key which channels it has signed in: without their records the key may not sign again (R15)."""

import os
from pathlib import Path

from perunika.errors import LocalError


class MemoryMarker:
    """A file ``<keystore>.channels``, one channel id per line; it must not be copied away with the database."""

    def __init__(self, keystore: Path) -> None:
        self.path = keystore.with_name(keystore.name + ".channels")

    def has(self, channel_id: bytes) -> bool:
        """Return whether this key has had that channel before."""
        try:
            return channel_id.hex() in self.path.read_text("ascii").split()
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as error:
            raise LocalError("memory.marker", f"{self.path} cannot be read: {error}", "restore it") from error

    def add(self, channel_id: bytes) -> None:
        """Note a channel, durably, once. Raises LocalError when the disk does not take it."""
        if self.has(channel_id):
            return
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(channel_id.hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            hint = "the keystore's directory must be writable, once"
            raise LocalError("memory.marker", f"{self.path}: {error.strerror}", hint) from error
