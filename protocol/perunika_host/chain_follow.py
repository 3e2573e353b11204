"""Follows the contract's events, confirmed blocks only, over restarts of node and program."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from perunika.errors import ChainError
from perunika_host.chain import Chain
from perunika_host.chain_events import ChainEvent, decode_log
from perunika_host.rpc import RpcError

MAX_RANGE_BLOCKS = 1000
RETRY_MIN_S, RETRY_MAX_S = 0.5, 30.0

log = logging.getLogger("perunika.chain")


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of the blocks first..last, all confirmed; the caller stores ``cursor`` together with what it did.

    ``time_s`` is the time of the last block, ``head`` the newest block of the chain.
    """

    first_block: int
    last_block: int
    last_hash: bytes
    time_s: int
    head: int
    events: tuple[ChainEvent, ...]

    @property
    def cursor(self) -> int:
        """Where to go on: ``follow(from_block=cursor)``."""
        return self.last_block + 1


class Follower:
    """``async for batch in Follower(chain).follow(cursor)``: never skips a block, never gives one twice.

    While the node is away it waits and tries again; ``last_error`` tells people why nothing comes.
    """

    def __init__(self, chain: Chain, poll_s: float = 1.0) -> None:
        self.chain = chain
        self.poll_s = poll_s
        self.last_error: ChainError | None = None

    async def follow(self, from_block: int, last_hash: bytes | None = None) -> AsyncIterator[Batch]:
        """Yield batches of confirmed blocks for ever, also empty ones (they carry the time of the chain).

        ``last_hash`` is the hash of block ``from_block - 1`` as stored. Raises ChainError ``chain.reorganised`` when
        that block is another one now: a reorganisation deeper than N, or another chain.
        """
        cursor, wait_s = from_block, RETRY_MIN_S
        while True:
            try:
                batch = await self._next(cursor, last_hash)
                self.last_error = None
                wait_s = RETRY_MIN_S
            except ChainError as error:
                if error.code == "chain.reorganised":
                    raise
                self._note(error)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, RETRY_MAX_S)
                continue
            if batch is None:
                await asyncio.sleep(self.poll_s)
                continue
            yield batch
            cursor, last_hash = batch.cursor, batch.last_hash

    def _note(self, error: ChainError) -> None:
        if self.last_error is None or self.last_error.code != error.code:
            log.warning("%s", error)
        self.last_error = error

    async def _next(self, cursor: int, last_hash: bytes | None) -> Batch | None:
        head = await self.chain.rpc.number("eth_blockNumber")
        last = min(head - self.chain.confirmations, cursor + MAX_RANGE_BLOCKS - 1)
        if last < cursor:
            return None
        if last_hash is not None and cursor > 0:
            await self._check_history(cursor - 1, last_hash)
        logs, last = await self._logs(cursor, last)
        block = await self.chain.block(last)
        events = sorted(
            (event for event in map(decode_log, logs) if event is not None),
            key=lambda event: (event.block, event.log_index),
        )
        last_hash = bytes.fromhex(block["hash"][2:])
        return Batch(cursor, last, last_hash, int(block["timestamp"], 16), head, tuple(events))

    async def _logs(self, first: int, last: int) -> tuple[list[dict[str, Any]], int]:
        """Return the logs of a range and its end, halved while the node finds it too large."""
        while True:
            wanted = {"address": "0x" + self.chain.contract.hex(), "fromBlock": hex(first), "toBlock": hex(last)}
            try:
                return await self.chain.rpc.call("eth_getLogs", wanted), last
            except RpcError:
                if last == first:
                    raise
                last = first + (last - first) // 2

    async def _check_history(self, number: int, expected: bytes) -> None:
        found = (await self.chain.block(number))["hash"]
        if bytes.fromhex(found[2:]) != expected:
            text = f"block {number} is {found} now, it was 0x{expected.hex()} when it was counted"
            hint = "is this the same chain? If so, stop: compare the books with the chain before going on"
            raise ChainError("chain.reorganised", text, hint)
