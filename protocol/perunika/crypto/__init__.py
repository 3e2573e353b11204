"""Hashes and secp256k1 signatures, one interface over several backends.

    keccak256(message), sha256(message) -> 32 bytes        hmac_sha256(key, message) -> 32 bytes
    PrivateKey(secret, extra_entropy=None)                 .address, .public_key, .sign(digest) -> 65 bytes
    recover(digest, signature) -> address or None          verify(digest, signature, address) -> bool
    address_of(public_key) -> 20 bytes                     derive_secret(seed, label) -> 32 bytes

``BACKEND`` names the one in use: ``"coincurve"`` on CPython where coincurve and safe-pysha3 are installed,
``"pure"`` everywhere else and where the environment says ``PERUNIKA_CRYPTO=pure``. All backends give the same
bytes for the same input (tests/vectors/crypto.json).
"""

import os
import sys

from perunika.crypto.hashes import hmac_sha256, sha256
from perunika.crypto.signature import N
from perunika.errors import LocalError

BACKEND = "pure"
if sys.implementation.name == "cpython" and os.environ.get("PERUNIKA_CRYPTO") != "pure":
    try:
        from perunika.crypto.fast import PrivateKey, keccak256, recover, verify

        BACKEND = "coincurve"
    except ImportError:
        pass  # the packages in C are optional: the pure backend gives the same answers, slower
if BACKEND == "pure":
    from perunika.crypto.keccak import keccak256
    from perunika.crypto.pure import PrivateKey, recover, verify  # type: ignore[assignment]  # same interface

__all__ = (
    "BACKEND",
    "PrivateKey",
    "address_of",
    "derive_secret",
    "hmac_sha256",
    "keccak256",
    "recover",
    "sha256",
    "verify",
)


def address_of(public_key):
    """Return the 20-byte address of a 64-byte public key x || y; LocalError ``bad-key`` for another length."""
    if len(public_key) != 64:
        raise LocalError("bad-key", "a public key is 64 bytes, x and y", "drop the prefix byte 04")
    return keccak256(public_key)[12:]


def derive_secret(seed, label):
    """Return the 32-byte secret of one key out of many that come from one 32-byte seed.

    ``HMAC-SHA256(seed, label || i)`` for the first byte i = 0, 1, .. that gives a number from 1 to the order
    less 1. ``label`` is bytes and names the use, e.g. ``b"perunika/1/payer"``. LocalError ``bad-seed`` for a
    seed of another length.
    """
    if len(seed) != 32:
        raise LocalError("bad-seed", "a seed is 32 bytes", "make one with os.urandom once the radio is on")
    for attempt in range(256):
        secret = hmac_sha256(seed, label + bytes((attempt,)))
        if 0 < int.from_bytes(secret, "big") < N:
            return secret
    raise LocalError("bad-seed", "no key can be derived from this seed and label", "use another seed")
