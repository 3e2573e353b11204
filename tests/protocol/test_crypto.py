"""Both crypto backends against vectors of other libraries, and against each other."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from perunika import crypto
from perunika.crypto import fast, keccak, pure
from perunika.errors import LocalError

ROOT = Path(__file__).resolve().parents[2]
MAKER = ROOT / "tests" / "vectors" / "make_crypto.py"
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
VECTORS = {name.split(":")[0]: cases for name, cases in json.loads(MAKER.with_name("crypto.json").read_text()).items()}
SIGNED = [[bytes.fromhex(part) for part in case] for case in VECTORS["sign"]]
digests = st.binary(min_size=32, max_size=32)
secrets = st.integers(1, N - 1).map(lambda number: number.to_bytes(32, "big"))


@pytest.fixture(params=[fast, pure], ids=["fast", "pure"])
def backend(request: pytest.FixtureRequest) -> ModuleType:
    return request.param


def message(length: int) -> bytes:
    return bytes((7 * i + length) & 255 for i in range(length))


def test_the_vectors_are_what_the_other_libraries_give_today() -> None:
    spec = importlib.util.spec_from_file_location("make_crypto", MAKER)
    assert spec is not None and spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    assert maker.render() == MAKER.with_name("crypto.json").read_text()


def test_keccak_of_every_vector(backend: ModuleType) -> None:
    for length, digest in VECTORS["keccak256"]:
        assert backend.keccak256(message(length)).hex() == digest, length


@pytest.mark.parametrize("word_bits", [16, 32])
def test_keccak_is_the_same_with_the_words_of_either_kind_of_board(word_bits: int) -> None:
    permutation = keccak.Permutation(word_bits)
    for length, digest in VECTORS["keccak256"]:
        assert keccak.keccak256(message(length), permutation).hex() == digest, length


def test_hashes_take_any_bytes_like_message(backend: ModuleType) -> None:
    for kind in (bytes, bytearray, memoryview):
        assert backend.keccak256(kind(b"perunika")) == fast.keccak256(b"perunika")
        assert crypto.sha256(kind(b"perunika")) == crypto.sha256(b"perunika")
        assert crypto.hmac_sha256(kind(b"key"), kind(b"perunika")) == crypto.hmac_sha256(b"key", b"perunika")


def test_sha256_hmac_and_derived_secrets_of_every_vector() -> None:
    for length, digest in VECTORS["sha256"]:
        assert crypto.sha256(message(length)).hex() == digest
    for key_length, length, mac in VECTORS["hmac_sha256"]:
        assert crypto.hmac_sha256(message(key_length), message(length)).hex() == mac
    for seed, label, secret in VECTORS["derive"]:
        assert crypto.derive_secret(bytes.fromhex(seed), label.encode()).hex() == secret


def test_addresses_and_signatures_of_every_vector(backend: ModuleType) -> None:
    for secret, digest, address, signature in SIGNED:
        key = backend.PrivateKey(secret)
        assert key.address == address
        assert crypto.address_of(key.public_key) == address
        assert key.sign(digest) == signature


def test_signed_digests_recover_and_verify(backend: ModuleType) -> None:
    for _, digest, address, signature in SIGNED:
        assert backend.recover(digest, signature) == address
        assert backend.verify(digest, signature, address)


def test_signing_is_hedged_by_extra_entropy(backend: ModuleType) -> None:
    for case in VECTORS["hedged"]:
        secret, digest, entropy, signature = map(bytes.fromhex, case)
        assert backend.PrivateKey(secret, entropy).sign(digest) == signature


def test_entropy_is_drawn_afresh_for_each_signature(backend: ModuleType) -> None:
    secret, digest, entropy, hedged = map(bytes.fromhex, VECTORS["hedged"][0])
    drawn = [entropy, entropy, bytes(32)]
    key = backend.PrivateKey(secret, lambda length: drawn.pop(0)[:length])
    assert [key.sign(digest) == hedged for _ in range(3)] == [True, True, False]
    assert drawn == []


def test_crafted_signatures_recover_what_other_libraries_recover(backend: ModuleType) -> None:
    for case in VECTORS["recover"]:
        digest, signature, address = map(bytes.fromhex, case)
        assert backend.recover(digest, signature) == (address or None), case


def test_a_signature_that_is_not_strict_is_none_and_never_an_error(backend: ModuleType) -> None:
    for why, digest_hex, signature_hex in VECTORS["refused"]:
        digest, signature = bytes.fromhex(digest_hex), bytes.fromhex(signature_hex)
        assert backend.recover(digest, signature) is None, why
        assert backend.verify(digest, signature, bytes(20)) is False, why


def test_verify_of_a_remembered_key_is_as_strict_as_of_a_new_one(backend: ModuleType) -> None:
    key = backend.PrivateKey(crypto.derive_secret(bytes(32), b"test"))
    good = [(crypto.sha256(bytes([i])), key.sign(crypto.sha256(bytes([i])))) for i in range(4)]
    for digest, signature in good:
        assert backend.verify(digest, signature, key.address)
    for digest, signature in good:
        r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
        other_s = (s ^ 1).to_bytes(32, "big")
        assert not backend.verify(digest, r + signature[32:64] + bytes([55 - v]), key.address), "other v"
        assert not backend.verify(digest, r + (N - s).to_bytes(32, "big") + bytes([55 - v]), key.address), "high s"
        assert not backend.verify(digest, r + other_s + bytes([v]), key.address), "other s"
        assert not backend.verify(crypto.sha256(digest), signature, key.address), "other digest"
        assert not backend.verify(digest, signature, bytes(20)), "other address"
        assert not backend.verify(digest[:31], signature, key.address), "short digest"
        assert backend.verify(digest, signature, key.address)


def test_pure_remembers_a_bounded_number_of_keys_and_forgets_the_oldest() -> None:
    digest = crypto.sha256(b"many payers")
    keys = [pure.PrivateKey(crypto.sha256(bytes([i]))) for i in range(pure.KNOWN_KEYS + 3)]
    for _ in range(3):
        for key in keys:
            assert pure.verify(digest, key.sign(digest), key.address)
    assert [entry[0] for entry in pure._known] == [key.address for key in keys[-pure.KNOWN_KEYS :]]


def test_pure_verifies_without_a_table_when_the_heap_has_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(point: tuple[int, int]) -> list[bytearray]:
        raise MemoryError

    key = pure.PrivateKey(crypto.sha256(b"small heap"))
    digest = crypto.sha256(b"tick")
    signature = key.sign(digest)
    assert pure.verify(digest, signature, key.address)
    monkeypatch.setattr(pure, "comb_tables", no_room)
    assert pure.verify(digest, signature, key.address)
    assert not pure.verify(crypto.sha256(digest), signature, key.address)
    monkeypatch.undo()
    assert pure.verify(digest, signature, key.address)


def test_pure_adds_points_that_are_equal_or_opposite() -> None:
    # A remembered key that is the generator itself: both combs hold the same points.
    for secret in (1, 2, 3, N - 1, N - 2):
        key = pure.PrivateKey(secret.to_bytes(32, "big"))
        for _ in range(3):
            for number in (0, 1, 2, N - 1, N, 2**256 - 1):
                digest = number.to_bytes(32, "big")
                assert pure.verify(digest, key.sign(digest), key.address)


BAD_SECRETS = [bytes(32), N.to_bytes(32, "big"), b"\xff" * 32, b"\x01" * 31, b"\x00" * 32 + b"\x01", b""]


@pytest.mark.parametrize("secret", BAD_SECRETS)
def test_a_bad_secret_is_the_callers_fault(backend: ModuleType, secret: bytes) -> None:
    with pytest.raises(LocalError, match="bad-key") as caught:
        backend.PrivateKey(secret)
    assert caught.value.code == "bad-key"


def test_bad_digests_entropy_keys_and_seeds_are_the_callers_fault(backend: ModuleType) -> None:
    key = backend.PrivateKey(b"\x01" * 32)
    with pytest.raises(LocalError, match="bad-digest"):
        key.sign(bytes(31))
    with pytest.raises(LocalError, match="bad-entropy"):
        backend.PrivateKey(b"\x01" * 32, bytes(16)).sign(bytes(32))
    with pytest.raises(LocalError, match="bad-key"):
        crypto.address_of(b"\x04" + key.public_key)
    with pytest.raises(LocalError, match="bad-seed"):
        crypto.derive_secret(bytes(31), b"label")


def test_a_key_shows_its_address_and_not_its_secret(backend: ModuleType) -> None:
    secret = crypto.sha256(b"not for logs")
    key = backend.PrivateKey(secret)
    assert repr(key) == str(key) == f"PrivateKey(address=0x{key.address.hex()})"
    assert secret.hex() not in repr(key)


@settings(max_examples=60, deadline=None)
@given(secrets, digests, st.none() | digests)
@example(b"\x00" * 31 + b"\x01", b"\xff" * 32, None)
def test_the_backends_sign_the_same_bytes(secret: bytes, digest: bytes, entropy: bytes | None) -> None:
    slow, quick = pure.PrivateKey(secret, entropy), fast.PrivateKey(secret, entropy)
    assert (slow.address, slow.public_key, slow.sign(digest)) == (quick.address, quick.public_key, quick.sign(digest))


@settings(max_examples=150, deadline=None)
@given(digests, st.binary(min_size=63, max_size=64), st.sampled_from((0, 1, 26, 27, 28, 29)))
def test_the_backends_recover_the_same_from_any_bytes(digest: bytes, body: bytes, v: int) -> None:
    signature = body[:32] + bytes([body[32] & 0x7F]) + body[33:] + bytes([v])
    assert pure.recover(digest, signature) == fast.recover(digest, signature)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=500))
def test_the_backends_hash_the_same(text: bytes) -> None:
    assert pure.keccak256(text) == fast.keccak256(text)


@pytest.mark.parametrize(("wish", "backend_name"), [("pure", "pure"), ("", "coincurve")])
def test_the_environment_chooses_the_backend(wish: str, backend_name: str) -> None:
    program = "from perunika import crypto; print(crypto.BACKEND, crypto.PrivateKey.__module__)"
    environment = {"PYTHONPATH": str(ROOT / "protocol"), "PERUNIKA_CRYPTO": wish}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    module = {"pure": "perunika.crypto.pure", "coincurve": "perunika.crypto.fast"}[backend_name]
    assert done.stdout.split() == [backend_name, module]
