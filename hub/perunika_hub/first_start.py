"""What the hub's owner does once, before members can come: the contract (development chains), the grant, the vault.

The command line calls these; the running hub needs none of the owner's keys.
"""

from dataclasses import dataclass

from eth_account.signers.local import LocalAccount

from perunika.errors import LocalError
from perunika_host.chain import Chain
from perunika_host.chain_actions import ChainActions, deploy
from perunika_host.chain_sender import Receipt
from perunika_host.rpc import Rpc


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was sent (None: it was done before), and what the vault holds now, in wei."""

    grant: Receipt | None
    deposit: Receipt | None
    vault_wei: int


async def deploy_contract(
    rpc_url: str, account: LocalAccount, min_window_s: int, max_window_s: int
) -> tuple[bytes, Receipt]:
    """Deploy the contract on a development chain; return its address and the receipt. Raises ChainError."""
    async with Rpc(rpc_url) as rpc:
        return await deploy(rpc, account, min_window_s, max_window_s)


async def grant_operator(chain: Chain, owner: LocalAccount, hub: bytes) -> Receipt | None:
    """Let the hub's key commit the owner's vault, once. Raises ChainError."""
    if await chain.is_operator(_address(owner), hub):
        return None
    return await ChainActions(chain, owner).set_operator(hub)


async def fill_vault(chain: Chain, payer: LocalAccount, owner: bytes, amount_wei: int) -> Receipt:
    """Add coin of ``payer`` to the vault of ``owner``. Raises ChainError, or LocalError for an amount of 0."""
    if amount_wei <= 0:
        raise LocalError("vault.amount", "a deposit must be more than 0 wei", 'for example "1 ETH"')
    return await ChainActions(chain, payer).deposit(owner, amount_wei)


async def prepare(chain: Chain, owner: LocalAccount, hub: bytes, amount_wei: int) -> Prepared:
    """Grant the hub's key and, if ``amount_wei`` is not 0, add that to the owner's vault, all from its account."""
    grant = await grant_operator(chain, owner, hub)
    deposit = await fill_vault(chain, owner, _address(owner), amount_wei) if amount_wei else None
    return Prepared(grant, deposit, await chain.vault_wei(_address(owner)))


def _address(account: LocalAccount) -> bytes:
    return bytes.fromhex(account.address[2:])
