"""The end of the demo: each party's account in a table, the second reader's verdict, and one JSON object."""

from typing import Any

from rich.console import Console
from rich.table import Table

from perunika_cli.demo.auditor import Difference
from perunika_cli.demo.books import Books
from perunika_cli.demo.live import gwei

COLUMNS = ("deposited", "paid", "earned", "fees", "gas", "on chain before", "on chain after")


def accounts_table(books: Books) -> Table:
    """Return the table of all parties, in gwei."""
    table = Table(title="accounts in gwei", title_justify="left")
    table.add_column("party")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for party in books.parties:
        figures = (
            party.deposited_wei, party.paid_wei, party.earned_wei, party.fees_wei, party.gas_wei, party.before_wei,
            party.after_wei,
        )  # fmt: skip
        table.add_row(party.name, *(gwei(figure) for figure in figures))
    hub = books.hub
    deposited = sum(party.hub_deposit_wei for party in books.parties)
    table.add_row(
        "hub (vault)", gwei(deposited), gwei(hub.paid_early_wei), gwei(hub.collected_wei), gwei(-hub.fees_wei),
        gwei(hub.gas_wei), gwei(hub.vault_before_wei), gwei(hub.vault_after_wei),
    )  # fmt: skip
    return table


def show(books: Books, result: dict[str, Any], differences: list[Difference]) -> None:
    """Print everything for people."""
    console = Console()
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
