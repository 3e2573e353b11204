"""The HTTP meter: bytes flow for a client while its device pays, and only then."""

import json
import time

import pytest

from perunika.errors import LocalError
from tests.gateway.cast import PRICE_WEI, UNIT_S
from tests.gateway.client import Download, get


@pytest.fixture(scope="module")
def gate(cast):
    cast.start_gateway("shop")
    device = cast.payer1()
    virtual, headers = cast.buy_gate(device)
    return cast, device, virtual, headers


def meter_port(cast):
    return cast.ports["shop"][1]


def test_without_a_channel_the_gate_asks_for_payment_and_says_what_it_costs(gate):
    cast, *_ = gate
    status, _, body = get(meter_port(cast), "/hello")
    told = json.loads(body)
    assert status == 402
    assert (told["price_wei"], told["unit_ms"]) == (str(PRICE_WEI), "200")
    assert told["payee"] == "0x" + cast.a["meter"].hex()
    assert told["error"]["code"] == "access.denied"


def test_a_stranger_cannot_use_somebody_elses_channel(gate):
    cast, _, virtual, headers = gate
    asked = len(cast.upstream.requests)
    for wrong in (
        {},
        {"Perunika-Token": "0" * 64},
        {"Perunika-Token": "ä"},
        {"Perunika-Token": headers["Perunika-Token"][:-1]},
    ):
        for channel in (headers["Perunika-Channel"], "0x" + virtual.hex()):
            status, _, body = get(meter_port(cast), "/hello", {"Perunika-Channel": channel, **wrong})
            assert (status, json.loads(body)["error"]["code"]) == (403, "access.denied")
    assert len(cast.upstream.requests) == asked


def test_a_paying_client_gets_the_service_unchanged_and_the_service_sees_no_token(gate):
    cast, _, virtual, headers = gate
    status, answered, body = get(meter_port(cast), "/hello?a=1%20b", headers)
    assert (status, body, answered["X-Service"]) == (200, b"hello /hello?a=1%20b", "yes")
    assert not [name for name in cast.upstream.requests[-1] if name.lower().startswith("perunika")]
    by_id = {**headers, "Perunika-Channel": "0x" + virtual.hex()}
    assert get(meter_port(cast), "/echo", by_id, "POST", b"z" * 100_000)[2] == b"z" * 100_000


def test_bytes_flow_while_the_device_pays_and_stop_when_it_stops(gate):
    cast, device, virtual, headers = gate
    download = Download(meter_port(cast), "/stream", headers)
    try:
        cast.until(lambda: download.received > 20_000, what="no bytes")
        paid = device.stream().paid()
        assert download.bytes_in(5 * UNIT_S) > 10_000
        assert device.stream().paid() >= paid + 3 * PRICE_WEI

        cast.run(silence(device))
        cast.until(lambda: download.bytes_in(0.3) == 0, 3, "bytes flow without payment")
        stream = cast.gateway_stream("shop", virtual)
        assert stream["served"] * PRICE_WEI - int(stream["paid_wei"]) <= PRICE_WEI, "more than the exposure was served"
        assert download.status == 200 and not download.ended
        status, _, body = get(meter_port(cast), "/hello", headers)
        assert (status, json.loads(body)["error"]["code"]) == (402, "unpaid")

        cast.run(speak(device))
        cast.until(lambda: download.bytes_in(0.3) > 5_000, 5, "payment did not bring the bytes back")
    finally:
        download.stop()


async def silence(device):
    """The device stops paying, as if its radio were gone."""
    for task in device.tasks:
        task.cancel()
    device.tasks = []


async def speak(device):
    import asyncio

    device.tasks = [asyncio.create_task(device.shell.run_ticks(0.05))]


def test_after_the_grace_an_unpaid_download_is_cut_not_completed(gate):
    cast, device, _, headers = gate
    download = Download(meter_port(cast), "/stream", headers)
    cast.until(lambda: download.received > 5_000, what="no bytes")
    cast.run(silence(device))
    cast.until(lambda: download.ended, 6, "the unpaid connection is still there after the grace")
    assert not download.complete
    cast.run(speak(device))


def test_two_connections_of_one_channel_cost_one_unit_per_unit_of_time(gate):
    cast, _, virtual, headers = gate
    downloads = [Download(meter_port(cast), "/stream", headers) for _ in range(2)]
    cast.until(lambda: all(d.received > 5_000 for d in downloads), what="no bytes")
    served, began_s = cast.gateway_stream("shop", virtual)["served"], time.monotonic()
    time.sleep(6 * UNIT_S)
    units = cast.gateway_stream("shop", virtual)["served"] - served
    assert 2 <= units <= (time.monotonic() - began_s) / UNIT_S + 1
    for download in downloads:
        download.stop()


def test_nobody_is_charged_while_no_client_is_connected(gate):
    cast, device, virtual, _ = gate
    time.sleep(2 * UNIT_S)
    served = cast.gateway_stream("shop", virtual)["served"]
    time.sleep(5 * UNIT_S)
    assert cast.gateway_stream("shop", virtual)["served"] == served


def test_closing_collects_what_was_paid_and_ends_the_access(gate):
    cast, device, virtual, headers = gate
    paid = device.stream().paid()
    cast.close(device, virtual)
    cast.until(lambda: cast.gateway_stream("shop", virtual)["phase"] == "paid", what="the payee was not paid")
    earned = int(cast.api("shop", "/v1/books")[1]["earned_wei"])
    assert earned == device.stream().paid() >= paid
    assert get(meter_port(cast), "/hello", headers)[0] == 403
    cast.until(lambda: device.access == b"", what="the access topic still holds a token")
    with pytest.raises(LocalError):
        cast.run(device.request(device.id, "pay", virtual_id=virtual, amount=1))
