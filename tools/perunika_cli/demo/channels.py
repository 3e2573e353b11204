"""Contract, vault and basic channels of the demo, on the demo's own chain, through the same client as everybody."""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from perunika.errors import PeerError, PerunikaError
from perunika.structs import BasicParams
from perunika_cli.demo.web import ask
from perunika_host.chain import Chain
from perunika_host.chain_actions import ChainActions, deploy
from perunika_host.chain_calls import Opening
from perunika_host.rpc import Rpc

MIN_WINDOW_S = 60
MAX_WINDOW_S = 30 * 86400
CHALLENGE_S = 3600
CONFIRMED_S = 30.0


@dataclass(frozen=True, slots=True)
class OpenChannel:
    """A channel that its owner has opened: parameters, id, deposits in wei."""

    params: BasicParams
    channel_id: bytes
    member_wei: int
    hub_wei: int


def account_of(private_key: str | bytes) -> LocalAccount:
    """Return the account that signs transactions with ``private_key``."""
    account: LocalAccount = Account.from_key(private_key)
    return account


def address_of(account: LocalAccount) -> bytes:
    return bytes.fromhex(account.address[2:])


async def found(rpc_url: str, deployer: LocalAccount, hub_owner: LocalAccount, hub: bytes, vault_wei: int) -> bytes:
    """Deploy the contract, let ``hub`` commit its owner's vault and fill it; return the contract's address."""
    async with Rpc(rpc_url) as rpc:
        contract, _ = await deploy(rpc, deployer, MIN_WINDOW_S, MAX_WINDOW_S)
    async with await Chain.connect(rpc_url, contract) as chain:
        actions = ChainActions(chain, hub_owner)
        await actions.set_operator(hub)
        await actions.deposit(address_of(hub_owner), vault_wei)
    return contract


async def open_channel(
    rpc_url: str,
    contract: bytes,
    hub_url: str,
    hub: bytes,
    owner: LocalAccount,
    member: bytes,
    deposits: tuple[int, int],
) -> OpenChannel:
    """Get a quote for ``member``, check it against what was asked, open the channel with one transaction of ``owner``.

    Raises PeerError("quote.wrong") when the hub's answer differs from the question.
    """
    salt = os.urandom(32)
    question = {
        "member": _hex(member), "member_owner": owner.address.lower(), "member_deposit": str(deposits[0]),
        "hub_deposit": str(deposits[1]), "challenge_duration_s": CHALLENGE_S, "salt": _hex(salt),
    }  # fmt: skip
    quote = await _quote(hub_url, question)
    params = read_params(quote["params"])
    wanted = (member, hub, address_of(owner), CHALLENGE_S, salt)
    if (params.alice, params.bob, params.alice_owner, params.challenge_duration, params.salt) != wanted:
        raise PeerError("quote.wrong", "the hub quoted another channel than was asked for", "ask another hub")
    promise = quote["open"]
    opening = Opening(params, deposits[0], deposits[1], int(promise["valid_until"]), _bytes(quote["signature"]))
    async with await Chain.connect(rpc_url, contract) as chain:
        await ChainActions(chain, owner).open(opening)
        channel_id = await chain.channel_id(params)
    return OpenChannel(params, channel_id, deposits[0], deposits[1])


async def _quote(hub_url: str, question: dict[str, object]) -> Any:
    """Return the hub's quote; waits while its vault's deposit is not confirmed yet."""
    deadline_s = time.monotonic() + CONFIRMED_S
    while True:
        try:
            return ask(f"{hub_url}/v1/quotes", question)
        except PerunikaError as error:
            if error.code != "quote.liquidity" or time.monotonic() > deadline_s:
                raise
        await asyncio.sleep(0.5)


def read_params(plain: Mapping[str, Any]) -> BasicParams:
    """Return the BasicParams in a hub's JSON answer."""
    return BasicParams(*[_field(kind, plain[name]) for name, kind in BasicParams.FIELDS])


def plain_params(params: BasicParams) -> dict[str, Any]:
    """Return ``params`` as JSON values, as `perunika channel open` writes them."""
    return {
        name: _hex(value) if isinstance(value, bytes) else value
        for (name, _), value in zip(params.FIELDS, params.row(), strict=True)
    }


def _field(kind: object, value: Any) -> Any:
    return int(value) if str(kind).startswith("uint") else _bytes(value)


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _bytes(value: str) -> bytes:
    return bytes.fromhex(value.removeprefix("0x"))
