"""Nonces of signatures: RFC 6979 with HMAC-SHA256, section 3.6 for extra data."""

from perunika.crypto.hashes import hmac_sha256
from perunika.crypto.signature import N


def nonces(secret, digest, entropy=b""):
    """Yield ``(k, mask)`` for ever: the nonces of RFC 6979 in order, 1 <= k < N, each with its own mask.

    ``secret`` is a number in 1..N-1, ``digest`` 32 bytes, ``entropy`` the extra data, empty for the plain
    RFC. The mask, 1 <= mask < N, blinds the arithmetic with k; it is drawn from the same generator on a
    message no step of the RFC uses, so it needs no random number generator and does not change k.
    """
    reduced = (int.from_bytes(digest, "big") % N).to_bytes(32, "big")
    seed = secret.to_bytes(32, "big") + reduced + entropy
    key, value = bytes(32), b"\x01" * 32
    for separator in (b"\x00", b"\x01"):
        key = hmac_sha256(key, value + separator + seed)
        value = hmac_sha256(key, value)
    while True:
        value = hmac_sha256(key, value)
        k = int.from_bytes(value, "big")
        if 0 < k < N:
            yield k, int.from_bytes(hmac_sha256(key, value + b"\x02"), "big") % (N - 1) + 1
        key = hmac_sha256(key, value + b"\x00")
        value = hmac_sha256(key, value)
