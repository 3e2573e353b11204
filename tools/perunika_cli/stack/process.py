"""One program of the stack: started with a log, waited for, stopped with everything that it started."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from perunika.errors import LocalError
from perunika_cli.stack.warden import WARDEN, kill_group

POLL_S = 0.02


class Process:
    """A program in a session of its own; nothing of it outlives us, not even when we are killed with -9.

    ``argv[0]`` is a path or a name on PATH. Output of both kinds is appended to ``log_path`` (mode 0600).
    ``environment`` is added to ours. Use as a context manager, or call ``start`` and ``stop``.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        log_path: Path,
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        stop_timeout_s: float = 5.0,
    ) -> None:
        self.name = name
        self.argv = [str(part) for part in argv]
        self.log_path = log_path
        self.environment = dict(environment or {})
        self.directory = directory
        self.stop_timeout_s = stop_timeout_s
        self._popen: subprocess.Popen[bytes] | None = None
        self._returncode: int | None = None
        self._log_start = 0

    def start(self) -> None:
        """Start it; returns as soon as it runs, see ``wait_for_line``.

        Raises ``LocalError`` when it already runs, or when the program is missing or not executable.
        """
        if self.running:
            raise LocalError("stack.running", f"{self.name} is already running")
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with open(descriptor, "ab") as log:
            self._log_start = os.fstat(log.fileno()).st_size
            self._popen = self._spawn(log.fileno())
        self._returncode = None
        WARDEN.adopt(self._popen.pid)

    def _spawn(self, log_descriptor: int) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log_descriptor,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        except OSError as error:
            raise LocalError("stack.not-started", f"{self.name} cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        """Its process id, which is also its process group. Raises ``LocalError`` before the first start."""
        if self._popen is None:
            raise LocalError("stack.not-started", f"{self.name} was never started")
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether the program itself is alive (a paused one is)."""
        if self._popen is None:
            return False
        if self._returncode is None and self._popen.poll() is not None:
            self._bury()
        return self._returncode is None

    @property
    def returncode(self) -> int | None:
        """Exit status; ``None`` while it runs, negative for the signal that ended it."""
        return None if self.running else self._returncode

    def wait(self, timeout_s: float) -> int:
        """Return the exit status. Raises ``LocalError`` when it still runs after ``timeout_s`` seconds."""
        if self._popen is None:
            raise LocalError("stack.not-started", f"{self.name} was never started")
        try:
            self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise LocalError("stack.timeout", f"{self.name} did not end within {timeout_s:g} s") from error
        self._bury()
        return self._popen.returncode

    def wait_for_line(self, pattern: str, timeout_s: float) -> re.Match[str]:
        """Return the first match of ``pattern`` in what was written since the start.

        Raises ``LocalError`` with the end of the log when the program ends or stays silent.
        """
        expression = re.compile(pattern, re.MULTILINE)
        deadline_s = time.monotonic() + timeout_s
        while True:
            ended = not self.running  # asked before reading, so that last words are not missed
            match = expression.search(self.output())
            if match:
                return match
            if ended:
                raise self._failure(f"ended with status {self._returncode} before it was ready")
            if time.monotonic() > deadline_s:
                raise self._failure(f"was not ready within {timeout_s:g} s")
            time.sleep(POLL_S)

    def _failure(self, what: str) -> LocalError:
        tail = self.output().strip().splitlines()[-8:]
        return LocalError("stack.not-ready", f"{self.name} {what}", "its log ends: " + " | ".join(tail))

    def output(self) -> str:
        """What the program has written since its last start."""
        with open(self.log_path, "rb") as log:
            log.seek(self._log_start)
            return log.read().decode("utf-8", "replace")

    def signal(self, number: int) -> None:
        """Send a signal to the program and all that it started; nothing happens when it has ended."""
        if self.running:
            kill_group(self.pid, number)

    def pause(self) -> None:
        """Freeze it: connections stay open, nobody answers."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo ``pause``."""
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the whole tree at once, without a chance to save anything."""
        self.signal(signal.SIGKILL)
        if self._popen is not None and self._returncode is None:
            self._popen.wait()
            self._bury()

    def stop(self) -> None:
        """Ask it to end, insist after ``stop_timeout_s`` seconds; afterwards nothing of its tree is left."""
        self.signal(signal.SIGTERM)
        self.resume()  # a paused program does not see SIGTERM
        if self.running and self._popen is not None:
            try:
                self._popen.wait(self.stop_timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
        if self.running:
            self.kill()

    def _bury(self) -> None:
        if self._popen is None or self._returncode is not None:
            return
        # Its children may have outlived it, and are still in its group.
        kill_group(self._popen.pid, signal.SIGKILL)
        WARDEN.release(self._popen.pid)
        self._returncode = self._popen.returncode

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
