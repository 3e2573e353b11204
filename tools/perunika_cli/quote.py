"""A hub's offer to open a basic channel: asked for, and checked before any money goes there."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perunika.crypto import verify
from perunika.eip712 import Domain
from perunika.errors import LocalError, PeerError
from perunika.structs import NATIVE, BasicParams, Open
from perunika_cli.api import Api
from perunika_cli.channel_file import params_from_json
from perunika_host.chain import Chain
from perunika_host.chain_calls import Opening


@dataclass(frozen=True, slots=True)
class Wish:
    """The channel that is wanted; ``hub`` is the pinned key, ``challenge_duration_s`` None leaves it to the hub.

    The ``max_fee_…`` bound the fees of later virtual channels.
    """

    member: bytes
    owner: bytes
    hub: bytes
    member_deposit_wei: int
    hub_deposit_wei: int
    challenge_duration_s: int | None
    max_fee_base_wei: int
    max_fee_ppm: int
    max_fee_ppm_per_day: int


@dataclass(frozen=True, slots=True)
class Quote:
    """A checked offer: the hub's signature opens exactly this channel until ``valid_until`` (Unix seconds)."""

    params: BasicParams
    channel_id: bytes
    opening: Opening
    valid_until: int
    fees: Mapping[str, Any]


def ask_quote(api: Api, domain: Domain, wish: Wish) -> Quote:
    """Ask the hub and return its offer. Raises PeerError when it differs from what was asked in any way."""
    salt = os.urandom(32)
    body: dict[str, Any] = {
        "member": "0x" + wish.member.hex(),
        "member_owner": "0x" + wish.owner.hex(),
        "member_deposit": str(wish.member_deposit_wei),
        "hub_deposit": str(wish.hub_deposit_wei),
        "salt": "0x" + salt.hex(),
    }
    if wish.challenge_duration_s is not None:
        body["challenge_duration_s"] = wish.challenge_duration_s
    answer = api.post("/v1/quotes", body)
    try:
        params = params_from_json(answer["params"])
        promise = Open(
            bytes.fromhex(answer["open"]["channel_id"][2:]),
            int(answer["open"]["member_deposit"]),
            int(answer["open"]["hub_deposit"]),
            int(answer["open"]["valid_until"]),
        )
        signature, fees = bytes.fromhex(answer["signature"][2:]), dict(answer["fees"])
    except (ValueError, KeyError, TypeError, LocalError) as error:
        raise PeerError("quote.form", f"the hub's quote cannot be read: {error!r}", "ask its operator") from error
    check_quote(domain, wish, salt, params, promise, signature, fees)
    opening = Opening(params, promise.member_deposit, promise.hub_deposit, promise.valid_until, signature)
    return Quote(params, promise.channel_id, opening, promise.valid_until, fees)


def check_quote(
    domain: Domain,
    wish: Wish,
    salt: bytes,
    params: BasicParams,
    promise: Open,
    signature: bytes,
    fees: Mapping[str, Any],
) -> None:
    """Raise PeerError unless the offer is what was asked for, signed by the pinned hub, with bearable fees."""
    duration_s = params.challenge_duration if wish.challenge_duration_s is None else wish.challenge_duration_s
    asked: dict[str, tuple[object, object]] = {
        "hub": (params.bob, wish.hub),
        "member": (params.alice, wish.member),
        "owner": (params.alice_owner, wish.owner),
        "asset": (params.asset, NATIVE),
        "challenge duration": (params.challenge_duration, duration_s),
        "salt": (params.salt, salt),
        "channel id": (promise.channel_id, params.digest(domain)),
        "member's deposit": (promise.member_deposit, wish.member_deposit_wei),
        "hub's deposit": (promise.hub_deposit, wish.hub_deposit_wei),
    }
    wrong = [name for name, (found, wanted) in asked.items() if found != wanted]
    if wrong:
        text = f"the hub's quote is not what was asked for: {', '.join(wrong)}"
        raise PeerError("quote.differs", text, "do not open it; check which hub this is")
    if not verify(promise.digest(domain), signature, wish.hub):
        hint = "it may be meant for another chain or contract"
        raise PeerError("quote.signature", "the quote is not signed by the hub's key", hint)
    _check_fees(wish, fees)


def _check_fees(wish: Wish, fees: Mapping[str, Any]) -> None:
    bounds = {"base": wish.max_fee_base_wei, "ppm": wish.max_fee_ppm, "ppm_per_day": wish.max_fee_ppm_per_day}
    for name, most in bounds.items():
        try:
            asked = int(fees[name])
        except (KeyError, ValueError, TypeError) as error:
            raise PeerError("quote.form", f"the hub names no fee {name}", "ask its operator") from error
        if asked > most:
            hint = "choose another hub, or accept more with limits.fee_* in gateway.toml"
            raise PeerError("quote.fees", f"the hub's fee {name} is {asked}, at most {most} was wanted", hint)


async def check_funds(chain: Chain, quote: Quote) -> None:
    """Raise PeerError when the hub cannot fund its side: the transaction would fail."""
    params = quote.params
    if not await chain.is_operator(params.bob_owner, params.bob):
        raise PeerError("quote.operator", "the hub's key may not use its owner's vault", "tell its operator: hub fund")
    vault_wei = await chain.vault_wei(params.bob_owner)
    if vault_wei < quote.opening.hub_deposit_wei:
        text = f"the hub's vault holds {vault_wei} wei, its side needs {quote.opening.hub_deposit_wei} wei"
        raise PeerError("quote.vault", text, "ask for a smaller --hub-deposit")
