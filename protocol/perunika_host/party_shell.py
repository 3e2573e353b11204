"""The one loop of every host program: step, **store, then** act (house style 2).

Keys that begin with ``~`` are volatile (``perunika.records``): they live in memory and are gone after a restart.
"""

import asyncio
import gc
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from perunika.context import Notify
from perunika.errors import LocalError
from perunika.party import Party
from perunika_host.group_commit import GroupCommit, StepOverlay
from perunika_host.sqlite_store import NewEvent, SqliteStore

log = logging.getLogger("perunika.party")

Act = Callable[[Any], Awaitable[None]]

# Notices that belong to the books: journalled in the same commit as what they tell.
JOURNAL = frozenset((
    "virtual opened", "virtual refused", "fee refused", "received", "paid early", "collected", "closed", "stopped",
    "serving", "close signed", "withdraw signed", "exhausted", "refunded",
))  # fmt: skip


class SplitStore:
    """A ``SqliteStore`` for registers and a dict for volatile keys, behind the Store interface."""

    def __init__(self, durable: SqliteStore) -> None:
        self.durable = durable
        self.now = durable.now
        self._volatile: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self._volatile.get(key) if key[:1] == b"~" else self.durable.get(key)

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        if prefix[:1] == b"~":
            return sorted((k, v) for k, v in list(self._volatile.items()) if k.startswith(prefix))
        return self.durable.scan(prefix)

    def commit(self, writes: Mapping[bytes, bytes | None], events: Iterable[NewEvent] = ()) -> None:
        """Flush durable keys and events; a batch that changes only volatile keys costs no flush."""
        lasting = {key: value for key, value in writes.items() if key[:1] != b"~"}
        events = tuple(events)
        if lasting or events:
            self.durable.commit(lasting, events)
        for key, value in writes.items():
            if key[:1] == b"~":
                if value is None:
                    self._volatile.pop(key, None)
                else:
                    self._volatile[key] = value


def calm_collector() -> None:
    """Look for garbage cycles less often, and never again among what was loaded at the start.

    Steps make few cycles but many short-lived values; collecting every 700 of them doubles the slowest percent.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


class PartyShell:
    """Runs a ``Party`` on a ``SqliteStore``; ``act`` is awaited for each effect after its step is durable."""

    def __init__(self, party: Party, store: SqliteStore, act: Act) -> None:
        self.party = party
        self.store = store
        self.group = GroupCommit(SplitStore(store))  # type: ignore[arg-type]
        self._act = act

    async def start(self) -> None:
        """Schedule everything that waited for an answer when the process ended."""
        await self.group.run(lambda view: self.party.start(view, _now_ms()))
        calm_collector()

    async def receive(self, raw: bytes) -> None:
        """Take one encoded message from anywhere; a bad one is refused and changes nothing."""
        await self._run(lambda view: self.party.receive(view, raw, _now_ms(), os.urandom(32)))

    async def request(self, address: bytes, name: str, **fields: Any) -> list[Any]:
        """Run our own user's request; raises what the core raises, writes nothing then. Returns the effects."""
        return await self._run(
            lambda view: self.party.request(view, address, name, _now_ms(), os.urandom(32), **fields)
        )

    async def tick(self) -> None:
        """Repeat what is unanswered, do what is due."""
        await self._run(lambda view: self.party.tick(view, _now_ms(), os.urandom(32)))

    async def run_ticks(self, period_s: float = 1.0) -> None:
        """Tick for ever; a failed commit (disk full) is logged and the next tick tries again."""
        while True:
            await asyncio.sleep(period_s)
            try:
                await self.tick()
            except LocalError as error:
                log.error("tick failed: %s", error)

    async def _run(self, step: Callable[[StepOverlay], list[Any]]) -> list[Any]:
        def journalled(view: StepOverlay) -> list[Any]:
            effects = step(view)
            for effect in effects:
                if isinstance(effect, Notify) and effect.kind in JOURNAL:
                    view.record(effect.kind, effect.fields)
            return effects

        effects = await self.group.run(journalled)
        for effect in effects:
            await self._act(effect)
        return effects

    def view(self) -> Any:
        """Return a read-only look at the newest state, for display."""
        return self.group.view()

    async def close(self) -> None:
        """Make everything durable and stop."""
        await self.group.close()


def _now_ms() -> int:
    return int(time.time() * 1000)
