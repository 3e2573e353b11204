"""The demo's live table: who has paid what, at which rate, what is left and what could be lost now."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.table import Table

from perunika_cli.demo.boards import Board
from perunika_cli.demo.cast import CAPACITY_WEI, GWEI, READING_WEI, SECOND_WEI

BUYERS = {"device1": ("shop's seconds", SECOND_WEI), "device2": ("device3's readings", READING_WEI)}


@dataclass(frozen=True, slots=True)
class Row:
    """One paying board, amounts in wei."""

    name: str
    buys: str
    paid_wei: int
    rate_wei: int
    balance_wei: int
    exposure_wei: int
    last_ms: float | None
    state: str


def rows(boards: dict[str, Board], capacity_wei: int = CAPACITY_WEI) -> list[Row]:
    """Return what the paying boards have reported so far."""
    found = []
    for name, (buys, price) in BUYERS.items():
        board = boards[name]
        paid = max(board.last("voucher", "amount"), board.last("acknowledged", "amount"))
        served = board.last("acknowledged", "served")
        vouchers = list(board.of("voucher"))
        rate = 0
        if len(vouchers) > 1:
            span_ms = vouchers[-1]["t"] - vouchers[0]["t"]
            rate = (int(vouchers[-1]["amount"]) - int(vouchers[0]["amount"])) * 1000 // max(1, span_ms)
        latencies = board.latencies_ms
        exposure = 0 if state_of(board) == "closed" else max(0, paid - served * price)
        found.append(
            Row(
                name, buys, paid, rate, capacity_wei - paid, exposure,
                latencies[-1] if latencies else None, state_of(board),
            )
        )  # fmt: skip
    return found


def state_of(board: Board) -> str:
    """Return in one word where the board's channel stands."""
    for kind, word in (("closed", "closed"), ("closing", "closing"), ("voucher", "paying"), ("paying", "open")):
        if any(True for _ in board.of(kind)):
            return word
    return "opening"


def gwei(amount_wei: int) -> str:
    """Return an amount for people: gwei with all digits that matter."""
    whole, rest = divmod(abs(amount_wei), GWEI)
    text = f"{whole:,}" + (f".{rest:09d}".rstrip("0") if rest else "")
    return ("-" if amount_wei < 0 else "") + text


def picture(found: Sequence[Row], title: str) -> Table:
    """Return the table."""
    table = Table(title=title, title_justify="left")
    for column in ("device", "buys"):
        table.add_column(column)
    for column in ("paid gwei", "gwei/s", "balance gwei", "exposure gwei", "ack ms"):
        table.add_column(column, justify="right")
    table.add_column("state")
    for row in found:
        latency = f"{row.last_ms:.1f}" if row.last_ms is not None else "-"
        table.add_row(
            row.name, row.buys, gwei(row.paid_wei), gwei(row.rate_wei), gwei(row.balance_wei),
            gwei(row.exposure_wei), latency, row.state,
        )  # fmt: skip
    return table


class LiveTable:
    """Shows the table in place on a terminal, and as one line per update elsewhere; silent with ``quiet``."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.console = Console(file=sys.stdout)
        self._live: Live | None = None

    def __enter__(self) -> "LiveTable":
        if not self.quiet and self.console.is_terminal:
            self._live = Live(console=self.console, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, found: Sequence[Row], title: str) -> None:
        """Show the newest rows."""
        if self._live is not None:
            self._live.update(picture(found, title), refresh=True)
        elif not self.quiet:
            parts = [
                f"{row.name} {row.state}, paid {gwei(row.paid_wei)}, balance {gwei(row.balance_wei)}, "
                f"exposure {gwei(row.exposure_wei)} gwei"
                for row in found
            ]
            self.console.print(f"{title}: " + "; ".join(parts), soft_wrap=True)
