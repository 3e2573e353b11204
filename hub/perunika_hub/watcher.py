"""Follows the contract and tells the core: which channels exist, what they hold, and how fresh that is (R13).

Only confirmed blocks count. The place in the chain is stored in the same commit as what was found there.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from perunika.errors import ChainError, LocalError
from perunika.records import QuoteRecord, load
from perunika_host import chain_events as events
from perunika_host.chain import Chain
from perunika_host.chain_follow import Batch, Follower
from perunika_host.group_commit import StepOverlay
from perunika_hub.chain_steps import CURSOR, ChainSteps, Freshness
from perunika_hub.shell import HubShell, basic_of, basics_by_id

log = logging.getLogger("perunika.hub.chain")

REFRESH_PER_STEP = 100
VAULT_PERIOD_S = 15.0
PRUNE_PERIOD_S = 60.0
CONNECT_RETRY_S = 2.0


@dataclass(slots=True)
class WatchState:
    """What people want to know about the way to the chain."""

    verified: bool = False
    block: int = -1
    time_s: int = 0
    vault_wei: int | None = None
    error: ChainError | None = None


class Watcher:
    """``run`` follows the chain until cancelled; ``on_confirmed(block, transactions of closes)`` after each batch."""

    def __init__(
        self,
        chain: Chain,
        shell: HubShell,
        hub: bytes,
        vault_owner: bytes,
        *,
        poll_s: float = 1.0,
        start_block: int | None = None,
        sweep: bool = False,
        on_opened: Callable[[bytes], None] = lambda member: None,
        on_confirmed: Callable[[int, list[bytes]], None] = lambda block, transactions: None,
    ) -> None:
        self.chain = chain
        self.shell = shell
        self.vault_owner = vault_owner
        self._steps = ChainSteps(shell.party, hub, sweep)
        self.start_block = start_block
        self.state = WatchState()
        self.began = asyncio.Event()
        self._follower = Follower(chain, poll_s)
        self._on_opened = on_opened
        self._on_confirmed = on_confirmed
        self._fresh = Freshness()
        self._vault_due_s = 0.0
        self._prune_due_s = 0.0

    @property
    def error(self) -> ChainError | None:
        """Why nothing comes from the chain, or None when all is well."""
        return self.state.error or self._follower.last_error

    async def run(self) -> None:
        """Follow for ever. Raises ChainError when node, chain or contract is the wrong one.

        After a reorganisation deeper than N it stops following: the views grow old and R13 refuses.
        """
        await self._verify()
        for channel_id, basic in basics_by_id(self.shell.view()):
            self._fresh.note(channel_id, basic)
        from_block, last_hash = await self._place()
        try:
            async for batch in self._follower.follow(from_block, last_hash):
                await self._take_safely(batch)
        except ChainError as error:
            if error.code != "chain.reorganised":
                raise
            self.state.error = error
            log.critical("%s; openings are refused from now on", error)

    async def _verify(self) -> None:
        """Check node, chain id and contract; wait while the node is away."""
        chain = self.chain
        while True:
            try:
                probe = await Chain.connect(chain.rpc.url, chain.contract, chain.chain_id, chain.confirmations)
                await probe.close()
                self.state.verified, self.state.error = True, None
                return
            except ChainError as error:
                if error.code != "chain.unreachable":
                    raise
                if self.state.error is None:
                    log.warning("%s", error)
                self.state.error = error
            await asyncio.sleep(CONNECT_RETRY_S)

    async def _place(self) -> tuple[int, bytes | None]:
        stored = self.shell.view().get(CURSOR)
        if stored is not None:
            from_block = int.from_bytes(stored[:8], "big")
            await self._resume(from_block - 1)
            return from_block, stored[8:]
        if self.start_block is not None:
            return self.start_block, None
        while True:
            try:
                return await self.chain.confirmed_block(), None
            except ChainError as error:
                self.state.error = error
                await asyncio.sleep(CONNECT_RETRY_S)
                self.state.error = None

    async def _resume(self, block: int) -> None:
        """Begin with what is known of the last block seen: the next one may be a while off."""
        try:
            time_s = int((await self.chain.block(block))["timestamp"], 16)
            vault_wei = await self.chain.vault_wei(self.vault_owner, block=block)
        except ChainError as error:
            log.debug("block %d cannot be read again: %s", block, error)
            return
        await self.shell.step(lambda view: self._steps.vault(view, vault_wei))
        self.state.block, self.state.time_s, self.state.vault_wei = block, time_s, vault_wei
        self.began.set()

    async def _take_safely(self, batch: Batch) -> None:
        """Take a batch, again and again while the disk is full: a block may not be skipped."""
        while True:
            try:
                await self._take(batch)
                return
            except LocalError as error:
                log.error("blocks up to %d cannot be stored: %s", batch.last_block, error)
                await asyncio.sleep(1.0)

    async def _take(self, batch: Batch) -> None:
        touched = {event.channel_id for event in batch.events if hasattr(event, "channel_id")}
        vault_wei = await self._vault(batch)
        await self.shell.step(lambda view: self._steps.apply(view, batch, vault_wei))
        self.state.block, self.state.time_s = batch.last_block, batch.time_s
        self.began.set()
        view = self.shell.view()
        for channel_id in touched:
            basic = basic_of(view, channel_id)
            self._fresh.note(channel_id, basic)
            if basic is not None:
                self._on_opened(basic.params.alice)
        await self._refresh(batch)
        await self._prune(batch)
        closes = [
            event.transaction
            for event in batch.events
            if isinstance(event, events.Closed) and basic_of(view, event.channel_id) is not None
        ]
        self._on_confirmed(batch.last_block, closes)

    async def _vault(self, batch: Batch) -> int | None:
        """Return the vault at the batch's last block when it may have changed; None to leave it as it is."""
        if not batch.events and time.monotonic() < self._vault_due_s and self.state.vault_wei is not None:
            return None
        try:
            vault_wei = await self.chain.vault_wei(self.vault_owner, block=batch.last_block)
        except ChainError as error:
            # A node that has no state of that block (just restarted, or before the deployment): asked again.
            log.debug("no vault at block %d: %s", batch.last_block, error)
            self._vault_due_s = 0.0
            return None
        self._vault_due_s = time.monotonic() + VAULT_PERIOD_S
        self.state.vault_wei = vault_wei
        return vault_wei

    async def _refresh(self, batch: Batch) -> None:
        """Renew the views of open channels without events: figures as they were, block and time of now."""
        due = self._fresh.due(batch.time_s)
        for start in range(0, len(due), REFRESH_PER_STEP):
            part = due[start : start + REFRESH_PER_STEP]
            await self.shell.step(lambda view, part=part: self._steps.renew(view, part, batch))  # type: ignore[misc]
            await asyncio.sleep(0)
        view = self.shell.view()
        for channel_id in due:
            self._fresh.note(channel_id, basic_of(view, channel_id))

    async def _prune(self, batch: Batch) -> None:
        """Forget quotes that no block can use any more: each locks liquidity and costs time at the next quote."""
        if time.monotonic() < self._prune_due_s:
            return
        self._prune_due_s = time.monotonic() + PRUNE_PERIOD_S
        view = self.shell.view()
        old = [key for key, raw in view.scan(b"q") if load(view, QuoteRecord, key).open.valid_until < batch.time_s]

        def forget(view: StepOverlay) -> list[Any]:
            for key in old:
                view.delete(key)
            return []

        if old:
            await self.shell.step(forget)
