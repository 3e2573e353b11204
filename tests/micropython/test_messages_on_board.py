"""Messages and signed structs on real MicroPython with the heap of a board: the same bytes, content and signatures."""

import json
import random
import subprocess
from pathlib import Path

import cbor2

from perunika.errors import PeerError
from perunika.messages import decode
from tests.micropython.run_vectors_messages import content, run
from tests.support.board import board_command, board_environment

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "micropython" / "run_vectors_messages.py"
VECTORS = ROOT / "tests" / "vectors"
HEAP = "160k"


def messages() -> list[str]:
    return [case["hex"] for case in json.loads((VECTORS / "messages.json").read_text())["cases"]]


def message_lines() -> list[str]:
    return [f"M {raw} {content(decode(bytes.fromhex(raw)))}" for raw in messages()]


def packed(fields: dict[str, str]) -> str:
    """Return the fields of an EIP-712 case as the CBOR array of perunika's structs, written by cbor2."""
    items = [bytes.fromhex(item[2:]) if item.startswith("0x") else int(item) for item in fields.values()]
    return cbor2.dumps(items, canonical=True).hex()


def struct_lines() -> list[str]:
    vectors = json.loads((VECTORS / "eip712.json").read_text())
    domain = vectors["domain"]
    lines = [f"D {domain['chainId']} {domain['contract'][2:]} {vectors['secret'][2:]}"]
    for case in vectors["cases"]:
        lines.append(f"E {case['type']} {packed(case['fields'])} {case['digest'][2:]} {case['signature'][2:]}")
    return lines


def broken_lines(count: int) -> list[str]:
    """Return ``count`` damaged messages and what CPython says of each: cut, lengthened, one bit or byte changed."""
    source = random.Random(20260202)
    whole = [bytes.fromhex(raw) for raw in messages()]
    lines = []
    for index in range(count):
        raw = bytearray(source.choice(whole))
        at = source.randrange(min(len(raw), 24) if index % 2 else len(raw))
        if index % 5 == 0:
            raw = raw[:at]
        elif index % 5 == 1:
            raw += source.randbytes(3)
        elif index % 5 == 2:
            raw[at] ^= 1 << source.randrange(8)
        else:
            raw[at] = source.randrange(256)
        lines.append(f"B {raw.hex() or '-'} {verdict(bytes(raw))}")
    return lines


def verdict(raw: bytes) -> str:
    try:
        decode(raw)
    except PeerError as error:
        return error.code
    return "accepted"


def run_on_board(path: Path) -> list[str]:
    command = [*board_command(PROGRAM, heap=HEAP), str(path)]
    done = subprocess.run(command, env=board_environment(), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout.splitlines()


def both(tmp_path: Path, lines: list[str], capsys) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("\n".join(lines) + "\n")
    wanted = [f"lines {sum(not line.startswith('D') for line in lines)} failed 0"]
    assert run_on_board(path) == wanted
    run(str(path))
    assert capsys.readouterr().out.splitlines() == wanted


def test_every_message_is_read_and_written_alike(tmp_path: Path, capsys) -> None:
    both(tmp_path, message_lines(), capsys)


def test_every_signed_struct_has_the_same_digest_and_signature(tmp_path: Path, capsys) -> None:
    lines = struct_lines()
    assert len({line.split()[1] for line in lines if line.startswith("E")}) == 19
    both(tmp_path, lines, capsys)


def test_damaged_messages_are_refused_alike_and_end_nothing(tmp_path: Path, capsys) -> None:
    lines = broken_lines(400)
    assert len({line.split()[2] for line in lines}) > 8
    both(tmp_path, lines, capsys)


def test_a_wrong_vector_is_seen(tmp_path: Path) -> None:
    line = message_lines()[0]
    (tmp_path / "vectors.txt").write_text(line[:-1] + ("0" if line[-1] != "0" else "1") + "\n")
    assert run_on_board(tmp_path / "vectors.txt")[-1] == "lines 1 failed 1"
