"""Many steps, one flush: group commit for asyncio, without giving up store-then-send.

A step runs at once, on a view that includes what earlier steps wrote, also when that is still on its way to
disk. Its result is handed back only when everything it saw and wrote is durable. While one batch is being
flushed in a worker thread, the next one gathers.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from perunika.errors import LocalError
from perunika.store import Overlay
from perunika_host.sqlite_store import NewEvent, SqliteStore, event_json

T = TypeVar("T")

MAX_BATCH = 512


class StepOverlay(Overlay):
    """What a step reads and writes: an Overlay that also takes lines for the journal."""

    def __init__(self, store: object, now: Callable[[], float]) -> None:
        super().__init__(store)
        self.now = now
        self.events: list[NewEvent] = []

    def put(self, key: bytes, value: bytes) -> None:
        """Set a register. Raises LocalError unless both are bytes: SQLite would store text as other keys."""
        if not isinstance(key, bytes) or not isinstance(value, bytes):
            raise LocalError(
                "store.type", f"keys and values are bytes, not {type(key).__name__}, {type(value).__name__}"
            )
        super().put(key, value)

    def record(self, kind: str, fields: Mapping[str, object]) -> None:
        """Append a line to the journal, in the same commit as the step's writes."""
        self.events.append(NewEvent(self.now(), kind, event_json(fields)))

    def absorb(self, step: "StepOverlay") -> None:
        """Take over everything a finished step wrote."""
        self.writes.update(step.writes)
        self.events.extend(step.events)


class _Batch:
    """Steps that share one flush. ``done`` ends with None, or with the LocalError of the commit."""

    def __init__(self, below: object, now: Callable[[], float], done: asyncio.Future[None]) -> None:
        self.overlay = StepOverlay(below, now)
        self.done = done
        self.steps = 0


class GroupCommit:
    """Runs steps in order of arrival and commits them in batches; belongs to one event loop.

    When a flush fails (disk full), every step of that batch and every step that built on it gets the LocalError,
    the view falls back to what is durable, and later steps are tried again. Nothing outside the overlay
    may therefore remember a step's outcome before ``run`` returns.
    """

    def __init__(self, store: SqliteStore, max_batch: int = MAX_BATCH) -> None:
        self.store = store
        self.max_batch = max_batch
        self.batches = 0
        self.steps = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._open: _Batch | None = None
        self._flushing: _Batch | None = None
        self._closed = False

    async def run(self, step: Callable[[StepOverlay], T]) -> T:
        """Run ``step`` on the newest state and return its result once that is durable.

        What the step raises (PeerError, …) passes to the caller at once and leaves no writes. Cancelling the
        caller does not undo a step that ran. Raises LocalError when the commit failed or the group is closed.
        """
        while self._open is not None and self._open.steps >= self.max_batch:
            await asyncio.wait([self._open.done if self._flushing is None else self._flushing.done])
        if self._closed:
            raise LocalError("store.closed", "the store is shutting down", "send the request again after the restart")
        batch = self._open or self._begin()
        overlay = StepOverlay(batch.overlay, self.store.now)
        result = step(overlay)
        seen = self._join(batch, overlay)
        if seen is not None:
            await self._durable(seen)
        return result

    def view(self) -> Overlay:
        """Return a read-only look at the newest state, durable or not: for display, never for a message."""
        return Overlay(self._open.overlay if self._open else self._below())

    def _below(self) -> object:
        return self._flushing.overlay if self._flushing else self.store

    def _begin(self) -> _Batch:
        return _Batch(self._below(), self.store.now, asyncio.get_running_loop().create_future())

    def _join(self, batch: _Batch, overlay: StepOverlay) -> _Batch | None:
        """Put a finished step into the batch; return the batch whose flush its result must wait for."""
        self.steps += 1
        if not overlay.writes and not overlay.events:
            return self._open or self._flushing
        batch.overlay.absorb(overlay)
        batch.steps += 1
        if self._open is None:
            self._open = batch
            if self._flushing is None:
                # Not now: coroutines that are ready in this turn of the loop join the same flush.
                asyncio.get_running_loop().call_soon(self._flush)
        return batch

    async def _durable(self, batch: _Batch) -> None:
        # wait() and not "await done": cancelling one waiter must not cancel the future of all.
        await asyncio.wait([batch.done])
        error = batch.done.exception()
        if isinstance(error, LocalError):
            raise LocalError(error.code, error.text, error.hint) from error
        batch.done.result()

    def _flush(self) -> None:
        batch, self._open = self._open, None
        if batch is None:
            return
        self._flushing = batch
        writes, events = batch.overlay.writes, batch.overlay.events
        commit = asyncio.get_running_loop().run_in_executor(self._thread, self.store.commit, writes, events)
        commit.add_done_callback(lambda future: self._flushed(batch, future))

    def _flushed(self, batch: _Batch, commit: asyncio.Future[None]) -> None:
        self._flushing = None
        self.batches += 1
        error = commit.exception()
        if error is None:
            if self._open is not None:
                self._open.overlay.store = self.store
            batch.done.set_result(None)
        else:
            self._fail(batch, error)
        if self._open is not None:
            self._flush()

    def _fail(self, batch: _Batch, error: BaseException) -> None:
        """End a batch and the one that built on it with the error of the commit."""
        for failed in (batch, self._open):
            if failed is not None:
                failed.done.set_exception(error)
                # Read it once: a batch whose callers were all cancelled must not warn at collection.
                failed.done.exception()
        self._open = None

    async def close(self) -> None:
        """Refuse new steps, wait until everything that ran is durable, end the worker thread."""
        self._closed = True
        while (last := self._open or self._flushing) is not None:
            await asyncio.wait([last.done])
        self._thread.shutdown()
