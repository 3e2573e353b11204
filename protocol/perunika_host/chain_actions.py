"""Transactions with the singleton contract: deploy it, and every call that changes something.

Amounts are wei or the smallest unit of a token; ``asset`` is 20 bytes, all zero for the chain's own coin.
"""

from collections.abc import Sequence

from eth_account.signers.local import LocalAccount

from perunika.errors import ChainError
from perunika_host.chain import Chain, checked_chain_id
from perunika_host.chain_abi import perunika_abi
from perunika_host.chain_calls import (
    NATIVE,
    CheckpointPost,
    Closing,
    Evidence,
    Opening,
    Params,
    StartPermit,
    Withdrawal,
    all_fields,
    params_fields,
)
from perunika_host.chain_sender import Call, Receipt, Sender
from perunika_host.rpc import Rpc


async def deploy(rpc: Rpc, account: LocalAccount, min_window_s: int, max_window_s: int) -> tuple[bytes, Receipt]:
    """Deploy the singleton; return its address and the receipt. Raises ChainError."""
    sender = Sender(rpc, account, await checked_chain_id(rpc, None))
    receipt = await sender.send(Call("deploy", None, perunika_abi().encode_deployment((min_window_s, max_window_s))))
    if receipt.contract is None:
        raise ChainError("chain.contract", "the node names no address for the deployment", "look at the receipt")
    return receipt.contract, receipt


class ChainActions:
    """The calls that cost gas, from one account. Each returns its Receipt once it is in a block (not yet confirmed).

    Raises RevertError (refused, nothing changed) and what ``Sender.send`` raises.
    """

    def __init__(self, chain: Chain, account: LocalAccount, receipt_timeout_s: float = 120.0) -> None:
        self.chain = chain
        self.sender = Sender(chain.rpc, account, chain.chain_id, receipt_timeout_s)

    async def _send(self, name: str, *arguments: object, value_wei: int = 0) -> Receipt:
        encoded = perunika_abi().encode_call(name, arguments)
        return await self.sender.send(Call(name, self.chain.contract, encoded, value_wei))

    async def set_operator(self, key: bytes, on: bool = True) -> Receipt:
        """Let ``key`` commit the sender's vault by signing Open, or take that back."""
        return await self._send("setOperator", key, on)

    async def deposit(self, owner: bytes, amount_wei: int, asset: bytes = NATIVE) -> Receipt:
        """Add to the vault of ``owner``; a token must be approved for the contract before."""
        return await self._send("deposit", owner, asset, amount_wei, value_wei=_coin(asset, amount_wei))

    async def withdraw_vault(self, amount_wei: int, to: bytes, asset: bytes = NATIVE) -> Receipt:
        """Send part of the sender's vault to ``to``."""
        return await self._send("withdrawVault", asset, amount_wei, to)

    async def push_claim(self, owner: bytes, asset: bytes = NATIVE) -> Receipt:
        """Pay what waits for ``owner``."""
        return await self._send("pushClaim", owner, asset)

    async def open(self, opening: Opening) -> Receipt:
        """Open a channel; the member's deposit is sent along (coin) or pulled from the sender (token)."""
        value_wei = _coin(opening.params.asset, opening.member_deposit_wei)
        return await self._send("open", opening.fields(), value_wei=value_wei)

    async def open_many(self, openings: Sequence[Opening], value_wei: int = 0) -> Receipt:
        """Open many; ``value_wei`` goes to the sender's vault first, deposits come out of it. Look for EntryFailed."""
        return await self._send("openMany", all_fields(openings), value_wei=value_wei)

    async def top_up(self, params: Params, alice_side: bool, amount_wei: int) -> Receipt:
        """Add to one side of a channel."""
        value_wei = _coin(params.asset, amount_wei)
        return await self._send("topUp", params_fields(params), alice_side, amount_wei, value_wei=value_wei)

    async def withdraw_from_channel(self, params: Params, withdrawal: Withdrawal) -> Receipt:
        """Pay out what both signed; the channel goes on."""
        return await self._send("withdrawFromChannel", params_fields(params), withdrawal.fields())

    async def close(self, closing: Closing) -> Receipt:
        """End a channel as both signed."""
        return await self._send("close", closing.fields())

    async def close_many(self, closings: Sequence[Closing]) -> Receipt:
        """End many; look for EntryFailed in the receipt."""
        return await self._send("closeMany", all_fields(closings))

    async def sweep(self, params: Params) -> Receipt:
        """Free the word of a closed channel."""
        return await self._send("sweep", params_fields(params))

    async def challenge(
        self,
        params: Params,
        alice_to_bob: Evidence | None = None,
        bob_to_alice: Evidence | None = None,
        checkpoint: CheckpointPost | None = None,
        start: StartPermit | None = None,
    ) -> Receipt:
        """Start a dispute or join one, posting what is given."""
        given = (
            start or StartPermit(),
            checkpoint or CheckpointPost(),
            alice_to_bob or Evidence(),
            bob_to_alice or Evidence(),
        )
        return await self._send("challenge", params_fields(params), *(part.fields() for part in given))

    async def settle(self, params: Params, checkpoint: CheckpointPost | None = None) -> Receipt:
        """Pay out a dispute after its deadlines, with the checkpoint that was posted."""
        content = (checkpoint or CheckpointPost()).content_fields()
        return await self._send("settle", params_fields(params), content, [])


def _coin(asset: bytes, amount_wei: int) -> int:
    return amount_wei if asset == NATIVE else 0
