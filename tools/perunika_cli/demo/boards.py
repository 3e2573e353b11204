"""The demo's boards: real MicroPython processes whose console lines the demo reads while they run."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import perunika_device
from perunika.errors import LocalError
from perunika_cli.stack.micropython import board_process, find_interpreter
from perunika_cli.stack.process import Process

MAIN = Path(perunika_device.__file__).with_name("main.py")
HEAP_BYTES = 160 * 1024
ADDRESSES_S = 20.0


def board_addresses(directory: Path, name: str) -> dict[str, bytes]:
    """Let a board make its own key and return its addresses: ``member``, ``payer``, ``payee``.

    The key never leaves the board's directory; a board without configuration prints only addresses.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = directory / "keys-only.json"
    config.write_text(json.dumps({"keys": {"directory": "keys"}}))
    with board_process(name, MAIN, [config, "--addresses"], directory / "addresses.log") as process:
        status = process.wait(ADDRESSES_S)
        lines = [line for line in process.output().splitlines() if line.startswith("{")]
    if status or not lines:
        raise LocalError("demo.board", f"{name} printed no addresses", f"see {directory / 'addresses.log'}")
    found = json.loads(lines[-1])
    return {role: bytes.fromhex(found[role].removeprefix("0x")) for role in ("member", "payer", "payee")}


class Board:
    """One running board; ``figures`` sums up what its console has said so far."""

    def __init__(self, directory: Path, name: str, config: dict[str, Any], seconds: int | None = None) -> None:
        self.name = name
        self.interpreter = find_interpreter()
        self.log_path = directory / "board.log"
        path = directory / "board.json"
        path.write_text(json.dumps(config, indent=1))
        path.chmod(0o600)
        arguments: list[str | Path] = [path, "--log", "json"]
        if seconds is not None and "payer" in config:
            arguments += ["--seconds", str(seconds), "--stay"]
        self.process: Process = board_process(
            name, MAIN, arguments, self.log_path, heap_bytes=HEAP_BYTES, interpreter=self.interpreter
        )
        self._read_bytes = 0
        self.events: list[dict[str, Any]] = []
        self.seen_s = 0.0

    def __enter__(self) -> Self:
        self.process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.stop()

    def read(self) -> None:
        """Take over the lines that the board has written since the last time."""
        with open(self.log_path, "rb") as file:
            file.seek(self._read_bytes)
            fresh = file.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        for line in whole.splitlines():
            event = _event(line)
            if event is not None:
                self.events.append(event)
                self.seen_s = time.time()

    def of(self, kind: str) -> Iterator[dict[str, Any]]:
        """Yield the events called ``kind``, in order."""
        return (event for event in self.events if event["event"] == kind)

    def last(self, kind: str, field: str, default: int = 0) -> int:
        """Return ``field`` of the newest event ``kind``."""
        value = default
        for event in self.of(kind):
            value = event.get(field, value)
        return int(value)

    @property
    def latencies_ms(self) -> list[float]:
        """Return the time from voucher sent to acknowledged, per payment, as measured on the board."""
        return [float(event["ms"]) for event in self.of("acknowledged") if event.get("ms") is not None]

    @property
    def heap_peak_bytes(self) -> int:
        """Return the largest heap that the board has reported."""
        return max((int(event.get("heap_peak_bytes", 0)) for event in self.events), default=0)


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "event" in found else None
