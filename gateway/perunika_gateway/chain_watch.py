"""What the chain shows of our channel, kept fresh (R13), and looked up for devices that ask about any channel."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from perunika.errors import ChainError, PerunikaError
from perunika.messages import Message
from perunika_host.chain import Chain, ChannelView, checked_chain_id
from perunika_host.chain_follow import Batch, Follower

log = logging.getLogger("perunika.gateway.chain")

MAX_LOOKS = 32
RETRY_S = 1.0

Request = Callable[..., Awaitable[list[Any]]]
Refuse = Callable[[Message], Awaitable[None]]


class ChainWatch:
    """Feeds confirmed figures to ``member`` and answers its ``Look`` effects; a node that is down is waited for."""

    def __init__(
        self, chain: Chain, channel_id: bytes, member: bytes, request: Request, refuse: Refuse, refresh_s: float
    ) -> None:
        self.chain = chain
        self.channel_id = channel_id
        self.refused_looks = 0
        self.last: ChannelView | None = None
        self._member = member
        self._request = request
        self._refuse = refuse
        self._refresh_s = refresh_s
        self._follower = Follower(chain, min(1.0, refresh_s))
        self._told_s = 0.0
        self._error: PerunikaError | None = None
        self._looks: set[asyncio.Task[None]] = set()

    @property
    def last_error(self) -> PerunikaError | None:
        """Why no news comes from the chain, or None."""
        return self._follower.last_error or self._error

    async def run(self) -> None:
        """Follow the chain for ever; after a deep reorganisation start again from what is confirmed now."""
        while True:
            try:
                await self._follow()
            except PerunikaError as error:
                if str(error) != str(self._error):
                    log.warning("%s", error)
                self._error = error
                await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        await checked_chain_id(self.chain.rpc, self.chain.chain_id)
        view = await self.chain.chain_view(self.channel_id)
        await self._tell(view)
        async for batch in self._follower.follow(view.block + 1):
            await self._take(batch)

    async def _take(self, batch: Batch) -> None:
        """Read the channel again when an event names it, else renew the known figures' block and time."""
        touched = any(getattr(event, "channel_id", None) == self.channel_id for event in batch.events)
        if touched or self.last is None or self.last.status == 0:
            total, base, nonce, status = await self.chain.channel(self.channel_id, batch.last_block)
            await self._tell(
                ChannelView(self.channel_id, status, total, base, nonce, batch.last_block, batch.time_s)
            )  # fmt: skip
        elif time.monotonic() - self._told_s >= self._refresh_s:
            old = self.last
            await self._tell(
                ChannelView(
                    self.channel_id, old.status, old.total_wei, old.base_wei, old.withdraw_nonce, batch.last_block,
                    batch.time_s,
                )
            )  # fmt: skip

    async def _tell(self, view: ChannelView) -> None:
        await self._request(
            self._member, "chain", channel_id=view.channel_id, status=view.status, base=view.base_wei,
            total=view.total_wei, withdraw_nonce=view.withdraw_nonce, block=view.block, time_s=view.time_s,
        )  # fmt: skip
        if self.last is None or view.status != self.last.status:
            log.info("our channel has status %d at block %d", view.status, view.block)
        self.last = view
        self._told_s = time.monotonic()
        self._error = None

    def look(self, look: Any) -> None:
        """Start answering a ``Look``; beyond MAX_LOOKS at a time it is refused, the asker asks again."""
        if len(self._looks) >= MAX_LOOKS:
            self.refused_looks += 1
            return
        task = asyncio.create_task(self._look(look))
        self._looks.add(task)
        task.add_done_callback(self._looks.discard)

    async def _look(self, look: Any) -> None:
        try:
            view = await self.chain.chain_view(look.channel)
            await self._request(
                look.viewer, "looked", look=look, status=view.status, base=view.base_wei, total=view.total_wei,
                block=view.block, time_s=view.time_s,
            )  # fmt: skip
        except ChainError as error:
            self.refused_looks += 1
            body = {"code": error.code[:40], "text": error.text[:150]}
            await self._refuse(Message("Error", body, look.request_id, look.to, look.viewer))
        except PerunikaError as error:
            log.error("a chain view could not be given: %s", error)

    async def close(self) -> None:
        """End what is under way."""
        for task in list(self._looks):
            task.cancel()
        await asyncio.gather(*self._looks, return_exceptions=True)
