"""Secrets come from files, never from the command line, the environment or the configuration itself."""

import os
import stat
from pathlib import Path

from perunika.errors import LocalError

MAX_SECRET_BYTES = 65536


def refuse_exposed(path: Path) -> None:
    """Raise LocalError when other users could read or change the file, or it is absent or no file."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise LocalError(
            "secret.missing", f"{path}: {error.strerror}", "name the file that holds the secret"
        ) from error
    if not stat.S_ISREG(mode):
        raise LocalError("secret.missing", f"{path} is no regular file", "name the file that holds the secret")
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise LocalError(
            "secret.exposed",
            f"{path} can be read or changed by other users (mode {stat.S_IMODE(mode):04o})",
            f"chmod 600 {path}",
        )


def read_secret(path: Path) -> str:
    """Return the text of a secret file without the newline that editors add. Raises LocalError."""
    refuse_exposed(path)
    try:
        content = path.read_bytes()[: MAX_SECRET_BYTES + 1]
        secret = content.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise LocalError("secret.missing", f"{path}: {error.strerror}", "give this user read access") from error
    except UnicodeDecodeError as error:
        raise LocalError("secret.unreadable", f"{path} is no UTF-8 text", "write the secret as text") from error
    if not secret or len(content) > MAX_SECRET_BYTES:
        raise LocalError("secret.empty", f"{path} is empty or too long", "write the secret as one line of text")
    return secret


def write_secret(path: Path, secret: str) -> None:
    """Write a new file only this user can read, flushed to disk; never overwrites. Raises LocalError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise LocalError(
            "secret.exists", f"{path} is there already", "name a new file; keys are not overwritten"
        ) from error
    except OSError as error:
        raise LocalError("secret.unwritable", f"{path}: {error.strerror}", "create the directory first") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise LocalError("secret.unwritable", f"{path}: {error.strerror}", "free space on that disk") from error
