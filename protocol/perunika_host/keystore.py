"""Ethereum keystore v3 files: keys at rest are encrypted, passwords come by file reference only."""

import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from perunika.crypto import PrivateKey
from perunika.errors import LocalError
from perunika_host.secret_file import read_secret, refuse_exposed, write_secret

MIN_PASSWORD_CHARACTERS = 8


class Key:
    """An unlocked key: ``protocol`` signs digests of the protocol, ``account`` signs transactions."""

    def __init__(self, secret: bytes) -> None:
        self.protocol = PrivateKey(secret)
        self.account: LocalAccount = Account.from_key(secret)
        self.address: bytes = self.protocol.address

    def __repr__(self) -> str:
        return f"Key(0x{self.address.hex()})"


def create_keystore(
    path: Path, password_file: Path, secret: bytes | None = None, entropy: Callable[[int], bytes] = secrets.token_bytes
) -> Key:
    """Make a key (or take ``secret``, 32 bytes), write it encrypted to a new file of mode 600, return it unlocked.

    Raises LocalError when the file exists, the password is short or exposed, or the disk does not take it.
    """
    password = read_secret(password_file)
    if len(password) < MIN_PASSWORD_CHARACTERS:
        hint = f"use {MIN_PASSWORD_CHARACTERS} or more characters"
        raise LocalError("key.password", f"the password in {password_file} is too short", hint)
    key = Key(secret if secret is not None else _fresh_secret(entropy))
    write_secret(path, json.dumps(Account.encrypt(key.account.key, password)))
    return key


def _fresh_secret(entropy: Callable[[int], bytes]) -> bytes:
    while True:
        secret = entropy(32)
        try:
            PrivateKey(secret)
        except LocalError:
            continue  # 0 or not below the group order: one chance in 2**127
        return secret


def load_keystore(path: Path, password_file: Path) -> Key:
    """Return the unlocked key. Raises LocalError: exposed or missing file, wrong password, no keystore."""
    keystore = _read(path)
    try:
        secret = bytes(Account.decrypt(dict(keystore), read_secret(password_file)))
    except (ValueError, KeyError, TypeError, NotImplementedError) as error:
        hint = "name the file with the right password"
        text = f"{path} does not open with the password in {password_file}: {error}"
        raise LocalError("key.password", text, hint) from error
    key = Key(secret)
    if keystore.get("address") is not None and key.address != keystore_address(path):
        raise LocalError("key.corrupt", f"{path} names another address than its key has", "restore it from its copy")
    return key


def keystore_address(path: Path) -> bytes:
    """Return the 20-byte address a keystore names, without unlocking it. Raises LocalError."""
    try:
        address = bytes.fromhex(str(_read(path)["address"]).removeprefix("0x"))
    except (KeyError, ValueError) as error:
        raise LocalError("key.corrupt", f"{path} names no address", "unlock it instead") from error
    if len(address) != 20:
        raise LocalError("key.corrupt", f"{path} names no address", "unlock it instead")
    return address


def _read(path: Path) -> Mapping[str, Any]:
    refuse_exposed(path)
    try:
        keystore = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise LocalError("key.missing", f"{path}: {error.strerror}", "give this user read access") from error
    except ValueError as error:
        raise LocalError("key.corrupt", f"{path} is no keystore: {error}", "name a keystore v3 file") from error
    if not isinstance(keystore, dict) or keystore.get("version") != 3:
        raise LocalError("key.corrupt", f"{path} is no keystore of version 3", "name a keystore v3 file")
    return keystore
