"""The singleton contract as Python methods: what can be read of it, at the newest or at a confirmed block.

One ``Chain`` is one contract on one node; ``chain_actions.ChainActions`` adds the calls that cost gas.
"""

from dataclasses import dataclass
from typing import Any, Self

from perunika.errors import ChainError
from perunika_host.chain_abi import perunika_abi
from perunika_host.chain_calls import NATIVE, Params, params_fields
from perunika_host.chain_errors import explained
from perunika_host.rpc import Rpc, RpcError

CONFIRMATIONS = 2
STATUS_NONE, STATUS_OPEN, STATUS_DISPUTE, STATUS_FOLDED, STATUS_CLOSED = range(5)


@dataclass(frozen=True, slots=True)
class ChannelView:
    """A channel as of ``block`` (Unix time ``time_s``); ``status`` 0 none, 1 open, 2 dispute, 3 folded, 4 closed."""

    channel_id: bytes
    status: int
    total_wei: int
    base_wei: int
    withdraw_nonce: int
    block: int
    time_s: int


@dataclass(frozen=True, slots=True)
class DisputeView:
    """What is posted in a dispute; all zero outside one."""

    alice_to_bob_wei: int
    bob_to_alice_wei: int
    evidence_until: int
    improve_until: int
    checkpoint_version: int
    nanocontracts: int
    checkpoint_hash: bytes


class Chain:
    """Views of one contract. Every method raises ChainError: ``chain.unreachable`` asks to try again later."""

    def __init__(self, rpc: Rpc, contract: bytes, chain_id: int, confirmations: int = CONFIRMATIONS) -> None:
        self.rpc = rpc
        self.contract = contract
        self.chain_id = chain_id
        self.confirmations = confirmations

    @classmethod
    async def connect(
        cls, url: str, contract: bytes, chain_id: int | None = None, confirmations: int = CONFIRMATIONS
    ) -> Self:
        """Return a Chain after checking that this is the chain meant and that our contract lives there.

        Raises ChainError ``chain.unreachable``, ``chain.wrong-chain``, ``chain.no-contract`` or ``chain.contract``.
        """
        rpc = Rpc(url)
        try:
            chain = cls(rpc, contract, await checked_chain_id(rpc, chain_id), confirmations)
            await chain._check_contract()
        except ChainError:
            await rpc.close()
            raise
        return chain

    async def _check_contract(self) -> None:
        place = f"0x{self.contract.hex()} on chain {self.chain_id}"
        if await self.rpc.call("eth_getCode", "0x" + self.contract.hex(), "latest") == "0x":
            raise ChainError(
                "chain.no-contract", f"there is no contract at {place}", "correct contract or node, or deploy"
            )
        await self.view("minWindow")

    async def close(self) -> None:
        """Close the connection to the node."""
        await self.rpc.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def view(self, name: str, *arguments: object, block: int | None = None) -> Any:
        """Return what a view of the contract answers, at the newest block or at ``block``."""
        abi = perunika_abi()
        request = {"to": "0x" + self.contract.hex(), "data": "0x" + abi.encode_call(name, arguments).hex()}
        try:
            answer = await self.rpc.call("eth_call", request, "latest" if block is None else hex(block))
        except RpcError as error:
            raise explained(name, error) from error
        return abi.decode_answer(name, bytes.fromhex(answer[2:]))

    async def channel(self, channel_id: bytes, block: int | None = None) -> tuple[int, int, int, int]:
        """Return (total, base, withdraw nonce, status) as stored."""
        stored = await self.view("channel", channel_id, block=block)
        return stored["total"], stored["base"], stored["withdrawNonce"], stored["status"]

    async def chain_view(self, channel_id: bytes) -> ChannelView:
        """Return the channel at the newest *confirmed* block: what R13 and deposits count by."""
        number = await self.confirmed_block()
        block = await self.block(number)
        total, base, nonce, status = (
            await self.channel(channel_id, number) if await self._lived(number) else (0, 0, 0, 0)
        )
        return ChannelView(channel_id, status, total, base, nonce, number, int(block["timestamp"], 16))

    async def _lived(self, block: int) -> bool:
        """Whether the contract was there already; a fresh deployment is not, N blocks ago."""
        return bool(await self.rpc.call("eth_getCode", "0x" + self.contract.hex(), hex(block)) != "0x")

    async def dispute(self, channel_id: bytes) -> DisputeView:
        """Return what is posted in a dispute, at the newest block."""
        posted = await self.view("dispute", channel_id)
        return DisputeView(
            alice_to_bob_wei=posted["aliceToBob"],
            bob_to_alice_wei=posted["bobToAlice"],
            evidence_until=posted["evidenceUntil"],
            improve_until=posted["improveUntil"],
            checkpoint_version=posted["checkpointVersion"],
            nanocontracts=posted["nanocontracts"],
            checkpoint_hash=posted["checkpointHash"],
        )

    async def vault_wei(self, owner: bytes, asset: bytes = NATIVE, block: int | None = None) -> int:
        """Return what ``owner`` has in its vault."""
        return int(await self.view("vault", owner, asset, block=block))

    async def claims_wei(self, owner: bytes, asset: bytes = NATIVE) -> int:
        """Return what waits for ``owner`` after failed payouts."""
        return int(await self.view("claims", owner, asset))

    async def is_operator(self, owner: bytes, key: bytes) -> bool:
        """Return whether ``key`` may commit the vault of ``owner``."""
        return bool(await self.view("operatorOf", owner, key))

    async def windows_s(self) -> tuple[int, int]:
        """Return the shortest and longest challenge duration of this deployment."""
        return int(await self.view("minWindow")), int(await self.view("maxWindow"))

    async def channel_id(self, params: Params) -> bytes:
        """Return the contract's own id of a channel."""
        return bytes(await self.view("basicId", params_fields(params)))

    async def balance_wei(self, owner: bytes, block: int | None = None) -> int:
        """Return an account's coin."""
        return await self.rpc.number("eth_getBalance", "0x" + owner.hex(), "latest" if block is None else hex(block))

    async def confirmed_block(self) -> int:
        """Return the newest block that has N blocks on top of it; 0 on a chain younger than that."""
        return max(await self.rpc.number("eth_blockNumber") - self.confirmations, 0)

    async def block(self, number: int) -> dict[str, Any]:
        """Return a block's header. Raises ChainError when the node does not have it (any more)."""
        found = await self.rpc.call("eth_getBlockByNumber", hex(number), False)
        if found is None:
            raise ChainError("chain.unreachable", f"the node has no block {number}", "it may be syncing; asked again")
        return dict(found)


async def checked_chain_id(rpc: Rpc, expected: int | None) -> int:
    """Return the node's chain id. Raises ChainError ``chain.wrong-chain`` when another one is expected."""
    found = await rpc.number("eth_chainId")
    if expected is not None and found != expected:
        text = f"the node at {rpc.url} is on chain {found}, the configuration says {expected}"
        raise ChainError("chain.wrong-chain", text, "correct the node's URL or the chain id")
    return found
