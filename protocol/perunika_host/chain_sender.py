"""Sends transactions from one account: nonces in order, fees, receipts; survives a node that restarts."""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from perunika.errors import ChainError
from perunika_host.chain_errors import RevertError, explained, revert_error
from perunika_host.rpc import Rpc, RpcError

log = logging.getLogger("perunika.chain")

GAS_MARGIN_PERCENT = 20
TIP_WEI = 10**9
POLL_MIN_S, POLL_MAX_S = 0.05, 2.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction that is in a block: what it cost, and where its logs are."""

    transaction: bytes
    block: int
    gas_used: int
    gas_price_wei: int
    contract: bytes | None
    logs: tuple[Any, ...]

    @property
    def fee_wei(self) -> int:
        """What the sender paid for gas."""
        return self.gas_used * self.gas_price_wei


@dataclass(frozen=True, slots=True)
class Call:
    """What to send: ``to`` None deploys. ``name`` is for error texts."""

    name: str
    to: bytes | None
    input: bytes
    value_wei: int = 0
    gas: int | None = None


class Sender:
    """One account on one chain. Many coroutines may ``send`` at once; nonces are given out in order.

    Nothing else may send from this account meanwhile: the node would take one of the two.
    """

    def __init__(self, rpc: Rpc, account: LocalAccount, chain_id: int, receipt_timeout_s: float = 120.0) -> None:
        self.rpc = rpc
        self.account = account
        self.chain_id = chain_id
        self.receipt_timeout_s = receipt_timeout_s
        self.address = bytes.fromhex(account.address[2:])
        self._lock = asyncio.Lock()
        self._next_nonce = 0
        self._waiting = 0

    async def balance_wei(self) -> int:
        """Return the account's coin at the newest block."""
        return await self.rpc.number("eth_getBalance", self.account.address, "latest")

    async def send(self, call: Call) -> Receipt:
        """Send, wait until it is in a block, return the receipt.

        Raises RevertError when the contract refuses (before sending: at no cost), ChainError ``chain.funds``,
        ``chain.unreachable`` (nothing was sent), or ``chain.pending``: not seen in a block in time, it may still come.
        """
        self._waiting += 1
        try:
            async with self._lock:
                nonce = await self._nonce()
                raw, digest = await self._sign(call, nonce)
                await self._submit(call, raw, first=True)
                self._next_nonce = nonce + 1
            return await self._receipt(call, raw, digest)
        finally:
            self._waiting -= 1

    async def _sign(self, call: Call, nonce: int) -> tuple[str, str]:
        fees = await self._fees()
        gas = call.gas or await self._gas(call)
        transaction = {
            "chainId": self.chain_id,
            "nonce": nonce,
            "gas": gas,
            "value": call.value_wei,
            "data": call.input,
            **fees,
        }
        if call.to is not None:
            transaction["to"] = to_checksum_address(call.to)
        signed = self.account.sign_transaction(transaction)
        return "0x" + bytes(signed.raw_transaction).hex(), "0x" + bytes(signed.hash).hex()

    async def _nonce(self) -> int:
        pending = await self.rpc.number("eth_getTransactionCount", self.account.address, "pending")
        # While others wait, the node may not have counted theirs yet. Alone, it knows best: it may have forgotten some.
        return max(pending, self._next_nonce) if self._waiting > 1 else pending

    async def _gas(self, call: Call) -> int:
        try:
            estimate = await self.rpc.number("eth_estimateGas", self._as_request(call))
        except RpcError as error:
            raise explained(call.name, error) from error
        return estimate + estimate * GAS_MARGIN_PERCENT // 100

    def _as_request(self, call: Call) -> dict[str, str]:
        request = {"from": self.account.address, "value": hex(call.value_wei), "data": "0x" + call.input.hex()}
        if call.to is not None:
            request["to"] = "0x" + call.to.hex()
        return request

    async def _fees(self) -> dict[str, Any]:
        block = await self.rpc.call("eth_getBlockByNumber", "latest", False)
        if "baseFeePerGas" not in block:
            return {"gasPrice": await self.rpc.number("eth_gasPrice")}
        try:
            tip_wei = await self.rpc.number("eth_maxPriorityFeePerGas")
        except RpcError:
            tip_wei = TIP_WEI  # not every node knows this call
        # Room for the base fee to double: six full blocks in a row.
        return {
            "type": 2,
            "maxPriorityFeePerGas": tip_wei,
            "maxFeePerGas": 2 * int(block["baseFeePerGas"], 16) + tip_wei,
        }

    async def _submit(self, call: Call, raw: str, first: bool) -> None:
        try:
            await self.rpc.call("eth_sendRawTransaction", raw)
        except RpcError as error:
            if first or not _already_there(error):
                raise explained(call.name, error) from error
        except ChainError:
            # The answer was lost, perhaps the transaction was not: go on as if sent, and send the same bytes again.
            log.warning("no answer to %s, sending it again later", call.name)

    async def _receipt(self, call: Call, raw: str, digest: str) -> Receipt:
        deadline = time.monotonic() + self.receipt_timeout_s
        poll_s = POLL_MIN_S
        last: ChainError | None = None
        while time.monotonic() < deadline:
            try:
                found = await self.rpc.call("eth_getTransactionReceipt", digest)
                if found is not None:
                    return await self._judged(call, found)
                if poll_s >= POLL_MAX_S:
                    await self._submit(call, raw, first=False)
            except RevertError:
                raise
            except ChainError as error:
                last = error  # the node restarts; the transaction may be in its blocks already
            await asyncio.sleep(poll_s)
            poll_s = min(poll_s * 1.5, POLL_MAX_S)
        text = f"{call.name} ({digest}) is in no block after {self.receipt_timeout_s:g} s" + (
            f": {last.text}" if last else ""
        )
        raise ChainError("chain.pending", text, "it may still come: look for it before sending it again")

    async def _judged(self, call: Call, found: dict[str, Any]) -> Receipt:
        receipt = Receipt(
            bytes.fromhex(found["transactionHash"][2:]),
            int(found["blockNumber"], 16),
            int(found["gasUsed"], 16),
            int(found.get("effectiveGasPrice", "0x0"), 16),
            bytes.fromhex(found["contractAddress"][2:]) if found.get("contractAddress") else None,
            tuple(found["logs"]),
        )
        if int(found["status"], 16) == 1:
            return receipt
        raise await self._why(call, receipt)

    async def _why(self, call: Call, receipt: Receipt) -> RevertError:
        """Ask the node to run the failed call again, to learn the reason."""
        try:
            await self.rpc.call("eth_call", self._as_request(call), hex(receipt.block - 1))
        except RpcError as error:
            if error.revert is not None:
                return revert_error(call.name, error.revert)
        return RevertError(call.name, "unknown", {"text": "failed in its block, cost " + str(receipt.fee_wei) + " wei"})


def _already_there(error: RpcError) -> bool:
    message = error.message.lower()
    return "already known" in message or "already imported" in message or "nonce too low" in message
