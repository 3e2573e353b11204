"""A program of the stack ends with everything it started: when asked, when it will not, and when we are killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from perunika.errors import LocalError
from perunika_cli.stack.process import Process
from tests.stack.mqtt_client import wait_until

# Starts a child that would live for a minute, tells both process ids, and ignores SIGTERM if told so.
FAMILY = """
import signal, subprocess, sys, time
if sys.argv[1:] == ["stubborn"]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("child", child.pid, flush=True)
print("ready", flush=True)
if sys.argv[1:] == ["leaves"]:
    sys.exit(3)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text() if Path("/proc/self/stat").exists() else ""
        os.kill(pid, 0)
    except (ProcessLookupError, FileNotFoundError):
        return False
    return ") Z" not in status  # a zombie runs no more


def family(tmp_path: Path, *arguments: str, stop_timeout_s: float = 5.0) -> tuple[Process, int]:
    script = tmp_path / "family.py"
    script.write_text(FAMILY)
    process = Process(
        "family", [sys.executable, script, *arguments], tmp_path / "family.log", stop_timeout_s=stop_timeout_s
    )
    process.start()
    child_pid = int(process.wait_for_line(r"child (\d+)", 10)[1])
    return process, child_pid


def test_stop_ends_the_program_and_its_children(tmp_path: Path) -> None:
    process, child_pid = family(tmp_path)
    assert alive(child_pid)
    process.stop()
    assert process.returncode == -signal.SIGTERM
    wait_until(lambda: not alive(child_pid))


def test_stop_insists_when_the_program_ignores_it(tmp_path: Path) -> None:
    process, child_pid = family(tmp_path, "stubborn", stop_timeout_s=0.3)
    process.stop()
    assert process.returncode == -signal.SIGKILL
    wait_until(lambda: not alive(child_pid))


def test_children_that_outlive_their_program_are_ended_too(tmp_path: Path) -> None:
    process, child_pid = family(tmp_path, "leaves")
    assert process.wait(5) == 3
    wait_until(lambda: not alive(child_pid))


def test_a_paused_program_can_still_be_stopped(tmp_path: Path) -> None:
    process, _ = family(tmp_path)
    process.pause()
    wait_until(lambda: ") T" in Path(f"/proc/{process.pid}/stat").read_text())
    assert process.running
    process.stop()
    assert process.returncode == -signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_when_we_ourselves_are_killed(tmp_path: Path, number: int) -> None:
    (tmp_path / "family.py").write_text(FAMILY)
    starter = (
        "import sys, time; from pathlib import Path; from perunika_cli.stack.process import Process\n"
        f"p = Process('family', [sys.executable, {str(tmp_path / 'family.py')!r}], Path({str(tmp_path / 'log')!r}))\n"
        "p.start(); print(p.pid, p.wait_for_line(r'child (\\d+)', 10)[1], flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True) as ours:
        assert ours.stdout is not None
        pids = [int(word) for word in ours.stdout.readline().split()]
        assert len(pids) == 2
        assert all(alive(pid) for pid in pids)
        ours.send_signal(number)
        ours.wait(5)
    wait_until(lambda: not any(alive(pid) for pid in pids))


def test_an_early_end_is_reported_with_the_last_words(tmp_path: Path) -> None:
    process = Process("mayfly", [sys.executable, "-c", "print('no such key'); exit(4)"], tmp_path / "log")
    process.start()
    with pytest.raises(LocalError, match=r"mayfly ended with status 4 .*no such key"):
        process.wait_for_line("ready", 10)


def test_silence_is_reported_after_the_time_that_was_given(tmp_path: Path) -> None:
    with Process("mute", [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log") as process:
        started_s = time.monotonic()
        with pytest.raises(LocalError, match=r"not ready within 0\.3 s"):
            process.wait_for_line("ready", 0.3)
        assert time.monotonic() - started_s >= 0.3


def test_a_second_start_hears_only_the_second_run(tmp_path: Path) -> None:
    process = Process("clock", [sys.executable, "-c", "import time; print('at', time.time_ns())"], tmp_path / "log")
    moments = []
    for _ in range(2):
        process.start()
        moments.append(process.wait_for_line(r"at (\d+)", 10)[1])
        process.wait(5)
    assert moments[0] != moments[1]
    assert all(moment in (tmp_path / "log").read_text() for moment in moments)


def test_a_missing_program_is_our_own_fault(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"stack\.not-started: ghost"):
        Process("ghost", [tmp_path / "ghost"], tmp_path / "log").start()
