"""A user's shell in a directory: lines are run as typed, with the `perunika` of this checkout on PATH."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from perunika_cli.stack.process import Process

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [str(ROOT / name) for name in ("protocol", "device", "gateway", "hub", "tools")]
PROGRAM = f"""#!{sys.executable}
import sys
from perunika_cli.main import main
sys.exit(main())
"""


class Shell:
    """Runs lines in ``directory``; ``environment`` is what lines may refer to with $."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        programs = directory / ".bin"
        programs.mkdir()
        (programs / "perunika").write_text(PROGRAM)
        (programs / "perunika").chmod(0o755)
        path = os.pathsep.join([str(programs), os.environ["PATH"]])
        self.environment = {
            "PATH": path,
            "PYTHONPATH": os.pathsep.join(SOURCES),
            "HOME": str(directory),
            "LANG": "C.UTF-8",
        }
        self._count = 0

    def run(self, line: str, timeout_s: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run a line to its end."""
        return subprocess.run(
            ["sh", "-c", line], cwd=self.directory, env=self.environment, capture_output=True, text=True,
            timeout=timeout_s, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def good(self, line: str, timeout_s: float = 60) -> str:
        """Run a line that must end well; return what it printed."""
        done = self.run(line, timeout_s)
        assert done.returncode == 0, f"{line}\nstatus {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, line: str, timeout_s: float = 60) -> Any:
        """Run a line with --json that must end well; return its document."""
        return json.loads(self.good(line + " --json", timeout_s))

    def start(self, line: str) -> Process:
        """Start a line that does not end by itself."""
        self._count += 1
        log = self.directory / ".logs" / f"{self._count}.log"
        process = Process(line, ["sh", "-c", line], log, environment=self.environment, directory=self.directory)
        process.start()
        return process
