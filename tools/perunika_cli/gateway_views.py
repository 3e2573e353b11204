"""What a running gateway tells about itself, and what it can be asked to do."""

import argparse
import time
from collections.abc import Sequence

from perunika_cli.arguments import hex_of
from perunika_cli.command import FAILED, OK
from perunika_cli.hub_views import flat, is_healthy
from perunika_cli.live import LiveStreams
from perunika_cli.output import Output, ether, fields_table, table
from perunika_cli.services import gateway_api
from perunika_cli.streams import Rates, Stream, measured, not_ended, streams_table


def run_status(arguments: argparse.Namespace, output: Output) -> int:
    """Show health, who this is, and its devices."""
    api = gateway_api(arguments)
    health, told, devices = api.health(), api.get("/v1/info"), api.get("/v1/devices")
    rows = [
        (device.get("name", ""), device.get("kind", ""), device["address"], device.get("availability", "unknown"))
        for device in devices["devices"]
    ]
    shown = [fields_table({"url": api.url, **flat(health), **flat(told)})]
    if rows:
        shown.append(table(("device", "kind", "address", "availability"), rows))
    output.answer({"health": health, "info": told, "devices": devices}, *shown)
    return OK if is_healthy(health) else FAILED


def run_streams(arguments: argparse.Namespace, output: Output) -> int:
    """Show the streams once, or follow them."""
    api, rates = gateway_api(arguments), Rates()

    def look(now_s: float) -> Sequence[Stream]:
        streams = measured(api.get("/v1/streams")["streams"], rates, now_s)
        return streams if arguments.all else not_ended(streams)

    if arguments.live:
        return LiveStreams(output, look, f"streams at {api.url}", arguments.every, arguments.duration).run()
    streams = look(time.monotonic())
    plain = {"streams": [stream.as_json() for stream in streams]}
    output.answer(plain, streams_table(streams) if streams else "no streams now")
    return OK


def run_allow(arguments: argparse.Namespace, output: Output) -> int:
    """Give a payer an allowance, change it, or pause it."""
    body = {
        "payer": hex_of(arguments.payer),
        "limit_wei": str(arguments.limit),
        "max_fee_wei": str(arguments.max_fee),
        "paused": arguments.pause,
    }
    answer = gateway_api(arguments).post("/v1/allowances", body, admin=True)
    sentence = f"{hex_of(arguments.payer)} may lock {ether(arguments.limit)} of our channel"
    output.answer(answer, sentence + (", but is paused" if arguments.pause else ""))
    return OK


def run_allowances(arguments: argparse.Namespace, output: Output) -> int:
    """List allowances."""
    answer = gateway_api(arguments).get("/v1/allowances")
    rows = [
        (
            allowance["payer"],
            ether(allowance["limit_wei"]),
            ether(allowance.get("used_wei", 0)),
            ether(allowance["max_fee_wei"]),
            "paused" if allowance["paused"] else "",
        )
        for allowance in answer["allowances"]
    ]
    columns = ("payer", ">limit", ">used", ">highest fee", "")
    output.answer(answer, table(columns, rows) if rows else "no allowances")
    return OK


def run_books(arguments: argparse.Namespace, output: Output) -> int:
    """Show earned, spent, fees."""
    answer = gateway_api(arguments).get("/v1/books")
    output.answer(answer, fields_table(flat(answer)))
    return OK


def run_close(arguments: argparse.Namespace, output: Output) -> int:
    """Close a stream, or with --channel the basic channel."""
    kind = "channels" if arguments.channel else "streams"
    answer = gateway_api(arguments).post(f"/v1/{kind}/{hex_of(arguments.id)}/close", admin=True)
    output.answer(answer, f"asked to close {hex_of(arguments.id)}", fields_table(flat(answer)))
    return OK
