"""What `init` makes: directories, keys with passwords, tokens, a configuration; all for this user's eyes only."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from perunika.errors import LocalError
from perunika_host.keystore import Key, create_keystore
from perunika_host.secret_file import read_secret, write_secret


@dataclass(frozen=True, slots=True)
class NewKey:
    """A keystore and its password file."""

    address: bytes
    keystore: Path
    password_file: Path


def new_directory(path: Path) -> Path:
    """Make a directory that only this user can enter; one that exists is kept. Raises LocalError."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise LocalError("init.directory", f"{path}: {error.strerror}", "name a directory that you may make") from error
    return path


def refuse_existing(*paths: Path) -> None:
    """Raise LocalError when one of the files is there: init never overwrites."""
    present = [str(path) for path in paths if path.exists()]
    if present:
        hint = "init overwrites nothing: name another directory, or move them away"
        verb = "is" if len(present) == 1 else "are"
        raise LocalError("init.exists", f"{', '.join(present)} {verb} there already", hint)


def new_key(directory: Path, name: str, secret: bytes | None = None) -> NewKey:
    """Write ``name``.json and ``name``.password (both 0600) with a new key, or with ``secret``. Raises LocalError."""
    keystore, password_file = directory / f"{name}.json", directory / f"{name}.password"
    refuse_existing(keystore, password_file)
    write_secret(password_file, secrets.token_urlsafe(24) + "\n")
    key: Key = create_keystore(keystore, password_file, secret)
    return NewKey(key.address, keystore, password_file)


def new_token(path: Path) -> Path:
    """Write a random admin token (0600). Raises LocalError."""
    write_secret(path, secrets.token_urlsafe(32) + "\n")
    return path


def read_private_key(path: Path) -> bytes:
    """Return the 32 bytes of a private key in a file (hexadecimal, 0600). Raises LocalError."""
    try:
        secret = bytes.fromhex(read_secret(path).strip().removeprefix("0x"))
    except ValueError as error:
        raise LocalError("key.hex", f"{path} holds no hexadecimal key", "64 digits, with or without 0x") from error
    if len(secret) != 32:
        raise LocalError("key.hex", f"{path} holds {len(secret)} bytes, a private key has 32", "64 digits")
    return secret


def write_config(path: Path, text: str) -> None:
    """Write a new configuration file (0600). Raises LocalError when there is one."""
    write_secret(path, text)


def relative(path: Path) -> str:
    """Return a path as people like to read it."""
    text = os.path.relpath(path)
    return text if not text.startswith("../..") else str(path)
