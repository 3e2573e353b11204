"""`perunika device`: prepare a board, read its addresses, run it here."""

import argparse
from pathlib import Path
from typing import Any

from perunika.errors import LocalError
from perunika_cli.board_file import (
    Offer,
    Purchase,
    board_path,
    common_part,
    payer_part,
    read_board,
    refuse_provisioned,
    seller_part,
    write_board,
)
from perunika_cli.boards import become_board, read_addresses
from perunika_cli.channel_file import read_channel_file
from perunika_cli.command import OK
from perunika_cli.output import Output, fields_table
from perunika_cli.provision import relative
from perunika_cli.services import gateway_config
from perunika_cli.stack.micropython import find_interpreter
from perunika_gateway.config import GatewayConfig


def run_addresses(arguments: argparse.Namespace, output: Output) -> int:
    """Make the key if there is none, and print the addresses."""
    addresses = read_addresses(board_path(arguments.directory))
    output.answer(addresses, fields_table(dict(addresses)))
    return OK


def run_init(arguments: argparse.Namespace, output: Output) -> int:
    """Complete device.json, and say what gateway and broker must know."""
    _, config = gateway_config(arguments)
    purchase, offer = _purchase(arguments, config), _offer(arguments)
    path = board_path(arguments.directory)
    keys = refuse_provisioned(path)
    addresses = read_addresses(path)
    device_id = bytes.fromhex(addresses["payer" if purchase else "payee"][2:])
    content = common_part(config, keys, device_id, arguments.directory)
    if purchase:
        if purchase.own and "0x" + purchase.channel.params.alice.hex() != addresses["member"]:
            hint = f"open it with --member {addresses['member']}"
            raise LocalError("device.channel", f"{arguments.channel} is another member's channel", hint)
        content |= payer_part(config, purchase)
    if offer:
        content |= seller_part(config, offer)
    write_board(path, content)
    _tell(arguments.directory, path, addresses, content, output)
    return OK


def _purchase(arguments: argparse.Namespace, config: GatewayConfig) -> Purchase | None:
    if arguments.pay is None:
        return None
    if arguments.budget is None or arguments.max_price is None:
        raise LocalError("usage", "--pay needs --budget and --max-price", 'such as --budget "0.01 ETH"')
    own: bool = arguments.channel is not None
    channel = read_channel_file(arguments.channel or arguments.allowance or config.member.channel)
    return Purchase(arguments.pay, arguments.budget, arguments.max_price, channel, own)


def _offer(arguments: argparse.Namespace) -> Offer | None:
    if arguments.sell is None and arguments.pay is None:
        raise LocalError("usage", "the board has nothing to do", "say whom it pays (--pay) or its price (--sell)")
    return None if arguments.sell is None else Offer(arguments.sell, arguments.kind)


def _tell(directory: Path, path: Path, addresses: dict[str, str], content: dict[str, Any], output: Output) -> None:
    """Print what has to be entered elsewhere."""
    pays, broker = "payer" in content, content["broker"]
    entry = [
        "[[device]]",
        f'name = "{directory.resolve().name}"',
        f'kind = "{"payer" if pays else "seller"}"',
        f'address = "{addresses["payer" if pays else "payee"]}"',
    ]
    if "member" in content:
        entry.append(f'member = "{addresses["member"]}"')
    plain = {
        "file": str(path),
        **addresses,
        "broker_user": broker["user"],
        "broker_password": broker["password"],
        "gateway_entry": "\n".join(entry) + "\n",
    }
    output.answer(
        plain,
        fields_table({"file": relative(path), **addresses, "broker user": broker["user"]}),
        "\nFor gateway.toml:\n",
        "\n".join(entry).replace("[", "\\["),
        "\nThe broker must know this user; its password is in the file, and with --json it is printed.",
    )


def run_device(arguments: argparse.Namespace, output: Output) -> int:
    """Become the board."""
    path = arguments.directory / "device.json"
    if not path.exists():
        raise LocalError("device.file", f"there is no {path}", "run `perunika device init` first")
    if not set(read_board(path)) - {"keys"}:
        text = f"{path} holds the board's keys and nothing else"
        raise LocalError("device.file", text, "run `perunika device init`: it adds broker, hub and what to do")
    words: list[str | Path] = [path, "--log", "json" if arguments.json else "text"]
    if arguments.seconds is not None:
        words += ["--seconds", f"{arguments.seconds:g}"]
    words += ["--stay"] if arguments.stay else []
    output.note(find_interpreter().describe())
    become_board(words, arguments.heap * 1024)
