"""Ends and outages: kill -9, SIGTERM, lost disks, lost memory, broker and node away; nothing is lost."""

import signal
import sqlite3
import time

import pytest

from perunika.records import PAYEE, Basic, Stream, basic_key, load, scan
from perunika_gateway.two_places import COUNTER
from perunika_host.sqlite_store import SqliteStore
from tests.gateway.cast import PRICE_WEI, UNIT_S
from tests.gateway.client import Download, get


@pytest.fixture(scope="module")
def gate(cast):
    cast.start_gateway("shop")
    device = cast.payer1()
    virtual, headers = cast.buy_gate(device)
    return cast, device, virtual, headers


def place(cast, name):
    return cast.directory / "shop" / name / "gateway.sqlite"


def stored_stream(path):
    with SqliteStore(path, read_only=True) as store:
        return scan(store, Stream, b"s" + bytes((PAYEE,)))[0]


def download_until(cast, headers, minimum=10_000):
    download = Download(cast.ports["shop"][1], "/stream", headers)
    cast.until(lambda: download.received > minimum, what="no bytes")
    return download


def test_kill_9_at_any_time_finds_the_payment_of_every_served_unit_in_both_places(gate):
    cast, device, virtual, headers = gate
    for pause_s in (0.11, 0.29, 0.47):
        download = download_until(cast, headers)
        time.sleep(pause_s)
        cast.gateways["shop"].kill()
        for name in ("first", "second"):
            stream = stored_stream(place(cast, name))
            assert stream.paid() >= device.stream().acked
            assert stream.served * PRICE_WEI <= stream.paid() + PRICE_WEI
        assert stored_stream(place(cast, "first")).served * UNIT_S * 60_000 >= download.received * 0.5
        download.stop()
        cast.start_gateway("shop")


def test_after_a_restart_the_same_channel_token_and_handle_go_on(gate):
    cast, device, virtual, headers = gate
    before = device.stream().paid()
    download = download_until(cast, headers)
    cast.until(lambda: device.stream().acked > before + 2 * PRICE_WEI, what="payment does not go on")
    download.stop()


def test_sigterm_ends_in_order_and_leaves_the_channel_open(gate):
    cast, device, virtual, headers = gate
    process = cast.gateways["shop"]
    process.signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert stored_stream(place(cast, "first")).phase == "serving"
    cast.start_gateway("shop")
    assert get(cast.ports["shop"][1], "/hello", headers)[0] == 200


def test_a_lost_database_is_restored_from_the_second_place(gate):
    cast, device, virtual, headers = gate
    cast.gateways["shop"].kill()
    paid = stored_stream(place(cast, "second")).paid()
    for path in place(cast, "first").parent.iterdir():
        path.unlink()
    cast.start_gateway("shop")
    shown = cast.gateway_stream("shop", virtual)
    assert int(shown["paid_wei"]) >= paid > 0 and shown["phase"] == "serving"
    assert cast.api("shop", "/v1/channels")[1]["channels"][0]["frozen"] is False
    download_until(cast, headers).stop()


def test_a_lost_second_place_is_filled_again(gate):
    cast, device, virtual, headers = gate
    cast.gateways["shop"].kill()
    for path in place(cast, "second").parent.iterdir():
        path.unlink()
    cast.start_gateway("shop")
    first, second = (SqliteStore(place(cast, name), read_only=True) for name in ("first", "second"))
    with first, second:
        assert [k for k, _ in second.scan(b"")] == [k for k, _ in first.scan(b"")]
        assert len(second.events()) == len(first.events()) > 0


def test_the_second_disk_failing_stops_the_service_and_its_return_brings_it_back(gate):
    cast, device, virtual, headers = gate
    download = download_until(cast, headers)
    blocker = sqlite3.connect(place(cast, "second"), isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")  # as good as a disk that does not answer
    cast.until(lambda: download.bytes_in(0.3) == 0, 10, "bytes flow although payments are in one place only")
    blocker.execute("ROLLBACK")
    blocker.close()
    download.stop()
    cast.until(lambda: get(cast.ports["shop"][1], "/hello", headers)[0] == 200, 30, "the service did not come back")
    download_until(cast, headers).stop()


def test_a_broker_that_was_killed_costs_no_payment(gate):
    cast, device, virtual, headers = gate
    cast.broker.kill()
    cast.until(lambda: cast.api("shop", "/v1/health")[1]["ok"] is False, what="the outage is not shown")
    assert "mqtt" in cast.api("shop", "/v1/health")[1]["errors"]["site"]
    cast.broker.start()
    cast.until(lambda: cast.api("shop", "/v1/health")[1]["ok"] is True, 20, "no reconnection")
    before = device.stream().acked
    download = download_until(cast, headers)
    cast.until(lambda: device.stream().acked > before + 2 * PRICE_WEI, what="payment does not go on")
    download.stop()
    assert int(cast.gateway_stream("shop", virtual)["paid_wei"]) <= device.stream().paid()


def test_a_node_that_is_down_is_told_waited_for_and_stops_no_payment(gate):
    cast, device, virtual, headers = gate
    cast.node.stop()
    cast.until(lambda: "chain" in cast.api("shop", "/v1/health")[1]["errors"], what="the outage is not shown")
    assert "chain.unreachable" in cast.api("shop", "/v1/health")[1]["errors"]["chain"]
    download_until(cast, headers).stop()
    cast.node.restart()
    cast.until(lambda: cast.api("shop", "/v1/health")[1]["ok"] is True, 40, "the node is not found again")
    seen = cast.api("shop", "/v1/channels")[1]["channels"][0]["block"]
    cast.node.mine(3)
    cast.until(lambda: cast.api("shop", "/v1/channels")[1]["channels"][0]["block"] > seen, what="no fresh view (R13)")


def test_a_deposit_counts_only_when_it_is_confirmed(gate):
    cast, *_ = gate
    before = int(cast.api("shop", "/v1/channels")[1]["channels"][0]["base_wei"])

    async def top_up():
        from perunika_host.chain_actions import ChainActions

        owner = ChainActions(cast.chain, cast.node.accounts[2], 20)
        await owner.top_up(cast.channels["shop"], True, 12345)

    cast.run(top_up())
    time.sleep(1.5)
    assert int(cast.api("shop", "/v1/channels")[1]["channels"][0]["base_wei"]) == before
    cast.node.mine(cast.confirmations)
    cast.until(
        lambda: int(cast.api("shop", "/v1/channels")[1]["channels"][0]["base_wei"]) == before + 12345, what="no top-up"
    )


def test_an_old_copy_of_the_database_is_noticed_and_replaced(gate):
    cast, device, virtual, headers = gate
    cast.gateways["shop"].kill()
    with SqliteStore(place(cast, "first")) as store:
        count = int.from_bytes(store.get(COUNTER), "big")
        store.commit({COUNTER: (count - 5).to_bytes(8, "big"), basic_key(cast.ids["shop"]): None})
    cast.start_gateway("shop")
    with SqliteStore(place(cast, "first"), read_only=True) as store:
        assert load(store, Basic, basic_key(cast.ids["shop"])).frozen == 0
        assert int.from_bytes(store.get(COUNTER), "big") >= count
    assert "restoring it" in cast.gateways["shop"].output()


def test_with_both_memories_gone_the_channel_is_frozen_and_nothing_is_signed_in_it(gate):
    cast, device, virtual, headers = gate
    cast.gateways["shop"].kill()
    for name in ("first", "second"):
        for path in place(cast, name).parent.iterdir():
            path.unlink()
    cast.start_gateway("shop")
    assert cast.api("shop", "/v1/channels")[1]["channels"][0]["frozen"] is True
    status, told = cast.api("shop", f"/v1/channels/0x{cast.ids['shop'].hex()}/close", {}, "test-admin-token")
    assert (status, told["error"]["code"]) == (409, "channel.frozen")
