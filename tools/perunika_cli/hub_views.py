"""What a running hub tells about itself, as tables."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from perunika_cli.command import FAILED, OK
from perunika_cli.output import Output, ether, fields_table, moment, short, table
from perunika_cli.services import hub_api


def run_status(arguments: argparse.Namespace, output: Output) -> int:
    """Show health and who this is."""
    api = hub_api(arguments)
    health, info = api.health(), api.get("/v1/info")
    output.answer({"health": health, "info": info}, fields_table({"url": api.url, **flat(health), **flat(info)}))
    return OK if is_healthy(health) else FAILED


def is_healthy(health: Mapping[str, Any]) -> bool:
    """Whether a service says that everything it needs is there."""
    return health.get("ok") is True or health.get("status") == "ok"


def flat(fields: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Return nested JSON as dotted names; wei become ETH."""
    found: dict[str, object] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping):
            found.update(flat(value, prefix + name + "."))
        elif name.endswith("_wei") and str(value).isdigit():
            found[prefix + name.removesuffix("_wei")] = ether(value)
        elif not isinstance(value, list):
            found[prefix + name] = value
        elif not any(isinstance(entry, Mapping) for entry in value):
            found[prefix + name] = ", ".join(str(entry) for entry in value)
    return found


CHANNEL_COLUMNS = ("channel", "member", "status", ">base", ">total", ">member paid", ">hub paid", ">live")


def channel_row(channel: Mapping[str, Any]) -> Sequence[object]:
    """Return one basic channel as a row of CHANNEL_COLUMNS."""
    return (
        channel["id"],
        short(channel["params"]["alice"]),
        channel["status"],
        ether(channel["base"]),
        ether(channel["total"]),
        ether(channel["member_paid"]),
        ether(channel["hub_paid"]),
        channel.get("live", ""),
    )


def run_channels(arguments: argparse.Namespace, output: Output) -> int:
    """List basic channels."""
    channels = hub_api(arguments).all("/v1/channels", "channels")
    rows = [channel_row(channel) for channel in channels]
    output.answer({"channels": channels}, table(CHANNEL_COLUMNS, rows) if rows else "no channels yet")
    return OK


def virtual_row(virtual: Mapping[str, Any]) -> Sequence[object]:
    """Return one virtual channel as a row."""
    params = virtual["params"]
    return (
        virtual["id"],
        virtual["phase"],
        short(params["payer"]),
        short(params["payee"]),
        ether(params["payer_capacity"]),
        ether(virtual["proved"]),
        ether(virtual["fee"]),
        moment(params["validity"]),
    )


def run_virtuals(arguments: argparse.Namespace, output: Output) -> int:
    """List virtual channels."""
    virtuals = hub_api(arguments).all("/v1/virtuals", "virtuals")
    rows = [virtual_row(virtual) for virtual in virtuals]
    columns = ("virtual channel", "phase", "payer", "payee", ">capacity", ">proved", ">fee", "valid until")
    output.answer({"virtuals": virtuals}, table(columns, rows) if rows else "no virtual channels")
    return OK


def run_books(arguments: argparse.Namespace, output: Output) -> int:
    """Show fees, money and gas."""
    answer = hub_api(arguments).get("/v1/books")
    transactions = [
        (spent["kind"], spent["gas_used"], ether(int(spent["gas_used"]) * int(spent["gas_price_wei"])), spent["hash"])
        for spent in answer.get("transactions", [])
    ]
    shown = [fields_table(flat(answer))]
    if transactions:
        shown.append(table(("transaction", ">gas", ">cost", "hash"), transactions))
    output.answer(answer, *shown)
    return OK


def run_settle(arguments: argparse.Namespace, output: Output) -> int:
    """Close one channel if asked, then send what waits."""
    api = hub_api(arguments)
    answers = {}
    if arguments.close is not None:
        answers["close"] = api.post(f"/v1/channels/0x{arguments.close.hex()}/close", admin=True)
    answers["settle"] = api.post("/v1/settle", admin=True)
    output.answer(answers, fields_table(flat(answers)))
    return OK
