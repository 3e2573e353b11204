"""Make crypto.json: hashes, keys and signatures from libraries that share no code with the pure backend.

Keccak from pycryptodome or pysha3 through eth-hash; addresses and signatures from eth-keys' own Python code,
from libsecp256k1 (coincurve) and from OpenSSL's deterministic ECDSA, which must agree with each other.

Run: python tests/vectors/make_crypto.py   (rewrites tests/vectors/crypto.json; a test checks it is up to date)
"""

import hashlib
import hmac
import json
from pathlib import Path

import coincurve
from coincurve._libsecp256k1 import ffi
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from eth_hash.auto import keccak
from eth_keys import KeyAPI
from eth_keys.backends import NativeECCBackend
from eth_keys.exceptions import BadSignature, ValidationError

N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
P = 2**256 - 2**32 - 977
NATIVE = KeyAPI(NativeECCBackend())
LENGTHS = [*range(301), 407, 408, 409, 543, 544, 545, 1024, 2047, 2048]


def message(length):
    """Return the message of a length: byte i is (7 * i + length) modulo 256."""
    return bytes((7 * i + length) & 255 for i in range(length))


def seeded(label):
    return hashlib.sha256(label.encode()).digest()


def b32(number):
    return number.to_bytes(32, "big")


def signature_of(secret, digest, entropy=None):
    """Return r || s || v of libsecp256k1, after the other libraries have given the same."""
    extra = ffi.NULL if entropy is None else ffi.new("unsigned char[32]", entropy)
    raw = coincurve.PrivateKey(secret).sign_recoverable(digest, hasher=None, custom_nonce=(ffi.NULL, extra))
    signature = raw[:64] + bytes([27 + raw[64]])
    if entropy is None:
        openssl = ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256K1())
        scheme = ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True)
        r, s = decode_dss_signature(openssl.sign(digest, scheme))
        assert signature[:64] == b32(r) + b32(min(s, N - s)), "OpenSSL differs"
        if int.from_bytes(digest, "big") < N:  # eth-keys does not reduce the digest before it makes the nonce
            native = NATIVE.ecdsa_sign(digest, NATIVE.PrivateKey(secret))
            assert native.vrs == (raw[64], int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big"))
    assert address_recovered(digest, signature) == address_of(secret)
    return signature


def address_of(secret):
    public = NATIVE.PrivateKey(secret).public_key
    assert public.to_bytes() == coincurve.PrivateKey(secret).public_key.format(compressed=False)[1:]
    return keccak(public.to_bytes())[12:]


def address_recovered(digest, signature):
    """Return the address both libraries recover, or None when both refuse; v must be 27 or 28."""
    raw = signature[:64] + bytes([signature[64] - 27])
    try:
        first = NATIVE.ecdsa_recover(digest, NATIVE.Signature(raw)).to_canonical_address()
    except (BadSignature, ValidationError):
        first = None
    try:
        public = coincurve.PublicKey.from_signature_and_message(raw, digest, hasher=None)
        second = keccak(public.format(compressed=False)[1:])[12:]
    except ValueError:
        second = None
    assert first == second, "eth-keys and libsecp256k1 differ"
    return first


def signing_cases():
    secrets = [b32(1), b32(2), b32(3), b32(N - 1), b32(N - 2), b32(N // 2), b32(2**255)]
    digests = [b32(0), b32(1), b32(N - 1), b32(N), b32(N + 1), b32(2**256 - 1), b32(2**255)]
    pairs = [(secret, digest) for secret in secrets for digest in digests]
    pairs += [(seeded(f"key {i}"), seeded(f"digest {i}")) for i in range(300)]
    for secret, digest in pairs:
        yield [part.hex() for part in (secret, digest, address_of(secret), signature_of(secret, digest))]


def hedged_cases():
    for i in range(16):
        secret, digest, entropy = seeded(f"key {i}"), seeded(f"digest {i}"), seeded(f"entropy {i}")
        yield [part.hex() for part in (secret, digest, entropy, signature_of(secret, digest, entropy))]


def x_of(k):
    return int.from_bytes(coincurve.PrivateKey(b32(k)).public_key.format()[1:], "big")


def crafted_cases():
    """Yield what a peer can build without a key: small multiples that meet in the middle of the additions."""
    for k in (1, 2, 3, N // 2, 2**22, 2**44, 2**88):
        for z, s in ((1, 1), (2, 1), (1, 2), (3, 4), (0, 1), (2**22, 3), (2**44, 2**22), (k, 1), (N - k, 1), (1, k)):
            for v in (27, 28):
                signature = b32(x_of(k)) + b32(min(s % N, N - s % N)) + bytes([v])
                found = address_recovered(b32(z), signature)
                yield [b32(z).hex(), signature.hex(), "" if found is None else found.hex()]


def refused_cases():
    secret, digest = seeded("key"), seeded("digest")
    good = signature_of(secret, digest)
    r, s, v = good[:32], int.from_bytes(good[32:64], "big"), good[64:]
    other = bytes([55 - v[0]])
    no_point = next(x for x in range(1, 99) if pow(x**3 + 7, (P - 1) // 2, P) != 1)
    refused = {
        "high s": r + b32(N - s) + other,
        "high s, same v": r + b32(N - s) + v,
        "s just above half": r + b32(N // 2 + 1) + v,
        "s = 0": r + b32(0) + v,
        "s = n": r + b32(N) + v,
        "s = 2^256-1": r + b32(2**256 - 1) + v,
        "r = 0": b32(0) + good[32:],
        "r = n": b32(N) + good[32:],
        "r = p": b32(P) + good[32:],
        "r = n + 1": b32(N + 1) + good[32:],
        "r = 2^256-1": b32(2**256 - 1) + good[32:],
        "r is no x of a point": b32(no_point) + good[32:],
        **{f"v = {bad}": good[:64] + bytes([bad]) for bad in (0, 1, 2, 26, 29, 30, 255)},
        "64 bytes": good[:64],
        "66 bytes": good + b"\x00",
        "1 byte": b"\x1b",
        "empty": b"",
    }
    return [[name, digest.hex(), signature.hex()] for name, signature in refused.items()]


def hmac_cases():
    for key_length in (0, 1, 20, 32, 63, 64, 65, 131):
        for length in (0, 1, 32, 55, 64, 200):
            mac = hmac.new(message(key_length), message(length), "sha256")
            yield [key_length, length, mac.hexdigest()]


def derived_cases():
    for i in range(4):
        for label in (b"perunika/1/member", b"perunika/1/payer", b"perunika/1/payee"):
            secret = hmac.new(seeded(f"seed {i}"), label + b"\x00", "sha256").digest()
            assert 0 < int.from_bytes(secret, "big") < N
            yield [seeded(f"seed {i}").hex(), label.decode(), secret.hex()]


def build():
    """Return all vectors as JSON values; bytes are hex without prefix."""
    return {
        "message": "byte i of a message is (7 * i + length) modulo 256",
        "keccak256: length, digest": [[length, keccak(message(length)).hex()] for length in LENGTHS],
        "sha256: length, digest": [[length, hashlib.sha256(message(length)).hexdigest()] for length in LENGTHS[::20]],
        "hmac_sha256: key length, length, mac": list(hmac_cases()),
        "derive: seed, label, secret": list(derived_cases()),
        "sign: secret, digest, address, signature": list(signing_cases()),
        "hedged: secret, digest, entropy, signature": list(hedged_cases()),
        "recover: digest, signature, address or empty": list(crafted_cases()),
        "refused: why, digest, signature": refused_cases(),
    }


def render():
    """Return the text of crypto.json: one case per line."""
    parts = []
    for name, value in build().items():
        if isinstance(value, list):
            text = "[\n  " + ",\n  ".join(json.dumps(case) for case in value) + "\n ]"
        else:
            text = json.dumps(value)
        parts.append(f" {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    Path(__file__).with_name("crypto.json").write_text(render())
