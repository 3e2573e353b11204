"""One run of the demo, from an empty directory to audited books."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perunika.errors import LocalError
from perunika_cli.demo.auditor import ChainReader, Difference, audit
from perunika_cli.demo.books import Books, HubBook, PartyBook
from perunika_cli.demo.cast import CONFIRMATIONS, GWEI, MEMBERS, READING_WEI, SECOND_WEI, SITE, VAULT_WEI, Cast
from perunika_cli.demo.client import GateClient, wait_for_access
from perunika_cli.demo.live import LiveTable, rows
from perunika_cli.demo.web import ask

OPEN_S = 60.0
CLOSE_S = 60.0
REFRESH_S = 0.5


class Demo:
    """Runs the cast for ``seconds`` of payments; ``say`` gets a sentence per step, ``quiet`` hides the live table."""

    def __init__(self, seconds: int, quiet: bool, say: Callable[[str], None], directory: Path) -> None:
        self.seconds = seconds
        self.quiet = quiet
        self.say = say
        self.cast = Cast(directory, seconds, say)
        self.started_s = time.monotonic()

    def run(self) -> tuple[Books, dict[str, Any], list[Difference]]:
        """Return books, result and differences; raises LocalError when a part fails or does not finish in time."""
        try:
            self.cast.start()
            self._pay()
            self._wait("the hub to collect", self._collected, CLOSE_S)
            self._close_channels()
            return self._account()
        finally:
            self.cast.stop()

    def _gate(self) -> None:
        cast = self.cast
        self.gate = GateClient(cast.gate_url)
        self.unpaid_status = self.gate.status_without_payment()
        user = cast.device_id("device1")
        password_file = cast.directory / "keys" / "device1.mqtt"
        password_file.touch(0o600)
        password_file.write_text(cast.passwords["device1"])
        self.gate.start(wait_for_access(cast.broker.site_port, cast.broker.ca_pem, user, password_file, SITE))

    def _pay(self) -> None:
        """Show the live table until both paying boards have closed their channels."""
        self.say(
            f"device1 pays {SECOND_WEI // GWEI} gwei for each second of the shop's gate, "
            f"device2 {READING_WEI // GWEI} gwei for each reading of device3"
        )
        self._gate()
        payers = [self.cast.boards[name] for name in ("device1", "device2")]
        deadline_s = time.monotonic() + OPEN_S + self.seconds + CLOSE_S
        with LiveTable(self.quiet) as table:
            while not all(any(True for _ in board.of("closed")) for board in payers):
                if time.monotonic() > deadline_s:
                    raise LocalError(
                        "demo.time", "the boards did not pay and close in time", f"see {self.cast.directory}"
                    )
                time.sleep(REFRESH_S)
                for board in self.cast.boards.values():
                    board.read()
                self._check_boards()
                self.cast.require_running()
                table.show(rows(self.cast.boards), f"{time.monotonic() - self.started_s:5.1f} s")
        self.gate.ended.set()
        self.say("both virtual channels are closed by their payers; the payees are paid")

    def _check_boards(self) -> None:
        for board in self.cast.boards.values():
            for kind in ("refused", "error"):
                for event in board.of(kind):
                    raise LocalError("demo.board", f"{board.name}: {event}", f"see {board.log_path}")
            if not board.process.running:
                tail = board.process.output()[-600:]
                raise LocalError("demo.board", f"{board.name} ended: {tail}", f"see {board.log_path}")

    def _collected(self) -> bool:
        found = ask(f"{self.cast.urls['hub']}/v1/virtuals")["virtuals"]
        return len(found) == 2 and all(each["phase"] == "collected" for each in found)

    def _wait(self, what: str, done: Callable[[], bool], timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not done():
            if time.monotonic() > deadline_s:
                raise LocalError("demo.time", f"waited {timeout_s:.0f} s for {what}", f"see {self.cast.directory}")
            self.cast.require_running()
            time.sleep(0.2)

    def _close_channels(self) -> None:
        """Close all basic channels through the hub; one transaction takes the three of them."""
        hub, token = self.cast.urls["hub"], self.cast.token
        for name in MEMBERS:
            ask(f"{hub}/v1/channels/0x{self.cast.channels[name].channel_id.hex()}/close", {}, token)
        self._wait("the chain to pay out", self._closed, CLOSE_S)
        self.say("basic channels closed on chain by the hub")

    def _closed(self) -> bool:
        found = ask(f"{self.cast.urls['hub']}/v1/channels")["channels"]
        return all(each["status"] == "closed" for each in found)

    def _party(self, name: str, gas: dict[str, int], after: dict[str, int]) -> PartyBook:
        cast = self.cast
        channel = cast.channels[name]
        account = cast.accounts[name].address.lower()
        if name == "device1":
            board = cast.boards["device1"]
            paid, earned = board.last("closed", "amount"), 0
            fees = board.last("virtual opened", "fee")
        else:
            books = ask(f"{cast.urls[name]}/v1/books")
            paid, earned, fees = (int(books[key]) for key in ("spent_wei", "earned_wei", "fees_wei"))
        return PartyBook(
            name, account, "0x" + channel.channel_id.hex(), channel.member_wei, channel.hub_wei, paid, earned, fees,
            gas.get(account, 0), cast.before[name], after[name],
        )  # fmt: skip

    def _account(self) -> tuple[Books, dict[str, Any], list[Difference]]:
        cast = self.cast
        reader = ChainReader(cast.node.rpc_url)
        head = reader.head()
        self._wait("confirmations", lambda: reader.head() >= head + CONFIRMATIONS, 30)
        gas = self._gas()
        after = cast.balances()
        parties = tuple(self._party(name, gas, after) for name in MEMBERS)
        hub = ask(f"{cast.urls['hub']}/v1/books")
        owner = cast.accounts["hub"].address.lower()
        contract = "0x" + cast.contract.hex()
        spent = sum(int(each["gas_used"]) * int(each["gas_price_wei"]) for each in hub["transactions"])
        book = HubBook(
            owner, "0x" + cast.keys["gas"].address.hex(), VAULT_WEI, self._vault(hub), int(hub["fees_wei"]),
            int(hub["paid_early_wei"]), int(hub["collected_wei"]), spent,
        )  # fmt: skip
        books = Books(contract, cast.from_block, parties, book)
        (cast.directory / "books.json").write_text(json.dumps(books.as_json(), indent=1))
        differences = audit(cast.node.rpc_url, books)
        return books, self._result(books, not differences), differences

    def _vault(self, books: dict[str, Any]) -> int:
        """Return the vault by the hub's own books: what was in it, minus deposits, plus what channels returned."""
        change = sum(int(each["to_hub_wei"]) - int(each["hub_deposit_wei"]) for each in books["channels"])
        return VAULT_WEI + change

    def _gas(self) -> dict[str, int]:
        """Return wei of gas per account since the channels' life began, from the node's receipts."""
        call = self.cast.node.call
        found: dict[str, int] = {}
        self.transactions = self.gas_used = 0
        for number in range(self.cast.from_block + 1, int(call("eth_blockNumber"), 16) + 1):
            for each in call("eth_getBlockByNumber", hex(number), False)["transactions"]:
                receipt = call("eth_getTransactionReceipt", each)
                self.transactions += 1
                self.gas_used += int(receipt["gasUsed"], 16)
                sender = receipt["from"].lower()
                found[sender] = found.get(sender, 0) + int(receipt["gasUsed"], 16) * int(
                    receipt["effectiveGasPrice"], 16
                )
        return found

    def _result(self, books: Books, agree: bool) -> dict[str, Any]:
        """Return the one JSON object that `perunika demo --json` prints last."""
        boards = self.cast.boards
        latencies = sorted(boards["device1"].latencies_ms + boards["device2"].latencies_ms)
        prices = {"device1": SECOND_WEI, "device2": READING_WEI}
        return {
            "devices": len(boards),
            "ticks": sum(boards[name].last("closed", "amount") // price for name, price in prices.items()),
            "payments": sum(len(list(boards[name].of("voucher"))) for name in prices),
            "virtual_channels": len(ask(f"{self.cast.urls['hub']}/v1/virtuals")["virtuals"]),
            "onchain_transactions": self.transactions,
            "gas_used": self.gas_used,
            "paid_wei": sum(party.paid_wei for party in books.parties),
            "earned_wei": sum(party.earned_wei for party in books.parties),
            "fees_wei": books.hub.fees_wei,
            "books_match_chain": agree,
            "p50_ms": round(statistics.median(latencies), 2) if latencies else None,
            "p95_ms": round(latencies[int(len(latencies) * 0.95)], 2) if latencies else None,
            "device_heap_peak_bytes": max(board.heap_peak_bytes for board in boards.values()),
            "gate_bytes_paid": self.gate.bytes_paid,
            "gate_status_unpaid": self.unpaid_status,
            "device_runtime": next(iter(boards.values())).interpreter.runtime,
        }


def run_demo(
    seconds: int, quiet: bool, say: Callable[[str], None], keep: Path | None = None
) -> tuple[Books, dict[str, Any], list[Difference]]:
    """Run the demo in a fresh directory (``keep``: that one, which stays). Returns books, result, differences."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=False, mode=0o700)
        return Demo(seconds, quiet, say, keep.resolve()).run()
    with tempfile.TemporaryDirectory(prefix="perunika-demo-", ignore_cleanup_errors=True) as name:
        return Demo(seconds, quiet, say, Path(name)).run()
