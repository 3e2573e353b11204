"""The end of the demo: each party's account in a table, the second reader's verdict, and one JSON object."""

from typing import Any

from rich.console import Console
from rich.table import Table

from perunika_cli.demo.auditor import Difference
from perunika_cli.demo.books import Books
from perunika_cli.demo.cast import ETHER
from perunika_cli.demo.live import gwei

HUB_COLUMN = "hub (vault)"
MIN_WIDTH = 100  # the table does not fit into less; terminals wrap it


def ether(amount_wei: int) -> str:
    """Return a balance for people: ETH with nine digits, gwei exactly."""
    return f"{amount_wei / ETHER:,.9f}"


def accounts_table(books: Books) -> Table:
    """Return the table: a row per figure in gwei, balances in ETH, a column per party."""
    table = Table(title="accounts, in gwei; balances in ETH", title_justify="left")
    table.add_column("")
    for name in (*(party.name for party in books.parties), HUB_COLUMN):
        table.add_column(name, justify="right", no_wrap=True)
    hub = books.hub
    deposited = sum(party.hub_deposit_wei for party in books.parties)
    change = hub.vault_after_wei - hub.vault_before_wei
    rows = (
        ("deposited", gwei, [party.deposited_wei for party in books.parties], deposited),
        ("paid", gwei, [party.paid_wei for party in books.parties], hub.paid_early_wei),
        ("earned", gwei, [party.earned_wei for party in books.parties], hub.collected_wei),
        ("fees", gwei, [-party.fees_wei for party in books.parties], hub.fees_wei),
        ("gas", gwei, [-party.gas_wei for party in books.parties], -hub.gas_wei),
        ("paid out", gwei, [party.payout_wei for party in books.parties], change + deposited),
        ("on chain before", ether, [party.before_wei for party in books.parties], hub.vault_before_wei),
        ("on chain after", ether, [party.after_wei for party in books.parties], hub.vault_after_wei),
    )  # fmt: skip
    for name, shown, figures, hubs in rows:
        table.add_row(name, *(shown(figure) for figure in figures), shown(hubs))
    return table


def show(books: Books, result: dict[str, Any], differences: list[Difference]) -> None:
    """Print everything for people."""
    console = Console()
    if console.width < MIN_WIDTH:
        console.width = MIN_WIDTH
    console.print(accounts_table(books))
    console.print(
        f"{result['payments']} payments in {result['virtual_channels']} virtual channels, "
        f"{result['onchain_transactions']} transactions on chain, {result['gas_used']:,} gas; "
        f"voucher sent to acknowledged: p50 {result['p50_ms']} ms, p95 {result['p95_ms']} ms; "
        f"largest heap on a board: {result['device_heap_peak_bytes']:,} bytes",
        soft_wrap=True,
    )
    console.print(
        f"the gate let {result['gate_bytes_paid']:,} bytes through while paid and answered "
        f"{result['gate_status_unpaid']} (payment required) without payment",
        soft_wrap=True,
    )
    if differences:
        console.print("[red]chain and books DIFFER:[/red]")
        for difference in differences:
            console.print(f"  {difference}", soft_wrap=True)
    else:
        console.print("chain and books agree to the last wei (second reader: balances, vault, events, receipts)")
