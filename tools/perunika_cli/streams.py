"""Streams of payments as a gateway shows them, measured: what was paid, how fast, what is left, what is at risk."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from perunika_cli.output import ether, short, table

# The rate is that of the last few seconds: payments come once a second, polls may fall on either side of one.
RATE_WINDOW_S = 5.0
# Last phases of every role (perunika.phases): nothing moves any more.
ENDED = frozenset(("paid", "collected", "refused", "cancelled", "closed"))
COLUMNS = ("stream", "role", "with", "status", ">paid", ">rate/s", ">balance", ">exposure")


@dataclass(frozen=True, slots=True)
class Stream:
    """One virtual channel at one moment; ``rate_wei_s`` is None until it was seen twice."""

    virtual: str
    role: str
    other: str
    phase: str
    paid_wei: int
    balance_wei: int
    exposure_wei: int
    rate_wei_s: float | None

    def row(self) -> Sequence[object]:
        """Return the cells of COLUMNS."""
        rate = "" if self.rate_wei_s is None else ether(round(self.rate_wei_s))
        amounts = [ether(amount) for amount in (self.balance_wei, self.exposure_wei)]
        return short(self.virtual), self.role, short(self.other), self.phase, ether(self.paid_wei), rate, *amounts

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "virtual": self.virtual,
            "role": self.role,
            "other": self.other,
            "phase": self.phase,
            "paid_wei": str(self.paid_wei),
            "balance_wei": str(self.balance_wei),
            "exposure_wei": str(self.exposure_wei),
            "rate_wei_s": None if self.rate_wei_s is None else str(round(self.rate_wei_s)),
        }


@dataclass(slots=True)
class Rates:
    """Remembers amounts paid and when, per stream; forgets streams that are gone."""

    seen: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)

    def note(self, virtual: str, paid_wei: int, now_s: float) -> float | None:
        """Return wei per second over the last RATE_WINDOW_S seconds, None at first sight."""
        points = self.seen.setdefault(virtual, deque())
        points.append((now_s, paid_wei))
        while len(points) > 2 and now_s - points[0][0] > RATE_WINDOW_S:
            points.popleft()
        first_s, first_wei = points[0]
        return (paid_wei - first_wei) / (now_s - first_s) if now_s > first_s else None

    def keep(self, virtuals: Sequence[str]) -> None:
        """Forget all other streams."""
        self.seen = {virtual: points for virtual, points in self.seen.items() if virtual in virtuals}


def measured(rows: Sequence[Mapping[str, Any]], rates: Rates, now_s: float) -> list[Stream]:
    """Return the gateway's rows (GET /v1/streams) as Streams, with rates since earlier calls."""
    streams = [_stream(row, rates, now_s) for row in rows]
    rates.keep([stream.virtual for stream in streams])
    return streams


def _stream(row: Mapping[str, Any], rates: Rates, now_s: float) -> Stream:
    virtual, paid_wei = str(row["virtual"]), int(row["paid_wei"])
    role = str(row["role"])
    other = row["payee"] if role == "payer" else row["payer"]
    return Stream(
        virtual,
        role,
        str(other),
        str(row["phase"]),
        paid_wei,
        int(row["capacity_wei"]) - paid_wei,
        int(row["exposure_wei"]),
        rates.note(virtual, paid_wei, now_s),
    )


def not_ended(streams: Sequence[Stream]) -> list[Stream]:
    """Return the streams in which something may still happen."""
    return [stream for stream in streams if stream.phase not in ENDED]


def streams_table(streams: Sequence[Stream]) -> Table:
    """Return the table that people see."""
    return table(COLUMNS, [stream.row() for stream in streams])
