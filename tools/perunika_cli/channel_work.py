"""`perunika channel`: what each word does, on chain and with hub or gateway."""

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
from perunika_cli.channel_file import ChannelFile, params_json, read_channel_file
from perunika_cli.channel_place import Place, place_of, required
from perunika_cli.command import OK
from perunika_cli.hub_setup import receipt_fields
from perunika_cli.output import Output, ether, fields_table, moment
from perunika_cli.provision import refuse_existing, relative
from perunika_cli.quote import Quote, Wish, ask_quote, check_funds
from perunika_cli.services import account, gateway_api, hub_api
from perunika_host.chain import STATUS_DISPUTE, STATUS_NONE, STATUS_OPEN, Chain
from perunika_host.chain_actions import ChainActions
from perunika_host.chain_errors import RevertError
from perunika_host.chain_sender import Receipt
from perunika_host.keystore import Key

STATUS_NAMES = ("none", "open", "dispute", "folded", "closed")
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
        "deposits": f"{ether(quote.opening.member_deposit_wei)} here, {ether(quote.opening.hub_deposit_wei)} by the hub",
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
        "deposits": f"{ether(found.member_deposit_wei)} here, {ether(found.hub_deposit_wei)} by the hub",
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
        place.channel_file.unlink()
        found.write(place.channel_file)
        output.note(f"in block {receipt.block}; waiting for {chain.confirmations} more")
        await _confirmed(chain, quote.channel_id, arguments.wait)
        return found, receipt


def _ask_leave(arguments: argparse.Namespace, question: str) -> None:
    if not arguments.yes and sys.stdin.isatty() and input(f"{question} [Y/n] ").strip().lower() not in ("", "y", "yes"):
        raise LocalError("open.declined", "nothing was sent")


async def _send_open(actions: ChainActions, quote: Quote, file: Path) -> Receipt:
    """Send the transaction; when it was certainly refused, the file that announced it goes."""
    try:
        return await actions.open(quote.opening)
    except ChainError as error:
        if isinstance(error, RevertError) or error.code == "chain.funds":
            file.unlink()
        raise


async def _confirmed(chain: Chain, channel_id: bytes, wait_s: float) -> None:
    """Return when the channel is open in a confirmed block. Raises ChainError ``chain.pending`` after ``wait_s``."""
    deadline = time.monotonic() + wait_s
    while (await chain.chain_view(channel_id)).status != STATUS_OPEN:
        if time.monotonic() > deadline:
            text = f"the channel is not confirmed after {wait_s:g} s"
            raise ChainError("chain.pending", text, "it is in a block; see `perunika channel show` later")
        await asyncio.sleep(POLL_S)


def _channel_of(arguments: argparse.Namespace, place: Place) -> bytes:
    """Return the id given, or that of channel.json."""
    given: bytes | None = arguments.channel
    return given if given is not None else read_channel_file(place.channel_file).channel_id


def run_show(arguments: argparse.Namespace, output: Output) -> int:
    """Show a channel as the chain has it."""
    place = place_of(arguments)
    channel_id = _channel_of(arguments, place)
    plain = asyncio.run(_shown(place, channel_id))
    amounts = ("total_wei", "base_wei", "confirmed_total_wei")
    shown = {name.removesuffix("_wei"): ether(plain[name]) if name in amounts else plain[name] for name in plain}
    output.answer(plain, fields_table(shown))
    return OK


async def _shown(place: Place, channel_id: bytes) -> dict[str, object]:
    async with await place.connect() as chain:
        total, base, nonce, status = await chain.channel(channel_id)
        confirmed = await chain.chain_view(channel_id)
        plain: dict[str, object] = {
            "channel": hex_of(channel_id),
            "status": STATUS_NAMES[status],
            "total_wei": str(total),
            "base_wei": str(base),
            "withdraw_nonce": nonce,
            "confirmed_status": STATUS_NAMES[confirmed.status],
            "confirmed_total_wei": str(confirmed.total_wei),
            "confirmed_block": confirmed.block,
        }
        if status == STATUS_DISPUTE:
            posted = await chain.dispute(channel_id)
            plain["evidence_until"], plain["improve_until"] = posted.evidence_until, posted.improve_until
        return plain


def run_close(arguments: argparse.Namespace, output: Output) -> int:
    """Ask gateway or hub to close, wait until the chain has paid out."""
    place = place_of(arguments)
    channel_id = _channel_of(arguments, place)
    arguments.config = arguments.hub_config if arguments.via == "hub" else arguments.config
    api = hub_api(arguments) if arguments.via == "hub" else gateway_api(arguments)
    answer = api.post(f"/v1/channels/{hex_of(channel_id)}/close", admin=True)
    output.note(f"{api.who} was asked to close {hex_of(channel_id)}")
    if not arguments.wait:
        output.answer({"channel": hex_of(channel_id), "asked": answer}, "not waiting for the chain")
        return OK
    status = asyncio.run(_left(place, channel_id, arguments.wait))
    output.answer({"channel": hex_of(channel_id), "status": status}, f"the chain says: {status}; both are paid")
    return OK


async def _left(place: Place, channel_id: bytes, wait_s: float) -> str:
    """Return the status on chain as soon as the channel is not open any more."""
    deadline = time.monotonic() + wait_s
    async with await place.connect() as chain:
        while True:
            status = (await chain.channel(channel_id))[3]
            if status == STATUS_NONE:
                raise LocalError("channel.unknown", "the chain does not know this channel", "correct the id")
            if status != STATUS_OPEN:
                return STATUS_NAMES[status]
            if time.monotonic() > deadline:
                hint = "live virtual channels must end first; is the other side online? look again later"
                raise ChainError("channel.open", f"the channel is still open after {wait_s:g} s", hint)
            await asyncio.sleep(POLL_S)


def run_top_up(arguments: argparse.Namespace, output: Output) -> int:
    """Add to the member's side."""
    place = place_of(arguments)
    found = read_channel_file(place.channel_file)
    key = account(arguments, place.config_path).unlock()
    receipt, total_wei = asyncio.run(_top_up(place, found, key, arguments.amount))
    plain = {"channel": hex_of(found.channel_id), "total_wei": str(total_wei), **receipt_fields(receipt)}
    shown = {"channel": hex_of(found.channel_id), "holds now": ether(total_wei), **receipt_fields(receipt)}
    output.answer(plain, fields_table(dict(shown)))
    return OK


async def _top_up(place: Place, found: ChannelFile, key: Key, amount_wei: int) -> tuple[Receipt, int]:
    async with await place.connect() as chain:
        if (chain.chain_id, place.contract) != (found.chain_id, found.contract):
            text = f"{place.channel_file} belongs to another chain or contract"
            raise LocalError("channel.chain", text, "correct --config, --rpc or --contract")
        receipt = await ChainActions(chain, key.account).top_up(found.params, True, amount_wei)
        return receipt, (await chain.channel(found.channel_id))[0]
