"""Kills the process groups that it was told about as soon as the program that told it has died.

A program of its own, started with one pipe: ``+<group>`` and ``-<group>`` lines come in, and the end of the
pipe means that the parent is gone, by whatever signal. Linux could do this with ``PR_SET_PDEATHSIG``, but that
one follows the starting *thread*, and exists nowhere else.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable


def serve(lines: Iterable[str]) -> None:
    """Read ``+group``/``-group`` lines until the pipe ends, then kill every group that is still listed."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        kill_group(group, signal.SIGKILL)


def kill_group(group: int, number: int) -> None:
    """Send a signal to a process group; a group that has already gone is what we wanted."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        # macOS answers EPERM for a group of which only unreaped processes are left.
        return


class Warden:
    """Our end of the pipe; one per program is enough. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[int] = set()
        self._process: subprocess.Popen[str] | None = None

    def adopt(self, group: int) -> None:
        """From now on ``group`` dies with us."""
        with self._lock:
            self._groups.add(group)
            self._tell("+", group)

    def release(self, group: int) -> None:
        """``group`` has ended; its number may belong to somebody else soon."""
        with self._lock:
            self._groups.discard(group)
            self._tell("-", group)

    def _tell(self, sign: str, group: int) -> None:
        if self._process is None or self._process.poll() is not None:
            self._start()
            return  # a new warden is told about every group when it starts
        self._write(f"{sign}{group}\n")

    def _start(self) -> None:
        # Its own session, so that Ctrl-C at the terminal reaches us first and only us.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        self._write("".join(f"+{group}\n" for group in sorted(self._groups)))

    def _write(self, text: str) -> None:
        pipe = self._process.stdin if self._process else None
        if pipe is None:
            return
        try:
            pipe.write(text)
            pipe.flush()
        except BrokenPipeError:
            self._process = None  # somebody killed it; the next call starts another one


WARDEN = Warden()

if __name__ == "__main__":
    serve(sys.stdin)
