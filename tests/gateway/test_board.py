"""The board's own program on real MicroPython pays at a real gateway: its client gets bytes, all books agree."""

import asyncio
import json
from pathlib import Path

import pytest

import perunika_device
from perunika_cli.stack.micropython import board_process
from perunika_host.mqtt_link import MqttLink
from tests.gateway.cast import CAPACITY_WEI, PRICE_WEI, Cast
from tests.gateway.client import Download

MAIN = Path(perunika_device.__file__).with_name("main.py")
HEAP_BYTES = 400 * 1024  # how little a board needs is tested with the board


def board_addresses(directory):
    path = directory / "keys.json"
    path.write_text(json.dumps({"keys": {"directory": "keys"}}))
    with board_process("board", MAIN, [path, "--addresses"], directory / "addresses.log") as process:
        assert process.wait(30) == 0, process.output()
        return json.loads(process.output().splitlines()[-1])


def board_config(cast, device_id):
    return {
        "site": "shop",
        "broker": {
            "host": "127.0.0.1", "port": cast.broker.site_port, "ca": str(cast.broker.ca_der), "name": "localhost",
            "user": device_id, "password": "board password",
        },
        "chain": {"id": cast.node.chain_id, "contract": "0x" + cast.contract.hex()},
        "hub": "0x" + cast.a["hub"].hex(),
        "gateway": "0x" + cast.a["shop"].hex(),
        "payer": {
            "payee": "0x" + cast.a["meter"].hex(), "budget_wei": CAPACITY_WEI, "max_unit_price_wei": PRICE_WEI,
            "max_rate_wei": 10 * PRICE_WEI, "validity_s": 3600, "every_ms": 200,
            "member": "0x" + cast.a["owner"].hex(), "channel": "0x" + cast.ids["owner"].hex(),
        },
    }  # fmt: skip


def access_of(cast, device_id):
    async def read():
        found = asyncio.get_running_loop().create_future()

        async def take(topic, raw):
            if raw and not found.done():
                found.set_result(json.loads(raw))

        async with MqttLink(cast._settings("site", device_id)) as link:
            link.subscribe(f"perunika/1/shop/{device_id}/access", take)
            return await asyncio.wait_for(found, 20)

    return cast.run(read())


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    directory = tmp_path_factory.mktemp("board")
    device_id = board_addresses(directory)["payer"].removeprefix("0x")
    with Cast(boards={"board": bytes.fromhex(device_id)}) as cast:
        cast.start_gateway("owner")
        cast.start_gateway("shop", "meter.serve_while_open=true")
        path = directory / "board.json"
        path.write_text(json.dumps(board_config(cast, device_id)))
        process = board_process(
            "board", MAIN, [path, "--log", "json", "--seconds", "6"], directory / "board.log", heap_bytes=HEAP_BYTES
        )
        with process:
            yield cast, process, device_id


def events(process, kind):
    lines = [json.loads(line) for line in process.output().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == kind]


def test_a_board_pays_every_unit_and_its_client_gets_the_bytes(board):
    cast, process, device_id = board
    cast.until(lambda: len(events(process, "acknowledged")) > 5, 30, "the board does not pay")
    access = access_of(cast, device_id)
    headers = {"Perunika-Channel": access["handle"], "Perunika-Token": access["token"]}
    download = Download(cast.ports["shop"][1], "/stream", headers)
    cast.until(lambda: download.received > 30_000, what="no bytes")
    download.stop()
    stream = cast.gateway_stream("shop", bytes.fromhex(access["virtual"][2:]))
    assert stream["served"] >= 5 and int(stream["exposure_wei"]) <= PRICE_WEI


def test_when_its_time_is_over_the_board_closes_and_the_books_of_all_agree(board):
    cast, process, device_id = board
    assert process.wait(30) == 0, process.output()[-2000:]
    cast.until(lambda: cast.hub.seen("collected"), what="the hub has not collected")
    paid = events(process, "closed")[-1]["amount"]
    assert cast.hub.seen("collected")[0]["amount"] == int(paid) > 0
    cast.until(lambda: cast.api("owner", "/v1/books")[1]["spent_wei"] == str(paid), what="the owner's books differ")
    assert cast.api("shop", "/v1/books")[1]["earned_wei"] == str(paid)
