"""The hub's books are sums over its journal, right also when the journal says a thing twice."""

from pathlib import Path

from perunika_host.sqlite_store import SqliteStore
from perunika_hub.books import Books

RECEIPT = {"hash": "0x" + "ab" * 32, "kind": "closeMany", "gas_used": 7, "gas_price_wei": 3, "block": 9, "channels": []}


def test_a_receipt_that_settlement_and_watcher_both_note_is_booked_once(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "hub.sqlite3") as store:
        store.record("transaction", RECEIPT)
        store.record("transaction", RECEIPT)
        store.record("transaction", {**RECEIPT, "hash": "0x" + "cd" * 32})
        books = Books(store)
        books.refresh()
        assert [each.digest[:4] for each in books.transactions] == ["0xab", "0xcd"]
        assert books.gas_wei() == 2 * 7 * 3
        assert books.is_booked(b"\xab" * 32)
