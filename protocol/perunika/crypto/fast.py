"""The backend of hosts: libsecp256k1 (coincurve) and C Keccak (safe-pysha3); CPython only.

libsecp256k1 signs in constant time with the nonces of RFC 6979, so its signatures equal the other backend's.
"""

import coincurve
import sha3
from coincurve._libsecp256k1 import ffi, lib

from perunika.crypto.signature import fresh_entropy, parse, require_digest, secret_number
from perunika.errors import LocalError


def keccak256(message):
    """Return the 32-byte Keccak-256 digest of a bytes-like message."""
    return sha3.keccak_256(message).digest()


class PrivateKey:
    """A secp256k1 key that signs digests; the promises are those of ``perunika.crypto.pure.PrivateKey``."""

    def __init__(self, secret, extra_entropy=None):
        secret_number(secret)
        self._key = coincurve.PrivateKey(bytes(secret))
        self._entropy = extra_entropy
        self.public_key = self._key.public_key.format(compressed=False)[1:]
        self.address = keccak256(self.public_key)[12:]

    def __repr__(self):
        return "PrivateKey(address=0x" + self.address.hex() + ")"

    def sign(self, digest):
        """Return r || s || v (65 bytes, low s, v 27 or 28) for a 32-byte digest; LocalError ``bad-digest``."""
        require_digest(digest)
        entropy = fresh_entropy(self._entropy)
        extra = ffi.new("unsigned char[32]", entropy) if entropy else ffi.NULL
        signature = self._key.sign_recoverable(bytes(digest), hasher=None, custom_nonce=(ffi.NULL, extra))
        if signature[64] > 1:
            # R's x is not below the order: a chance of 2**-127 that v 27 or 28 cannot express.
            raise LocalError("bad-digest", "this digest has no signature with v 27 or 28", "change the message")
        return signature[:64] + bytes((27 + signature[64],))


def recover(digest, signature):
    """Return the 20-byte address whose key made a strict 65-byte signature over a digest, else None."""
    parts = parse(signature)
    if parts is None or len(digest) != 32:
        return None
    parsed = ffi.new("secp256k1_ecdsa_recoverable_signature *")
    public = ffi.new("secp256k1_pubkey *")
    context = coincurve.GLOBAL_CONTEXT.ctx
    compact = bytes(signature[:64])
    if not lib.secp256k1_ecdsa_recoverable_signature_parse_compact(context, parsed, compact, parts[2]):
        return None
    if not lib.secp256k1_ecdsa_recover(context, public, parsed, bytes(digest)):
        return None
    return keccak256(coincurve.PublicKey(public).format(compressed=False)[1:])[12:]


def verify(digest, signature, address):
    """Tell whether ``recover(digest, signature) == address``."""
    return recover(digest, signature) == address
