"""SHA-256 and HMAC-SHA256 (RFC 2104) from hashlib; a board's hashlib has no hmac."""

import hashlib

_BLOCK_BYTES = 64
_INNER = int.from_bytes(b"\x36" * _BLOCK_BYTES, "big")
_OUTER = int.from_bytes(b"\x5c" * _BLOCK_BYTES, "big")


def sha256(message):
    """Return the 32-byte SHA-256 digest of a bytes-like message."""
    return hashlib.sha256(message).digest()


def hmac_sha256(key, message):
    """Return the 32-byte HMAC-SHA256 of a bytes-like message under a bytes-like key of any length."""
    key = sha256(key) if len(key) > _BLOCK_BYTES else bytes(key)
    padded = int.from_bytes(key + bytes(_BLOCK_BYTES - len(key)), "big")
    # One xor of long ints instead of 64 of bytes: this is the inner loop of every nonce.
    inner = hashlib.sha256((padded ^ _INNER).to_bytes(_BLOCK_BYTES, "big"))
    inner.update(message)
    outer = hashlib.sha256((padded ^ _OUTER).to_bytes(_BLOCK_BYTES, "big"))
    outer.update(inner.digest())
    return outer.digest()
