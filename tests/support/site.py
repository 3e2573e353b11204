"""Boards of a test: real MicroPython programs with their own keys, configuration and store, on one broker."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from perunika.structs import BasicParams
from perunika_cli.stack.broker import Broker
from perunika_cli.stack.micropython import BOARD_HEAP_BYTES, Interpreter, board_process, find_interpreter
from tests.support.board import ROOT
from tests.support.cast import DEPOSIT_WEI, DOMAIN, FEES, SITE, TOTAL_WEI, Cast, key

MAIN = ROOT / "device" / "perunika_device" / "main.py"


def hexed(octets: bytes) -> str:
    return "0x" + octets.hex()


def params_json(params: BasicParams) -> dict[str, Any]:
    """Return what a board's file says of a basic channel beside member and hub."""
    return {
        "owner": hexed(params.alice_owner), "hub_owner": hexed(params.bob_owner), "asset": hexed(params.asset),
        "challenge_duration_s": params.challenge_duration, "open_before": params.open_before,
        "salt": hexed(params.salt),
    }  # fmt: skip


class Board:
    """A board in ``directory``: its JSON file, its keys, and the program that runs it."""

    def __init__(
        self, directory: Path, runtime: str = "micropython", heap_bytes: int = BOARD_HEAP_BYTES, pin: str = "123456"
    ) -> None:
        self.directory = directory
        self.runtime = runtime
        self.heap_bytes = heap_bytes
        self.path = directory / "device.json"
        directory.mkdir(parents=True)
        self.settings: dict[str, Any] = {"keys": {"directory": "keys", "pin": pin}, "store": {"directory": "state"}}
        self.write()
        addresses = json.loads(self.run("--addresses").stdout.splitlines()[-1])
        self.addresses = {role: bytes.fromhex(text[2:]) for role, text in addresses.items()}

    def write(self) -> None:
        self.path.write_text(json.dumps(self.settings))

    def command(self, *words: str) -> tuple[list[str], dict[str, str]]:
        """Return argv and environment, as ``perunika device run`` uses them."""
        chosen = find_interpreter() if self.runtime == "micropython" else Interpreter("cpython", Path(sys.executable))
        process = board_process(
            "board", MAIN, [self.path, *words], Path(os.devnull), heap_bytes=self.heap_bytes, interpreter=chosen
        )
        return process.argv, {**os.environ, **process.environment}

    def run(self, *words: str, timeout_s: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run the program to its end."""
        argv, environment = self.command(*words)
        return subprocess.run(
            argv, env=environment, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL
        )

    def configure(self, broker: Broker, device: str, **roles: Any) -> None:
        self.settings |= {
            "site": SITE,
            "broker": {
                "host": "127.0.0.1", "port": broker.site_port, "ca": str(broker.ca_der), "name": "localhost",
                "user": device, "password": broker.password_path("site", device).read_text(), "keepalive_s": 4,
            },
            "chain": {"id": DOMAIN.chain_id, "contract": hexed(DOMAIN.contract)},
            "hub": hexed(key("hub").address),
            "gateway": hexed(key("shop").address),
            **roles,
        }  # fmt: skip
        self.write()

    def start(self, *words: str) -> "Running":
        return Running(*self.command("--log", "json", "--commands", *words))


class Running:
    """A board that runs; its events are read by a thread."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.events: list[dict[str, Any]] = []
        self._fresh: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.noise: list[str] = []
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, bufsize=1,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                event = json.loads(line)
                self.events.append(event)
                self._fresh.put(event)
            else:
                self.noise.append(line)
        self._fresh.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """Kill -9, as a power failure."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()

    def say(self, word: str) -> None:
        """Send a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def expect(
        self, event: str, timeout_s: float = 30, where: Callable[[dict[str, Any]], bool] = lambda event: True
    ) -> dict[str, Any]:
        """Return the next event of this name that fits; what came before is passed over."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                found = self._fresh.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {event!r} within {timeout_s} s: {self.report()}") from None
            if found is None:
                raise AssertionError(f"the board ended without {event!r}: {self.report()}")
            if found["event"] == event and where(found):
                return found

    def report(self) -> str:
        return "\n".join([*(json.dumps(event) for event in self.events[-25:]), *self.noise])

    def end(self, timeout_s: float = 30) -> int:
        """Return the exit status when it ends by itself."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError("the board does not end: " + self.report()) from None


class Site:
    """Three boards at one broker: ``owner`` with a channel of its own, ``payer`` on an allowance, ``seller``."""

    def __init__(
        self, directory: Path, unit_ms: int = 1000, runtime: str = "micropython", heap_bytes: int = BOARD_HEAP_BYTES
    ) -> None:
        boards = {name: Board(directory / name, runtime, heap_bytes) for name in ("member", "payer", "seller")}
        self.member, self.payer, self.seller = boards.values()
        self.ids = {
            "member": self.member.addresses["payer"].hex(),
            "payer": self.payer.addresses["payer"].hex(),
            "seller": self.seller.addresses["payee"].hex(),
        }
        self.broker = Broker(
            directory / "broker", site=SITE, devices={device: "secret-" + device for device in self.ids.values()},
            gateways={"gateway": "gateway-secret"},
        )  # fmt: skip
        devices = {
            self.ids["member"]: {self.member.addresses["payer"], self.member.addresses["member"]},
            self.ids["payer"]: {self.payer.addresses["payer"]},
            self.ids["seller"]: {self.seller.addresses["payee"]},
        }
        own = {"member": self.member.addresses["member"]}
        directory.joinpath("cast").mkdir()
        self.cast = Cast(directory / "cast", self.broker, devices, own, unit_ms)
        self._configure()

    def _configure(self) -> None:
        fees = {
            "base_wei": FEES.base, "ppm": FEES.ppm, "ppm_per_day": FEES.ppm_per_day, "valid_until": FEES.valid_until,
            "min_capacity_wei": FEES.min_capacity, "max_capacity_wei": str(FEES.max_capacity),
        }  # fmt: skip
        pays = {"budget_wei": 10_000, "max_unit_price_wei": 100, "max_rate_wei": 1000, "max_unacked_wei": 500}
        self.member.configure(
            self.broker, self.ids["member"],
            member={
                **params_json(self.cast.channels["member"]), "fees": fees, "max_fee_wei": 10**15,
                "deposit_wei": DEPOSIT_WEI, "hub_deposit_wei": TOTAL_WEI - DEPOSIT_WEI,
            },
            payer={**pays, "payee": hexed(key("meter").address)},
        )  # fmt: skip
        owner = {"member": hexed(key("owner").address), "channel": hexed(self.cast.channels["owner"].digest(DOMAIN))}
        self.payer.configure(
            self.broker, self.ids["payer"],
            payer={**pays, **owner, "payee": hexed(self.seller.addresses["payee"]), "every_ms": self.cast.unit_ms},
        )  # fmt: skip
        self.seller.configure(
            self.broker, self.ids["seller"],
            seller={
                "member": hexed(key("shop").address), "channel": params_json(self.cast.channels["shop"]),
                "unit_price_wei": 50, "min_capacity_wei": 1000, "kind": "temperature", "exponent": -2,
            },
        )  # fmt: skip

    def __enter__(self) -> Self:
        self.broker.start()
        self.cast.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.cast.__exit__(kind, error, trace)
        finally:
            self.broker.kill()


def wipe(board: Board) -> None:
    """Lose a board's registers, not its keys."""
    for name in os.listdir(board.directory / "state"):
        os.remove(board.directory / "state" / name)
