"""What both backends agree on: the order of the curve, which secrets and signatures are acceptable."""

from perunika.errors import LocalError

N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HALF_N = N // 2


def secret_number(secret):
    """Return a 32-byte secret as a number in 1..N-1; LocalError ``bad-key`` when it is not one."""
    number = int.from_bytes(secret, "big")
    if len(secret) != 32 or not 0 < number < N:
        raise LocalError("bad-key", "a private key is 32 bytes, 1 to the order less 1", "derive_secret makes one")
    return number


def require_digest(digest):
    """Raise LocalError ``bad-digest`` unless ``digest`` has 32 bytes."""
    if len(digest) != 32:
        raise LocalError("bad-digest", "only a 32-byte digest can be signed", "hash the message first")


def fresh_entropy(source):
    """Return 32 bytes of extra nonce data from ``source`` (None, 32 bytes, or a function like os.urandom), or b""."""
    if source is None:
        return b""
    entropy = bytes(source(32) if callable(source) else source)
    if len(entropy) != 32:
        raise LocalError("bad-entropy", "extra entropy is 32 bytes", "pass os.urandom or 32 bytes")
    return entropy


def parse(signature):
    """Return ``(r, s, odd)`` of a 65-byte r || s || v, or None unless it is strictly well formed.

    Strict as the contract is: 1 <= r < N, 1 <= s <= N/2, v 27 or 28; ``odd`` is v - 27, the parity of R's y.
    """
    if len(signature) != 65:
        return None
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:64], "big")
    if not 0 < r < N or not 0 < s <= HALF_N or signature[64] not in (27, 28):
        return None
    return r, s, signature[64] - 27


def write(r, s, odd):
    """Return the 65-byte low-s signature for ``r``, any ``s`` in 1..N-1 and the parity of R's y."""
    if s > HALF_N:
        s, odd = N - s, 1 - odd
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((27 + odd,))
