"""Brings agreed closes, payouts and sweeps on chain, many closes in one transaction, none twice.

The queue is in the store (``jobs``); it shrinks when the watcher sees the event in a confirmed block. Before
anything is sent, the contract is asked whether it is done already, and the gas account whether something of it
is still on its way: so a restart at any instruction sends nothing a second time.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from perunika.errors import ChainError, LocalError
from perunika.records import CLOSED, DISPUTE, OPEN, load
from perunika_host.chain_abi import perunika_abi
from perunika_host.chain_actions import ChainActions
from perunika_host.chain_calls import Closing, Withdrawal
from perunika_host.chain_errors import RevertError
from perunika_host.chain_events import EntryFailed, decode_log
from perunika_host.chain_sender import Receipt
from perunika_hub.config import SettleSection
from perunika_hub.jobs import CLOSES, SWEEPS, WITHDRAWS, CloseJob, SweepJob, WithdrawJob
from perunika_hub.shell import HubShell

log = logging.getLogger("perunika.hub.settle")

RETRY_S = 5.0
QUIET_POLL_S = 0.25
# A transaction takes a while to get into a block: what expires sooner is not sent any more.
MARGIN_S = 20


@dataclass(frozen=True, slots=True)
class Settled:
    """What one round did: channels whose close is in a block now, and the transactions."""

    closed: tuple[bytes, ...] = ()
    transactions: tuple[bytes, ...] = ()


class Settlement:
    """``run`` settles whenever ``wake`` was called; ``settle_now`` does it at once. One round at a time."""

    def __init__(
        self,
        shell: HubShell,
        actions: ChainActions,
        settings: SettleSection,
        chain_time_s: Callable[[], int],
        is_booked: Callable[[bytes], bool],
    ) -> None:
        self.shell = shell
        self.actions = actions
        self.settings = settings
        self.error: ChainError | LocalError | None = None
        self._chain_time_s = chain_time_s
        self._is_booked = is_booked
        self._wake = asyncio.Event()
        self._one_round = asyncio.Lock()
        # In a block, not yet confirmed: channel id -> block. A reorganisation may take it out again.
        self._included: dict[bytes, int] = {}
        self._foreign: list[bytes] = []

    def wake(self) -> None:
        """Something may be waiting."""
        self._wake.set()

    def confirmed(self, block: int, closes: Sequence[bytes]) -> None:
        """Blocks up to ``block`` are confirmed, with these transactions that closed channels."""
        self._foreign += [digest for digest in dict.fromkeys(closes) if not self._is_booked(digest)]
        late = [channel_id for channel_id, included in self._included.items() if included <= block]
        for channel_id in late:
            del self._included[channel_id]
        if late or self._foreign or self._sweepable():
            self._wake.set()

    def waiting(self) -> int:
        """Return how many channels wait to be closed or paid out, sent or not."""
        view = self.shell.view()
        return len(view.scan(CLOSES)) + len(view.scan(WITHDRAWS))

    async def run(self) -> None:
        """Settle for ever; what fails is tried again."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(self.settings.wait)
            self._wake.clear()
            try:
                await self.settle_now()
            except (ChainError, LocalError) as error:
                log.warning("closing waits: %s", error)
                await asyncio.sleep(RETRY_S)
                self._wake.set()

    async def settle_now(self) -> Settled:
        """Send what waits now and return once it is in a block. Raises ChainError; then it is tried again later."""
        async with self._one_round:
            try:
                done = await self._round()
            except (ChainError, LocalError) as error:
                self.error = error
                raise
            self.error = None
            return done

    async def _round(self) -> Settled:
        await self._book_foreign()
        closes = self._jobs(CLOSES, CloseJob)
        withdraws = self._jobs(WITHDRAWS, WithdrawJob)
        sweeps = self._sweepable()
        if not closes and not withdraws and not sweeps:
            return Settled()
        await self._quiet()
        closed: list[bytes] = []
        transactions: list[bytes] = []
        for start in range(0, len(closes), self.settings.batch):
            receipt = await self._close(closes[start : start + self.settings.batch], closed)
            transactions += [receipt.transaction] if receipt else []
        for withdraw in withdraws:
            receipt = await self._withdraw(withdraw)
            transactions += [receipt.transaction] if receipt else []
        for sweep in sweeps:
            receipt = await self._sweep(sweep)
            transactions += [receipt.transaction] if receipt else []
        return Settled(tuple(closed), tuple(transactions))

    def _jobs(self, prefix: bytes, cls: type[Any]) -> list[Any]:
        view = self.shell.view()
        return [load(view, cls, key) for key, _ in view.scan(prefix) if key[2:] not in self._included]

    def _sweepable(self) -> list[SweepJob]:
        now_s = self._chain_time_s()
        return [job for job in self._jobs(SWEEPS, SweepJob) if job.params.open_before < now_s]

    async def _quiet(self) -> None:
        """Wait until nothing of the gas account is on its way, as after a crash between sending and its block."""
        sender = self.actions.sender
        deadline_s = time.monotonic() + self.settings.receipt_timeout
        while True:
            counts = [
                await sender.rpc.number("eth_getTransactionCount", sender.account.address, state)
                for state in ("pending", "latest")
            ]
            if counts[0] <= counts[1]:
                return
            if time.monotonic() > deadline_s:
                text = f"a transaction of the gas account {sender.account.address} is in no block yet"
                raise ChainError(
                    "chain.pending", text, "raise its fee from a wallet, or wait; closing goes on after it"
                )
            await asyncio.sleep(QUIET_POLL_S)

    async def _close(self, jobs: Sequence[CloseJob], closed: list[bytes]) -> Receipt | None:
        ready = [job for job in jobs if await self._may_close(job)]
        if not ready:
            return None
        closings = [self._closing(job) for job in ready]
        ids = [job.close.channel_id for job in ready]
        try:
            if len(ready) == 1:
                receipt = await self.actions.close(closings[0])
            else:
                receipt = await self.actions.close_many(closings)
        except RevertError as error:
            await self._give_up(CLOSES, ids[0], error)
            return None
        self._included.update(dict.fromkeys(ids, receipt.block))
        await self._book("close" if len(ids) == 1 else "closeMany", receipt, ids)
        failed = await self._report_failed(receipt)
        closed += [channel_id for channel_id in ids if channel_id not in failed]
        return receipt

    def _closing(self, job: CloseJob) -> Closing:
        # A side that sends the transaction itself needs no signature: less calldata, one recovery less.
        own = self.actions.sender.address in (job.params.bob, job.params.bob_owner)
        return Closing(job.params, job.close.net, job.close.valid_until, job.alice, b"" if own else job.bob)

    async def _may_close(self, job: CloseJob) -> bool:
        channel_id = job.close.channel_id
        _, _, _, status = await self.actions.chain.channel(channel_id)
        if status not in (OPEN, DISPUTE):
            # Closed already: by the member, or by us before a crash. The watcher confirms it.
            self._included[channel_id] = await self.actions.chain.rpc.number("eth_blockNumber")
            return False
        if job.close.valid_until < self._chain_time_s() + MARGIN_S:
            text = "the agreed close expired before it was sent"
            await self._give_up(CLOSES, channel_id, ChainError("close.expired", text, "agree on a new one"))
            return False
        return True

    async def _withdraw(self, job: WithdrawJob) -> Receipt | None:
        channel_id, agreed = job.withdraw.channel_id, job.withdraw
        _, _, nonce, status = await self.actions.chain.channel(channel_id)
        if nonce > agreed.nonce:
            self._included[channel_id] = await self.actions.chain.rpc.number("eth_blockNumber")
            return None
        if status != OPEN or agreed.valid_until < self._chain_time_s() + MARGIN_S:
            text = "the agreed payout cannot be sent: expired, or the channel is not open"
            await self._give_up(WITHDRAWS, channel_id, ChainError("withdraw.expired", text, "agree on a new one"))
            return None
        content = Withdrawal(agreed.nonce, agreed.to_alice, agreed.to_bob, agreed.valid_until, job.alice, job.bob)
        try:
            receipt = await self.actions.withdraw_from_channel(job.params, content)
        except RevertError as error:
            await self._give_up(WITHDRAWS, channel_id, error)
            return None
        self._included[channel_id] = receipt.block
        await self._book("withdrawFromChannel", receipt, [channel_id])
        return receipt

    async def _sweep(self, job: SweepJob) -> Receipt | None:
        channel_id = job.params.digest(self.shell.party.domain)
        _, _, _, status = await self.actions.chain.channel(channel_id)
        receipt = None
        if status == CLOSED:
            receipt = await self.actions.sweep(job.params)
            await self._book("sweep", receipt, [channel_id])
        await self._drop(SWEEPS, channel_id)
        return receipt

    async def _report_failed(self, receipt: Receipt) -> set[bytes]:
        """Give up entries that the contract skipped; return their channels."""
        failed = set()
        for event in map(decode_log, receipt.logs):
            if isinstance(event, EntryFailed):
                name, fields = perunika_abi().decode_error(event.reason)
                failed.add(event.channel_id)
                if name != "WrongStatus":  # closed by somebody else meanwhile: the watcher confirms that
                    await self._give_up(CLOSES, event.channel_id, RevertError("close", name, fields))
        return failed

    async def _give_up(self, prefix: bytes, channel_id: bytes, error: ChainError) -> None:
        log.error("0x%s: %s", channel_id.hex(), error)
        await self.shell.note("settlement failed", {"channel": channel_id, "code": error.code, "text": error.text})
        await self._drop(prefix, channel_id)

    async def _drop(self, prefix: bytes, channel_id: bytes) -> None:
        await self.shell.group.run(lambda view: view.delete(prefix + channel_id))

    async def _book(self, kind: str, receipt: Receipt, channel_ids: Sequence[bytes]) -> None:
        fields: dict[str, object] = {
            "hash": receipt.transaction,
            "kind": kind,
            "gas_used": receipt.gas_used,
            "gas_price_wei": receipt.gas_price_wei,
            "block": receipt.block,
            "channels": ["0x" + channel_id.hex() for channel_id in channel_ids],
        }
        log.info("%s of %d channel(s) in block %d", kind, len(channel_ids), receipt.block, extra={"fields": fields})
        await self.shell.note("transaction", fields)

    async def _book_foreign(self) -> None:
        """Book closes of ours whose receipt was lost in a crash; those of other senders cost us nothing."""
        while self._foreign:
            digest = self._foreign[-1]
            if not self._is_booked(digest):
                found = await self.actions.chain.rpc.call("eth_getTransactionReceipt", "0x" + digest.hex())
                if found is not None and bytes.fromhex(found["from"][2:]) == self.actions.sender.address:
                    await self._book("close", _receipt(found), [])
            self._foreign.pop()


def _receipt(found: dict[str, Any]) -> Receipt:
    return Receipt(
        bytes.fromhex(found["transactionHash"][2:]),
        int(found["blockNumber"], 16),
        int(found["gasUsed"], 16),
        int(found.get("effectiveGasPrice", "0x0"), 16),
        None,
        tuple(found["logs"]),
    )
