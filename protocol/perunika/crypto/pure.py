"""The backend that runs everywhere: secp256k1 signatures on plain ints, for MicroPython and CPython.

What an observer of time learns: long ints take longer for some operands than for others, and nothing here
hides that. What is done against it: the sequence of point operations is the same for every nonce, no branch
or comparison depends on a nonce's digits, table points come from RAM, every coordinate is randomised by a
fresh mask, and the inverse of the nonce and the product with the key are computed on masked numbers.
"""

from perunika.crypto.field import P, inverse, square_root
from perunika.crypto.hashes import sha256
from perunika.crypto.keccak import keccak256
from perunika.crypto.multiples import comb_digits, comb_tables, once_streams, total
from perunika.crypto.nonce import nonces
from perunika.crypto.points import GENERATOR
from perunika.crypto.signature import N, fresh_entropy, parse, require_digest, secret_number, write

KNOWN_KEYS = 4  # keys that verify() remembers; each holds 2 KB once it has been used twice

_generator_tables = []  # 4 KB, made on first use
_room = [KNOWN_KEYS]
_known = []  # [address, point, table or None], the latest used last


def _generator_streams(scalar):
    if not _generator_tables:
        _generator_tables.extend(comb_tables(GENERATOR, 2))
    low, high = comb_digits(scalar)
    return [(_generator_tables[0], low, 1), (_generator_tables[1], high, 1)]


def _address(point):
    return keccak256(point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big"))[12:]


class PrivateKey:
    """A secp256k1 key that signs digests; ``address`` is 20 bytes, ``public_key`` 64 bytes x || y.

    ``secret`` is 32 bytes (LocalError ``bad-key`` if 0 or not below the order). Signatures are those of
    RFC 6979; with ``extra_entropy`` (32 bytes, or a function like ``os.urandom`` that is called for each
    signature) they are hedged by its section 3.6 against faults that make two signatures share a nonce.
    """

    def __init__(self, secret, extra_entropy=None):
        self._secret = secret_number(secret)
        self._entropy = extra_entropy
        mask = int.from_bytes(sha256(bytes(secret)), "big") % (N - 1) + 1
        x, y = total(_generator_streams(self._secret), mask)
        self.public_key = x.to_bytes(32, "big") + y.to_bytes(32, "big")
        self.address = _address((x, y))

    def __repr__(self):
        return "PrivateKey(address=0x" + "".join(["%02x" % byte for byte in self.address]) + ")"

    def sign(self, digest):
        """Return r || s || v (65 bytes, low s, v 27 or 28) for a 32-byte digest; LocalError ``bad-digest``."""
        require_digest(digest)
        z = int.from_bytes(digest, "big") % N
        for k, mask in nonces(self._secret, digest, fresh_entropy(self._entropy)):
            x, y = total(_generator_streams(k), mask)
            masked = (mask * z + x * (mask * self._secret % N)) % N
            s = inverse(k * mask % N, N) * masked % N
            # x >= N would need v 29 or 30, which no contract takes; the next nonce is as good.
            if x < N and s:
                return write(x, s, y & 1)


def _curve_point(x, odd):
    y = square_root((x * x * x + 7) % P)
    if y is None:
        return None
    return x, (y if y & 1 == odd else P - y)


def _recover_point(digest, r, s, odd):
    nonce_point = _curve_point(r, odd)
    if nonce_point is None:
        return None
    recip = inverse(r, N)
    z = int.from_bytes(digest, "big")
    return total(_generator_streams(-z * recip % N) + once_streams(nonce_point, s * recip % N))


def recover(digest, signature):
    """Return the 20-byte address whose key made a strict 65-byte signature over a digest, else None."""
    parts = parse(signature)
    if parts is None or len(digest) != 32:
        return None
    point = _recover_point(digest, *parts)
    return None if point is None else _address(point)


def verify(digest, signature, address):
    """Tell whether ``recover(digest, signature) == address``.

    The third and later checks of one address take half the time: keys that have signed correctly are
    remembered, up to ``KNOWN_KEYS`` of them, and get a table the second time they are seen.
    """
    parts = parse(signature)
    if parts is None or len(digest) != 32:
        return False
    for entry in _known:
        if entry[0] == address:
            return _verify_known(entry, digest, *parts)
    point = _recover_point(digest, *parts)
    if point is None or _address(point) != address:
        return False
    _known.append([bytes(address), point, None])
    if len(_known) > _room[0]:
        _known.pop(0)
    return True


def remember_keys(count):
    """Let ``verify`` remember at most ``count`` keys from now on: 0 for a board that checks few signatures."""
    _room[0] = count
    while len(_known) > count:
        _known.pop(0)


def _verify_known(entry, digest, r, s, odd):
    _known.remove(entry)
    _known.append(entry)
    if entry[2] is None:
        try:
            entry[2] = comb_tables(entry[1])[0]
        except MemoryError:
            # A heap too full or too torn for 2 KB in one piece: the answer is the same, it only takes longer.
            return _recover_point(digest, r, s, odd) == entry[1]
    recip = inverse(s, N)
    low, high = comb_digits(r * recip % N)
    streams = _generator_streams(int.from_bytes(digest, "big") * recip % N)
    point = total([(entry[2], low + high, 1)] + streams)
    # R itself, not only its x modulo N: the contract recovers from r and v, so both must fit.
    return point is not None and point[0] == r and point[1] & 1 == odd
