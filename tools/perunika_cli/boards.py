"""Simulated boards: the device's own program on real MicroPython, or on CPython where there is none."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import perunika_device
from perunika.errors import LocalError
from perunika_cli.stack.micropython import board_process

ADDRESSES_TIMEOUT_S = 60.0
# More than a board has: this is provisioning, here, from sources that a board gets precompiled.
ADDRESSES_HEAP_BYTES = 2**20
ROLES = ("member", "payer", "payee")


def _main_script() -> Path:
    return Path(next(iter(perunika_device.__path__))) / "main.py"


def _command(words: Sequence[str | Path], heap_bytes: int) -> tuple[list[str], dict[str, str]]:
    """Return argv and environment of a board's program; its process is ours to start."""
    process = board_process("board", _main_script(), words, Path(os.devnull), heap_bytes=heap_bytes)
    return process.argv, {**os.environ, **process.environment}


def read_addresses(path: Path) -> dict[str, str]:
    """Return role -> 0x-hex address of the board that ``path`` describes; its key is made when there is none.

    Raises LocalError with what the board has said.
    """
    argv, environment = _command([path, "--addresses"], ADDRESSES_HEAP_BYTES)
    try:
        done = subprocess.run(
            argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ADDRESSES_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LocalError(
            "device.runtime", f"the board's program does not run: {error}", "run `make install`"
        ) from error
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    said = json.loads(lines[-1]) if lines else {}
    if done.returncode == 0 and all(role in said for role in ROLES):
        return {role: str(said[role]) for role in ROLES}
    text = said.get("text") or done.stderr.strip() or "no addresses came"
    raise LocalError("device.board", f"the board says: {text}", str(said.get("hint", "")))


def become_board(words: Sequence[str | Path], heap_bytes: int) -> NoReturn:
    """Replace this process by the board's program, so that signals and the terminal are its own. Raises LocalError."""
    argv, environment = _command(words, heap_bytes)
    try:
        os.execve(argv[0], argv, environment)
    except OSError as error:
        raise LocalError("device.runtime", f"{argv[0]} does not run: {error}", "run `make install`") from error
