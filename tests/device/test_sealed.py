"""The seed at rest: opens with the right PIN only, on both runtimes, and is never silently made anew."""

import hashlib
import hmac
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perunika.errors import LocalError
from perunika_device.pbkdf2 import pbkdf2_sha256
from perunika_device.sealed import MAX_ITERATIONS, MIN_ITERATIONS, load_or_create_seed, open_sealed, seal
from tests.support.board import RUNTIMES, run_board

SECRET = bytes(range(32))
SALT = bytes(range(100, 132))
PIN = b"493817"
SEALED = seal(SECRET, PIN, SALT, MIN_ITERATIONS)


def refusal_code(blob: bytes, passphrase: bytes = PIN, salt: bytes = SALT) -> str:
    with pytest.raises(LocalError) as refusal:
        open_sealed(blob, passphrase, salt)
    return str(refusal.value.code)


def test_what_is_sealed_opens_with_the_same_pin_and_salt() -> None:
    assert open_sealed(SEALED, PIN, SALT) == SECRET


def test_the_secret_does_not_show_and_no_two_blobs_are_equal() -> None:
    assert SECRET[:16] not in SEALED
    assert SECRET[16:] not in SEALED
    assert seal(SECRET, PIN, SALT, MIN_ITERATIONS) != SEALED


@pytest.mark.parametrize("passphrase", [b"493818", b"49381", b"4938170", b"x", b"4" * 200])
def test_a_wrong_pin_is_refused(passphrase: bytes) -> None:
    assert refusal_code(SEALED, passphrase) == "sealed"


def test_an_empty_pin_or_a_wrong_salt_is_refused() -> None:
    assert refusal_code(SEALED, b"") == "sealed"
    assert refusal_code(SEALED, PIN, SALT[:-1] + b"\x00") == "sealed"
    assert refusal_code(SEALED, PIN, SALT[:-1]) == "sealed"


@pytest.mark.parametrize("at", range(len(SEALED)))
def test_every_changed_byte_is_noticed(at: int) -> None:
    # The lowest bit: of the iteration count it gives a neighbour within the range, so the MAC has to notice.
    assert refusal_code(SEALED[:at] + bytes([SEALED[at] ^ 1]) + SEALED[at + 1 :]) == "sealed"


def test_every_truncation_and_extension_is_refused() -> None:
    for length in range(len(SEALED)):
        assert refusal_code(SEALED[:length]) == "sealed"
    assert refusal_code(SEALED + b"\x00") == "sealed"


@pytest.mark.parametrize("iterations", [0, MIN_ITERATIONS - 1, MAX_ITERATIONS + 1, 2**32 - 1])
def test_an_iteration_count_out_of_range_is_refused_without_running_it(iterations: int) -> None:
    assert refusal_code(SEALED[:1] + iterations.to_bytes(4, "big") + SEALED[5:]) == "sealed"
    with pytest.raises(LocalError):
        seal(SECRET, PIN, SALT, iterations)


@settings(max_examples=40, deadline=None)
@given(
    passphrase=st.binary(min_size=1, max_size=130), salt=st.binary(min_size=32, max_size=32), count=st.integers(1, 9)
)
def test_the_kdf_is_pbkdf2(passphrase: bytes, salt: bytes, count: int) -> None:
    assert pbkdf2_sha256(passphrase, salt, count) == hashlib.pbkdf2_hmac("sha256", passphrase, salt, count)


def test_the_blob_is_as_documented() -> None:
    """Sealed by hand with other libraries from the layout alone, then opened."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    master = hashlib.pbkdf2_hmac("sha256", PIN, SALT, 1234)
    cipher_key, mac_key = (hmac.digest(master, b"perunika/1/seal/" + end, "sha256") for end in (b"cipher", b"mac"))
    iv = bytes(range(16))
    encryptor = Cipher(algorithms.AES(cipher_key), modes.CBC(iv)).encryptor()
    body = b"\x01" + (1234).to_bytes(4, "big") + iv + encryptor.update(SECRET) + encryptor.finalize()
    assert open_sealed(body + hmac.digest(mac_key, SALT + body, "sha256"), PIN, SALT) == SECRET


# The files


def test_a_seed_is_created_once(tmp_path: Path) -> None:
    seed, created = load_or_create_seed(str(tmp_path), PIN)
    assert created and len(seed) == 32
    assert load_or_create_seed(str(tmp_path), PIN) == (seed, False)
    assert seed not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_a_wrong_pin_changes_nothing(tmp_path: Path) -> None:
    seed, _ = load_or_create_seed(str(tmp_path), PIN)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(LocalError):
        load_or_create_seed(str(tmp_path), b"0000")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert load_or_create_seed(str(tmp_path), PIN) == (seed, False)


def test_a_lost_salt_is_an_error_and_no_new_seed(tmp_path: Path) -> None:
    load_or_create_seed(str(tmp_path), PIN)
    (tmp_path / "seed.salt").unlink()
    with pytest.raises(LocalError) as refusal:
        load_or_create_seed(str(tmp_path), PIN)
    assert refusal.value.code == "seed-salt"
    assert [path.name for path in tmp_path.iterdir()] == ["seed.sealed"]


def test_a_power_cut_between_salt_and_seed_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "seed.salt").write_bytes(SALT)
    seed, created = load_or_create_seed(str(tmp_path), PIN)
    assert created
    assert load_or_create_seed(str(tmp_path), PIN) == (seed, False)


@pytest.mark.parametrize(
    "random_bytes", [bytes, lambda count: bytes([0xFF]) * count, lambda count: b"\x01" * (count - 1)]
)
def test_random_numbers_that_are_none_make_no_seed(tmp_path: Path, random_bytes: object) -> None:
    with pytest.raises(LocalError) as refusal:
        load_or_create_seed(str(tmp_path), PIN, random_bytes)
    assert refusal.value.code == "seed-random"
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_named_as_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LocalError) as refusal:
        load_or_create_seed(str(tmp_path / "file"), PIN)
    assert refusal.value.code == "seed-disk"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_board_and_host_open_each_others_seeds(tmp_path: Path, runtime: str) -> None:
    setup = {"blob": SEALED.hex(), "salt": SALT.hex(), "passphrase": PIN.decode(), "directory": str(tmp_path)}
    program = Path(__file__).with_name("board") / "sealed_board.py"
    report = run_board(program, setup, runtime)
    assert report["secret"] == SECRET.hex()
    assert report["wrong"] == "sealed"
    assert open_sealed(bytes.fromhex(report["sealed"]), PIN, SALT) == SECRET
    assert report["derived"] == hashlib.pbkdf2_hmac("sha256", PIN, SALT, 2000).hex()
    assert report["same"] and report["created"] == [True, False]
    assert load_or_create_seed(str(tmp_path), PIN) == (bytes.fromhex(report["seed"]), False)
