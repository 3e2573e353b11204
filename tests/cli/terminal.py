"""A pseudo-terminal: runs a line as a person would see it, and cuts what it draws into frames."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from collections.abc import Callable

from tests.cli.shell import Shell

ENTER_SCREEN, LEAVE_SCREEN, SHOW_CURSOR = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h"
HOME = "\x1b[H"
_CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Terminal:
    """One line running in a window of ``columns`` by ``rows``; ``raw`` is all it has written."""

    def __init__(self, shell: Shell, line: str, columns: int, rows: int) -> None:
        self.raw = ""
        self.pid, self._window = pty.fork()
        if self.pid == 0:
            os.chdir(shell.directory)
            os.execvpe("sh", ["sh", "-c", "exec " + line], {**shell.environment, "TERM": "xterm-256color"})
        self.resize(columns, rows)

    def resize(self, columns: int, rows: int) -> None:
        """Give the window another size, as dragging its corner does."""
        fcntl.ioctl(self._window, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: str) -> None:
        os.write(self._window, keys.encode())

    def read_until(self, condition: Callable[[], bool], timeout_s: float) -> None:
        """Read on until ``condition`` holds or the program ends; fails with what was drawn after ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"the terminal shows:\n{self.frames()[-1:]}\nof {self.raw[-3000:]!r}"
            ready, _, _ = select.select([self._window], [], [], 0.1)
            if ready and not self._read():
                return

    def _read(self) -> bool:
        try:
            fresh = os.read(self._window, 65536)
        except OSError:  # Linux: the other end is closed
            return False
        self.raw += fresh.decode("utf-8", "replace")
        return bool(fresh)

    def frames(self) -> list[list[str]]:
        """Return every picture drawn so far, as lines without colours."""
        return [[_CODE.sub("", line).rstrip() for line in frame.split("\n")] for frame in self.raw.split(HOME)[1:]]

    def status(self) -> int:
        """Read to the end and return the exit status."""
        while self._read():
            continue
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
