"""What every meter has in common: it lets bytes (or later: WiFi stations) through only while their channel is paid."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from perunika.errors import LocalError
from perunika_gateway.unit_clock import UnitClock

CHUNK_BYTES = 16 * 1024
# What the system holds for a slow client still flows after payment has stopped: keep it small.
SEND_BUFFER_BYTES = 64 * 1024


@dataclass(frozen=True)
class Tariff:
    """What a client that does not pay is told, besides the error."""

    facts: dict[str, str]
    grace_s: float
    max_clients: int


class Meter(Protocol):
    """A service behind a price; ``kind`` names it, ``port`` is where clients come."""

    kind: str
    port: int

    async def open(self) -> None:
        """Begin to take clients. Raises LocalError ``meter.port`` when the port is taken."""

    async def close(self) -> None:
        """End all connections."""


async def while_paid(clock: UnitClock, grace_s: float, work: Coroutine[Any, Any, None]) -> None:
    """Run ``work``; end it with LocalError when the channel ends or stays unpaid for ``grace_s``."""
    tasks = [asyncio.create_task(work), asyncio.create_task(clock.watch(grace_s))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def port_taken(bind: str, port: int, error: OSError) -> LocalError:
    """Return the LocalError for a meter or an API that cannot listen."""
    return LocalError("port.taken", f"cannot listen on {bind}:{port}: {error.strerror or error}", "choose another port")
