"""The clock of a metered channel: each unit is counted and stored before its bytes may flow.

A unit begins with the core's ``serve`` (durable before it returns) and lasts its full length from then on. Without
payment ``serve`` refuses: the clock stands still, nobody passes, until the next payment comes.
"""

import asyncio
import time

from perunika.errors import LocalError, PerunikaError
from perunika_gateway.sale import Sale, Serve

CHECK_S = 1.0


class UnitClock:
    """One channel's clock: runs while somebody uses it, or always when ``sale.always``."""

    def __init__(self, sale: Sale, serve: Serve) -> None:
        self.sale = sale
        self.users = 0
        self._serve = serve
        self._until_s = 0.0
        self._open = asyncio.Event()
        self._paid = asyncio.Event()
        self._ended: PerunikaError | None = None
        self._task: asyncio.Task[None] | None = None
        self._beginning = asyncio.Lock()

    @property
    def flowing(self) -> bool:
        """Whether bytes may pass at this moment."""
        return self._ended is None and time.monotonic() < self._until_s

    def paid(self) -> None:
        """A payment came: try again at once."""
        self._paid.set()

    def end(self, error: PerunikaError) -> None:
        """The channel is over: whoever waits or passes gets ``error``."""
        self._ended = error
        self._until_s = 0.0
        self._open.set()
        self._paid.set()

    async def enter(self) -> None:
        """Begin to use the channel. Raises LocalError ``unpaid`` when the present unit is not paid.

        A voucher that is just on its way is waited for, at most for one unit.
        """
        self._paid.clear()
        try:
            await self._begin_unit()
        except LocalError:
            self._raise_if_ended()
            await self._wait_for_payment(min(self.sale.unit_s, CHECK_S))
            await self._begin_unit()
        self.users += 1
        self.run()

    def leave(self) -> None:
        """Stop using the channel; the unit that has begun stays paid for the next user."""
        self.users -= 1

    def run(self) -> None:
        """Start counting units, if nobody does yet."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._count())

    async def passage(self) -> None:
        """Return as soon as bytes may flow. Raises what ended the channel."""
        while not self.flowing:
            self._raise_if_ended()
            self._open.clear()
            await self._open.wait()

    async def watch(self, grace_s: float) -> None:
        """Run until the channel was unpaid for ``grace_s`` in one go: LocalError ``unpaid``; or what ended it."""
        while True:
            try:
                async with asyncio.timeout(grace_s):
                    await self.passage()
            except TimeoutError as error:
                raise LocalError("unpaid", f"no payment came for {grace_s:g} s", "pay, then connect again") from error
            # A little longer than the unit, so that the clock's own next unit comes first.
            await asyncio.sleep(max(0.0, self._until_s - time.monotonic()) + 0.01)

    def _raise_if_ended(self) -> None:
        if self._ended is not None:
            raise self._ended

    async def _begin_unit(self) -> None:
        async with self._beginning:
            self._raise_if_ended()
            if not self.flowing:
                await self._serve(self.sale.virtual)
                self._until_s = time.monotonic() + self.sale.unit_s
                self._open.set()

    async def _count(self) -> None:
        while self._ended is None and (self.users > 0 or self.sale.always):
            if self.flowing:
                await asyncio.sleep(max(0.0, self._until_s - time.monotonic()))
                continue
            self._paid.clear()
            try:
                await self._begin_unit()
            except LocalError:
                # Unpaid, or the disk is full: a payment or a second later, whatever comes first.
                await self._wait_for_payment(CHECK_S)

    async def _wait_for_payment(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._paid.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """Stop counting."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
