"""The hub's books: sums over the journal and the channels' records, in wei. Every figure can be checked on chain."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from perunika.records import Basic
from perunika_host.sqlite_store import EVENTS_PAGE, Event, SqliteStore
from perunika_hub.shell import basics_by_id


@dataclass(slots=True)
class ChannelSums:
    """What went into and out of one channel on chain."""

    member_deposit_wei: int = 0
    hub_deposit_wei: int = 0
    to_member_wei: int = 0
    to_hub_wei: int = 0
    closed: bool = False


@dataclass(slots=True)
class Transaction:
    """One transaction of the hub's gas account."""

    digest: str
    kind: str
    gas_used: int
    gas_price_wei: int
    block: int
    channels: tuple[str, ...]


@dataclass(slots=True)
class Books:
    """Sums that grow with the journal; ``refresh`` reads what is new."""

    store: SqliteStore
    paid_early_wei: int = 0
    collected_wei: int = 0
    opened: int = 0
    channels: dict[str, ChannelSums] = field(default_factory=lambda: defaultdict(ChannelSums))
    transactions: list[Transaction] = field(default_factory=list)
    _read: int = 0
    _digests: set[str] = field(default_factory=set)

    def refresh(self) -> None:
        """Take over the lines of the journal since the last time."""
        while True:
            lines = self.store.events(after=self._read)
            for line in lines:
                fold = FOLDS.get(line.kind)
                if fold is not None:
                    fold(self, line)
                self._read = line.number
            if len(lines) < EVENTS_PAGE:
                return

    def is_booked(self, digest: bytes) -> bool:
        """Whether a transaction stands in the books."""
        self.refresh()
        return "0x" + digest.hex() in self._digests

    def gas_wei(self) -> int:
        """Return what the gas account has paid for transactions."""
        return sum(transaction.gas_used * transaction.gas_price_wei for transaction in self.transactions)


def fees_of(basic: Basic) -> int:
    """Return the fees in wei that the member of this channel has paid: its vouchers, up to what was agreed."""
    return min(basic.ab, basic.due)


def fees_wei(view: Any) -> int:
    """Return all fees received."""
    return sum(fees_of(basic) for _, basic in basics_by_id(view))


def _paid_early(books: Books, line: Event) -> None:
    books.paid_early_wei += _int(line, "amount")


def _collected(books: Books, line: Event) -> None:
    books.collected_wei += _int(line, "amount")


def _virtual_opened(books: Books, line: Event) -> None:
    books.opened += 1


def _opened(books: Books, line: Event) -> None:
    sums = _sums(books, line)
    sums.member_deposit_wei += _int(line, "member_deposit")
    sums.hub_deposit_wei += _int(line, "hub_deposit")


def _topped_up(books: Books, line: Event) -> None:
    sums = _sums(books, line)
    if line.fields["alice_side"]:
        sums.member_deposit_wei += _int(line, "amount")
    else:
        sums.hub_deposit_wei += _int(line, "amount")


def _paid_out(books: Books, line: Event) -> None:
    sums = _sums(books, line)
    sums.to_member_wei += _int(line, "to_alice")
    sums.to_hub_wei += _int(line, "to_bob")


def _ended(books: Books, line: Event) -> None:
    _paid_out(books, line)
    _sums(books, line).closed = bool(line.fields.get("ended", True))


def _transaction(books: Books, line: Event) -> None:
    digest = str(line.fields["hash"])
    if digest in books._digests:
        return  # settlement and watcher may both have noted its receipt
    books._digests.add(digest)
    channels = line.fields["channels"]
    books.transactions.append(
        Transaction(
            digest,
            str(line.fields["kind"]),
            _int(line, "gas_used"),
            _int(line, "gas_price_wei"),
            _int(line, "block"),
            tuple(channels) if isinstance(channels, list) else (),
        )
    )


def _sums(books: Books, line: Event) -> ChannelSums:
    return books.channels[str(line.fields["channel"])]


def _int(line: Event, name: str) -> int:
    value = line.fields[name]
    if not isinstance(value, int):
        raise TypeError(f"line {line.number} of the journal: {name} is no number")
    return value


FOLDS: dict[str, Callable[[Books, Event], None]] = {
    "paid early": _paid_early,
    "collected": _collected,
    "virtual opened": _virtual_opened,
    "opened on chain": _opened,
    "topped up on chain": _topped_up,
    "withdrawn on chain": _paid_out,
    "closed on chain": _ended,
    "settled on chain": _ended,
    "transaction": _transaction,
}
