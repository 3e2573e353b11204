"""One process per database: an advisory lock on a file beside it that also names the holder."""

import fcntl
import os
from types import TracebackType
from typing import Self

from perunika.errors import LocalError


class SingleWriter:
    """Holds ``<path>.lock`` exclusively until closed or until the process ends, however it ends.

    The lock belongs to the open file, so kill -9 frees it; the number in the file is only for people.
    Raises LocalError ``store.locked`` naming the other process, or ``store.unwritable``.
    """

    def __init__(self, path: str) -> None:
        self.lock_path = path + ".lock"
        try:
            self._descriptor = os.open(self.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LocalError(
                "store.unwritable",
                f"cannot write {self.lock_path}: {error.strerror}",
                "create the directory and give this user write access, or name another file",
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise LocalError(
                "store.locked",
                f"{path} is in use by process {holder} (lock file {self.lock_path})",
                "stop that process first, or give this one a database of its own",
            ) from error
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        except OSError:
            # A full disk must not stop the start: the lock holds without the number in it.
            return

    def close(self) -> None:
        """Free the lock; the file stays, since removing it would let two processes lock two files."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
