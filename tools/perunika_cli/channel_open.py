"""`perunika channel quote` and `open`: an offer that is checked, one transaction, confirmations."""

import argparse
import asyncio
import sys
import time
from dataclasses import replace
from pathlib import Path

from perunika.eip712 import Domain
from perunika.errors import ChainError, LocalError
from perunika_cli.api import Api
from perunika_cli.arguments import hex_of
from perunika_cli.channel_file import ChannelFile, params_json
from perunika_cli.channel_place import Place, place_of, required
from perunika_cli.command import OK
from perunika_cli.hub_setup import receipt_fields
from perunika_cli.output import Output, ether, fields_table, moment
from perunika_cli.provision import refuse_existing, relative
from perunika_cli.quote import Quote, Wish, ask_quote, check_funds
from perunika_cli.services import account
from perunika_host.chain import STATUS_OPEN, Chain
from perunika_host.chain_actions import ChainActions
from perunika_host.chain_errors import RevertError
from perunika_host.chain_sender import Receipt
from perunika_host.keystore import Key

POLL_S = 0.5


def run_quote(arguments: argparse.Namespace, output: Output) -> int:
    """Ask for an offer, check it, show it."""
    place = place_of(arguments)
    key_owner = arguments.owner or account(arguments, place.config_path).unlock().address
    quote = asyncio.run(_quoted(place, arguments, key_owner))
    plain = quote_json(quote)
    shown = {
        "channel": hex_of(quote.channel_id),
        "hub": hex_of(quote.params.bob),
        "deposits": deposits_text(quote.opening.member_deposit_wei, quote.opening.hub_deposit_wei),
        "challenge duration": f"{quote.params.challenge_duration} s",
        "can be opened until": moment(quote.valid_until),
        "fees": fees_text(quote),
    }
    output.answer(plain, fields_table(dict(shown)))
    return OK


def quote_json(quote: Quote) -> dict[str, object]:
    """Return an offer as plain JSON values."""
    return {
        "channel": hex_of(quote.channel_id),
        "params": params_json(quote.params),
        "member_deposit_wei": str(quote.opening.member_deposit_wei),
        "hub_deposit_wei": str(quote.opening.hub_deposit_wei),
        "valid_until": quote.valid_until,
        "signature": hex_of(quote.opening.hub_signature),
        "fees": dict(quote.fees),
    }


def deposits_text(member_wei: int, hub_wei: int) -> str:
    """Return who puts in what."""
    return f"{ether(member_wei)} here, {ether(hub_wei)} by the hub"


def fees_text(quote: Quote) -> str:
    """Return the hub's prices as a sentence."""
    fees = quote.fees
    return f"{ether(fees['base'])} and {fees['ppm']} ppm of the capacity, {fees['ppm_per_day']} ppm more per day"


async def _quoted(place: Place, arguments: argparse.Namespace, owner: bytes) -> Quote:
    async with await place.connect() as chain:
        return _ask(place, arguments, owner, chain.chain_id)


def _ask(place: Place, arguments: argparse.Namespace, owner: bytes, chain_id: int) -> Quote:
    url = required(place.hub_url, "the hub's address", "name it with --hub-url, or as hub.url in gateway.toml")
    wish = Wish(
        required(place.member, "the member", "name the key that will use the channel with --member"),
        owner,
        required(place.hub, "the hub's key", "ask its operator for it and name it with --hub"),
        arguments.deposit,
        arguments.hub_deposit,
        arguments.challenge_duration,
        place.limits.fee_base_wei,
        place.limits.fee_ppm,
        place.limits.fee_ppm_per_day,
    )
    return ask_quote(Api("the hub", url), Domain(chain_id, place.contract), wish)


def run_open(arguments: argparse.Namespace, output: Output) -> int:
    """Quote, check, one transaction, wait for confirmations; channel.json is written before anything is sent."""
    place = place_of(arguments)
    refuse_existing(place.channel_file)
    key = account(arguments, place.config_path).unlock()
    found, receipt = asyncio.run(_open(place, arguments, key, output))
    plain = {**found.as_json(), **receipt_fields(receipt), "file": str(place.channel_file)}
    shown = {
        "channel": hex_of(found.channel_id),
        "deposits": deposits_text(found.member_deposit_wei, found.hub_deposit_wei),
        "transaction": hex_of(receipt.transaction),
        "gas": f"{receipt.gas_used}, {ether(receipt.fee_wei)}",
        "file": relative(place.channel_file),
    }
    output.answer(plain, fields_table(dict(shown)))
    return OK


async def _open(place: Place, arguments: argparse.Namespace, key: Key, output: Output) -> tuple[ChannelFile, Receipt]:
    async with await place.connect() as chain:
        quote = _ask(place, arguments, key.address, chain.chain_id)
        await check_funds(chain, quote)
        opening = quote.opening
        output.note(f"opening {hex_of(quote.channel_id)}; fees: {fees_text(quote)}")
        _ask_leave(arguments, f"Pay {ether(opening.member_deposit_wei)} into this channel?")
        found = ChannelFile(
            quote.params, chain.chain_id, place.contract, opening.member_deposit_wei, opening.hub_deposit_wei
        )
        found.write(place.channel_file)
        receipt = await _send_open(ChainActions(chain, key.account), quote, place.channel_file)
        found = replace(found, transaction=receipt.transaction)
        found.rewrite(place.channel_file)
        output.note(f"in block {receipt.block}; waiting for {chain.confirmations} more")
        await _confirmed(chain, quote.channel_id, arguments.wait)
        return found, receipt


def _ask_leave(arguments: argparse.Namespace, question: str) -> None:
    if not arguments.yes and sys.stdin.isatty() and input(f"{question} [Y/n] ").strip().lower() not in ("", "y", "yes"):
        raise LocalError("open.declined", "nothing was sent")


def forget(file: Path) -> None:
    """Remove the file of a channel that was never opened."""
    file.unlink(missing_ok=True)


async def _send_open(actions: ChainActions, quote: Quote, file: Path) -> Receipt:
    """Send the transaction; when it was certainly refused, the file that announced it goes."""
    try:
        return await actions.open(quote.opening)
    except ChainError as error:
        if isinstance(error, RevertError) or error.code == "chain.funds":
            forget(file)
        raise


async def _confirmed(chain: Chain, channel_id: bytes, wait_s: float) -> None:
    """Return when the channel is open in a confirmed block. Raises ChainError ``chain.pending`` after ``wait_s``."""
    deadline = time.monotonic() + wait_s
    while (await chain.chain_view(channel_id)).status != STATUS_OPEN:
        if time.monotonic() > deadline:
            text = f"the channel is not confirmed after {wait_s:g} s"
            raise ChainError("chain.pending", text, "it is in a block; see `perunika channel show` later")
        await asyncio.sleep(POLL_S)
