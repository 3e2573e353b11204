"""PBKDF2-HMAC-SHA256 (RFC 8018 §5.2) for one block of 32 bytes.

MicroPython's hashlib has neither HMAC nor copies of a running hash, so the padded keys are made once and each iteration
is two hashes of 96 bytes.
"""

import hashlib

_BLOCK_BYTES = 64


def _padded(key, pad):
    padded = bytearray(bytes([pad]) * _BLOCK_BYTES)
    for index in range(len(key)):
        padded[index] ^= key[index]
    return bytes(padded)


def pbkdf2_sha256(passphrase, salt, iterations):
    """Return 32 bytes derived from ``passphrase`` (bytes) and ``salt`` by ``iterations`` (at least 1) rounds."""
    sha256 = hashlib.sha256
    key = sha256(passphrase).digest() if len(passphrase) > _BLOCK_BYTES else passphrase
    inner = _padded(key, 0x36)
    outer = _padded(key, 0x5C)
    last = sha256(outer + sha256(inner + salt + b"\x00\x00\x00\x01").digest()).digest()
    total = int.from_bytes(last, "big")
    for _ in range(iterations - 1):
        last = sha256(outer + sha256(inner + last).digest()).digest()
        total ^= int.from_bytes(last, "big")
    return total.to_bytes(32, "big")
