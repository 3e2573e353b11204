"""The demo as a user runs it: real processes, real MicroPython, and accounts that agree with the chain."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

SECONDS = 5
KEYS = {
    "devices", "ticks", "payments", "virtual_channels", "onchain_transactions", "gas_used", "paid_wei", "earned_wei",
    "fees_wei", "books_match_chain", "p50_ms", "p95_ms", "device_heap_peak_bytes",
}  # fmt: skip


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The last line of `perunika demo --json`."""
    keep = tmp_path_factory.mktemp("demo") / "run"
    command = [sys.executable, "-m", "perunika_cli.main", "demo", "--json", "--seconds", str(SECONDS), "--keep", keep]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    found["directory"] = keep
    return found


def test_the_last_line_has_every_promised_figure(result: dict[str, object]) -> None:
    assert set(result) >= KEYS


def test_books_match_the_chain_and_nothing_is_lost(result: dict[str, object]) -> None:
    assert result["books_match_chain"] is True
    assert result["paid_wei"] == result["earned_wei"]
    assert int(str(result["paid_wei"])) >= (1 + 2) * (SECONDS - 2) * 10**9  # a second and a reading, most seconds


def test_two_boards_paid_about_once_a_second(result: dict[str, object]) -> None:
    assert 2 * (SECONDS - 2) <= int(str(result["payments"])) <= 2 * (SECONDS + 3)
    assert result["virtual_channels"] == 2


def test_the_chain_was_touched_at_open_and_close_only(result: dict[str, object]) -> None:
    assert result["onchain_transactions"] == 4  # three opens, one transaction that closes all three


def test_the_gate_gave_bytes_for_money_only(result: dict[str, object]) -> None:
    assert int(str(result["gate_bytes_paid"])) > 0
    assert result["gate_status_unpaid"] == 402


def test_boards_ran_in_160_kib_of_heap(result: dict[str, object]) -> None:
    if result["device_runtime"] == "micropython":
        assert 0 < int(str(result["device_heap_peak_bytes"])) <= 160 * 1024


def test_no_secret_is_in_a_log(result: dict[str, object]) -> None:
    directory = Path(str(result["directory"]))
    secrets = [path.read_text().strip() for path in (directory / "keys").glob("*.password")]
    secrets += [path.read_text().strip() for path in (directory / "keys").glob("*.token")]
    assert len(secrets) == 6
    logs = "".join(path.read_text(errors="replace") for path in directory.rglob("*.log"))
    assert not [secret for secret in secrets if secret in logs]


def test_the_live_table_shows_money_flow_on_a_terminal() -> None:
    """The live view through a pseudo-terminal: it redraws in place and shows amounts that rise."""
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "perunika_cli.main", "demo", "--seconds", "4"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "110", "LINES": "40"}
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    shown = b""
    deadline_s = time.monotonic() + 180
    while process.poll() is None and time.monotonic() < deadline_s:
        if select.select([controller], [], [], 0.2)[0]:
            try:
                shown += os.read(controller, 65536)
            except OSError:
                break
    assert process.wait(10) == 0
    text = shown.decode(errors="replace")
    assert "\x1b[" in text and "exposure gwei" in text
    paid = [
        int(each)
        for each in re.findall(r"device1\W+shop's seconds\W+(\d+)\D", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text))
    ]
    assert paid and paid[-1] >= 3 and paid == sorted(paid)
    assert "chain and books agree" in text


@pytest.mark.parametrize("seconds", ["0", "-3", "99999"])
def test_impossible_seconds_are_refused_with_a_proposal(seconds: str) -> None:
    command = [sys.executable, "-m", "perunika_cli.main", "demo", "--seconds", seconds]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "--seconds" in done.stderr and "try" in done.stderr
