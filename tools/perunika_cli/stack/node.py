"""A local Ethereum node (anvil) with funded accounts."""

import itertools
import json
import os
import platform
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from perunika.errors import ChainError, LocalError
from perunika_cli.stack.ports import free_port
from perunika_cli.stack.process import POLL_S, Process

READY_TIMEOUT_S = 20.0
CALL_TIMEOUT_S = 10.0
REPOSITORY = Path(__file__).resolve().parents[3]
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class Account(NamedTuple):
    """An account that the node has funded; both fields are 0x-prefixed hex, the key is worth nothing elsewhere."""

    address: str
    private_key: str


def find_anvil() -> Path:
    """Return the path of anvil: ``PERUNIKA_ANVIL``, else the one under ``contracts/node_modules``, else on PATH.

    Raises ``LocalError`` that says how to install it.
    """
    chosen = os.environ.get("PERUNIKA_ANVIL")
    if chosen:
        return Path(chosen)
    modules = REPOSITORY / "contracts" / "node_modules"
    architecture = _ARCHITECTURES.get(platform.machine().lower(), "unknown")
    # The native program, not npm's wrapper: one process less, and signals arrive.
    packaged = modules / "@foundry-rs" / f"anvil-{platform.system().lower()}-{architecture}" / "bin" / "anvil"
    for candidate in (str(packaged), str(modules / ".bin" / "anvil"), "anvil"):
        found = shutil.which(candidate)
        if found:
            return Path(found)
    raise LocalError(
        "stack.no-anvil",
        "the Ethereum node anvil is not installed",
        "run `make install`, or put anvil of Foundry on PATH, or name it in PERUNIKA_ANVIL",
    )


class Node:
    """A chain of our own on the loopback interface, mining every ``block_time_s`` seconds (``None``: per transaction).

    ``mnemonic`` defaults to anvil's public test phrase; ``"random"`` makes fresh accounts. With ``keep_chain`` the
    chain is written to ``directory`` every second and continues at the next ``start``, with the same port.
    """

    def __init__(
        self,
        directory: Path,
        *,
        block_time_s: int | None = 1,
        chain_id: int = 31337,
        account_count: int = 10,
        balance_ether: int = 10_000,
        mnemonic: str | None = None,
        port: int | None = None,
        keep_chain: bool = False,
    ) -> None:
        self.directory = directory = directory.resolve()
        self.chain_id = chain_id
        self.port = port or free_port()
        self.rpc_url = f"http://127.0.0.1:{self.port}"
        self.accounts: list[Account] = []
        self._accounts_path = directory / "accounts.json"
        self._request_ids = itertools.count(1)
        argv: list[str | Path] = [find_anvil(), "--host", "127.0.0.1", "--port", str(self.port)]
        argv += ["--chain-id", str(chain_id), "--accounts", str(account_count), "--balance", str(balance_ether)]
        argv += ["--config-out", self._accounts_path]
        argv += [] if block_time_s is None else ["--block-time", str(block_time_s)]
        argv += ["--state", directory / "chain.json", "--state-interval", "1"] if keep_chain else []
        argv += {None: [], "random": ["--mnemonic-random"]}.get(mnemonic, ["--mnemonic", str(mnemonic)])
        self.process = Process("anvil", argv, directory / "anvil.log")

    def start(self) -> None:
        """Start it and return when it answers. Raises ``LocalError`` with the end of its log when it does not."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.process.start()
        try:
            self.process.wait_for_line(rf"^Listening on 127\.0\.0\.1:{self.port}\b", READY_TIMEOUT_S)
            self._wait_for_answer(time.monotonic() + READY_TIMEOUT_S)
            self.accounts = read_accounts(self._accounts_path)
        except BaseException:  # also Ctrl-C
            self.process.kill()
            raise

    def _wait_for_answer(self, deadline_s: float) -> None:
        while True:
            try:
                if int(self.call("eth_chainId"), 16) == self.chain_id:
                    return
                raise LocalError("stack.wrong-chain", f"another node answers at {self.rpc_url}")
            except ChainError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(POLL_S)

    def call(self, method: str, *params: object) -> Any:
        """Return the result of one JSON-RPC call. Raises ``ChainError`` when the node is away or says no."""
        body = {"jsonrpc": "2.0", "id": next(self._request_ids), "method": method, "params": params}
        request = urllib.request.Request(self.rpc_url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=CALL_TIMEOUT_S) as response:
                answer = json.load(response)
        except (OSError, ValueError) as error:  # URLError is an OSError
            raise ChainError("chain.unreachable", f"the node at {self.rpc_url} does not answer: {error}") from error
        if "error" in answer:
            raise ChainError("chain.refused", f"{method}: {answer['error'].get('message', answer['error'])}")
        return answer["result"]

    def advance(self, seconds: int) -> None:
        """Let the chain's clock jump ahead by ``seconds`` and mine one block there."""
        self.call("evm_increaseTime", seconds)
        self.call("evm_mine")

    def stop(self) -> None:
        """End it cleanly (with ``keep_chain`` its last block is on disk then)."""
        self.process.stop()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()

    def pause(self) -> None:
        """Freeze it: it accepts connections but does not answer."""
        self.process.pause()

    def resume(self) -> None:
        """Undo ``pause``."""
        self.process.resume()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def read_accounts(path: Path) -> list[Account]:
    """Return the accounts that anvil has written to ``path`` with ``--config-out``."""
    written = json.loads(path.read_text())
    return [Account(*pair) for pair in zip(written["available_accounts"], written["private_keys"], strict=True)]
