"""Keys, passwords and tokens of the demo's cast, each in a file of its own that only its owner may read."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from perunika_cli.stack.certificates import write_private
from perunika_host.keystore import Key, create_keystore


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A keystore with its password file, and the unlocked key for this process."""

    keystore: Path
    password_file: Path
    key: Key

    @property
    def address(self) -> bytes:
        return self.key.address


def make_key(directory: Path, name: str, secret: bytes | None = None) -> KeyFile:
    """Make ``name.json`` and ``name.password`` in ``directory``; ``secret`` (32 bytes) or a fresh key."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    password_file = make_secret_file(directory / f"{name}.password")
    keystore = directory / f"{name}.json"
    return KeyFile(keystore, password_file, create_keystore(keystore, password_file, secret))


def make_keys(directory: Path, wanted: dict[str, bytes | None]) -> dict[str, KeyFile]:
    """Make several keys at once: stretching the passwords takes most of a second each."""
    with ThreadPoolExecutor() as pool:
        made = {name: pool.submit(make_key, directory, name, secret) for name, secret in wanted.items()}
        return {name: future.result() for name, future in made.items()}


def make_secret_file(path: Path, content: str | None = None) -> Path:
    """Write a fresh random secret (or ``content``) with mode 0600 and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, (content or secrets.token_urlsafe(24)).encode())
    return path
