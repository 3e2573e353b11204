"""The board's 32-byte seed at rest: encrypted and authenticated under the owner's PIN or the board's unique id.

    blob = version (1) | iterations (4) | IV (16) | AES-256-CBC of the seed (32) | HMAC-SHA256 of salt and blob (32)

Encrypt-then-MAC with two keys that come from one PBKDF2-HMAC-SHA256 run over passphrase and salt. The salt lies in
another file. What it is good for: a copied backup or a flash dump without the PIN or the id does not show the seed. It
does not stop a thief who holds the board, and a short PIN falls to anyone who has both files and a graphics card
(details.md, Keys at rest).
"""

from perunika.crypto import hmac_sha256
from perunika.errors import LocalError
from perunika_device import platform
from perunika_device.atomic_file import path_in, read_file, replace_file
from perunika_device.pbkdf2 import pbkdf2_sha256

SECRET_BYTES = 32
SALT_BYTES = 32
# About one second on an ESP32 (two SHA-256 calls of about 0.2 ms plus bytecode an iteration; estimated from
# instruction counts), once per boot. More would not save a PIN of six digits and would make booting a wait.
DEFAULT_ITERATIONS = 2000
MIN_ITERATIONS = 1000
# Above this a damaged or hostile file would keep the board busy for more than half a minute.
MAX_ITERATIONS = 50000

_VERSION = 1
_HEAD_BYTES = 5
_IV_BYTES = 16
_MAC_BYTES = 32
_BLOB_BYTES = _HEAD_BYTES + _IV_BYTES + SECRET_BYTES + _MAC_BYTES
_SEED_NAME = "seed.sealed"
_SALT_NAME = "seed.salt"


def seal(secret, passphrase, salt, iterations=DEFAULT_ITERATIONS, urandom=platform.urandom):
    """Return the sealed blob of a 32-byte ``secret``; raises ``LocalError`` for arguments out of range.

    ``passphrase``: bytes, the PIN or ``machine.unique_id()``. ``salt``: 32 random bytes to be kept in another file.
    """
    if len(secret) != SECRET_BYTES or len(salt) != SALT_BYTES or not passphrase:
        raise LocalError("seal", "a 32-byte secret, a 32-byte salt and a passphrase are needed")
    if not MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
        raise LocalError("seal", "iterations must be within %d..%d" % (MIN_ITERATIONS, MAX_ITERATIONS))
    cipher_key, mac_key = _keys(passphrase, salt, iterations)
    iv = urandom(_IV_BYTES)
    body = bytes([_VERSION]) + iterations.to_bytes(4, "big") + iv + platform.encrypt_cbc(cipher_key, iv, secret)
    return body + hmac_sha256(mac_key, salt + body)


def open_sealed(blob, passphrase, salt):
    """Return the secret; raises ``LocalError`` ``sealed`` when PIN, salt or blob are not those it was sealed with."""
    if len(blob) != _BLOB_BYTES or blob[0] != _VERSION or len(salt) != SALT_BYTES or not passphrase:
        raise _refused()
    iterations = int.from_bytes(blob[1:_HEAD_BYTES], "big")
    if not MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
        raise _refused()
    cipher_key, mac_key = _keys(passphrase, salt, iterations)
    body = blob[:-_MAC_BYTES]
    if not _equal(hmac_sha256(mac_key, salt + body), blob[-_MAC_BYTES:]):
        raise _refused()
    iv = body[_HEAD_BYTES : _HEAD_BYTES + _IV_BYTES]
    return platform.decrypt_cbc(cipher_key, iv, body[_HEAD_BYTES + _IV_BYTES :])


def load_or_create_seed(directory, passphrase, urandom=platform.urandom):
    """Return (seed, created): the seed sealed in ``directory``, made there when neither of its files exists.

    Call it with the radio on: an ESP32's random numbers are weak before. Never makes a new seed beside remains of
    an old one. Raises ``LocalError``: ``sealed`` (wrong PIN or damaged), ``seed-salt`` (salt missing), ``seed-disk``.
    """
    try:
        sealed = read_file(path_in(directory, _SEED_NAME))
        salt = read_file(path_in(directory, _SALT_NAME))
        if sealed is None:
            return _create(directory, passphrase, urandom), True
    except OSError as error:
        raise LocalError("seed-disk", "the seed cannot be read or written: " + repr(error), "check the flash")
    if salt is None:
        raise LocalError("seed-salt", "the salt of the sealed seed is missing", "restore seed.salt from its backup")
    return open_sealed(sealed, passphrase, salt), False


def _create(directory, passphrase, urandom):
    seed = urandom(SECRET_BYTES)
    salt = urandom(SALT_BYTES)
    if len(seed) != SECRET_BYTES or len(set(seed)) < 8 or seed == salt:
        raise LocalError("seed-random", "the random numbers are not random", "switch the radio on first")
    sealed = seal(seed, passphrase, salt, DEFAULT_ITERATIONS, urandom)
    # The salt first: a power cut in between leaves a salt that nothing depends on.
    replace_file(directory, _SALT_NAME, (salt,))
    replace_file(directory, _SEED_NAME, (sealed,))
    return seed


def _keys(passphrase, salt, iterations):
    master = pbkdf2_sha256(passphrase, salt, iterations)
    return hmac_sha256(master, b"perunika/1/seal/cipher"), hmac_sha256(master, b"perunika/1/seal/mac")


def _equal(left, right):
    """Compare in constant time."""
    difference = len(left) ^ len(right)
    for index in range(min(len(left), len(right))):
        difference |= left[index] ^ right[index]
    return difference == 0


def _refused():
    return LocalError("sealed", "wrong PIN or damaged", "check the PIN, then restore seed.sealed and seed.salt")
