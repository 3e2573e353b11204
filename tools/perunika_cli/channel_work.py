"""`perunika channel show`, `close` and `top-up`: a channel that is open."""

import argparse
import asyncio
import time

from perunika.errors import ChainError, LocalError
from perunika_cli.arguments import hex_of
from perunika_cli.channel_file import ChannelFile, read_channel_file
from perunika_cli.channel_place import Place, place_of
from perunika_cli.command import OK
from perunika_cli.hub_setup import receipt_fields
from perunika_cli.output import Output, ether, fields_table
from perunika_cli.services import account, gateway_api, hub_api
from perunika_host.chain import STATUS_DISPUTE, STATUS_NONE, STATUS_OPEN
from perunika_host.chain_actions import ChainActions
from perunika_host.chain_sender import Receipt
from perunika_host.keystore import Key

STATUS_NAMES = ("none", "open", "dispute", "folded", "closed")
POLL_S = 0.5


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
