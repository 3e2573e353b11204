"""The board's MQTT client against a real mosquitto, on real MicroPython with a 128 KB heap and on CPython."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.board import RUNTIMES, BoardProcess
from tests.support.broker import Broker
from tests.support.certificates import Authority, write_pair
from tests.support.gateway_client import GatewayClient

PROGRAM = Path(__file__).with_name("board") / "mqtt_board.py"
UP = "perunika/1/site/alice/up"
DOWN = "perunika/1/site/alice/down"


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


def setup_for(broker: Broker, **more: Any) -> dict[str, Any]:
    setup: dict[str, Any] = {"port": broker.port, "id": "alice", **more}
    if broker.tls:
        setup.setdefault("ca", str(broker.ca_der_path))
        setup.setdefault("hostname", "localhost")
    return setup


def board(broker: Broker, runtime: str, **more: Any) -> BoardProcess:
    return BoardProcess(PROGRAM, setup_for(broker, **more), runtime)


# Messages


@pytest.mark.parametrize("tls", [True, False])
def test_messages_go_both_ways(tmp_path: Path, runtime: str, tls: bool) -> None:
    with Broker(tmp_path, tls) as broker, GatewayClient(broker, UP) as gateway:
        with board(broker, runtime, subscribe=[DOWN], echo=UP, seconds=60) as alice:
            alice.expect("ready")
            payloads = [b"%d" % number * 100 for number in range(100)]
            for payload in payloads:
                gateway.publish(DOWN, payload)
            gateway.wait_for(lambda: len(gateway.received) == 100)
        assert gateway.received == {(UP, payload): 1 for payload in payloads}


def test_five_hundred_numbers_in_a_hurry_are_each_answered_once(tmp_path: Path, runtime: str) -> None:
    with Broker(tmp_path) as broker, GatewayClient(broker, UP, DOWN) as gateway:
        with board(broker, runtime, subscribe=[DOWN], publish=UP, count=500, interval_s=0) as alice:
            done = alice.expect("done")
        assert (done["sent"], done["acked"], done["retransmitted"], done["reconnects"]) == (500, 500, 0, 0)
        assert set(gateway.received.values()) == {1}
        assert len(gateway.received) == 500


def test_a_message_that_is_too_large_is_skipped_counted_and_acknowledged(tmp_path: Path, runtime: str) -> None:
    with (
        Broker(tmp_path) as broker,
        GatewayClient(broker, UP) as gateway,
        board(broker, runtime, subscribe=[DOWN], echo=UP, seconds=60) as alice,
    ):
        alice.expect("ready")
        # More than mosquitto lets wait for an acknowledgement (20): without one, what follows would never come.
        for _ in range(30):
            gateway.publish(DOWN, bytes(5000))
        gateway.publish(DOWN, b"small")
        gateway.wait_for(lambda: gateway.received == {(UP, b"small"): 1})
    assert broker.log().count("Received PUBACK from alice") >= 31


def test_the_count_of_skipped_messages_is_reported(tmp_path: Path, runtime: str) -> None:
    with Broker(tmp_path) as broker, GatewayClient(broker, UP, DOWN) as gateway:
        setup = {"subscribe": [DOWN, DOWN + "/large"], "publish": UP, "count": 30, "interval_s": 0.02}
        with board(broker, runtime, **setup) as alice:
            alice.expect("ready")
            gateway.publish(DOWN + "/large", bytes(3000))
            done = alice.expect("done")
        assert (done["dropped_oversized"], done["received"]) == (1, 30)


def test_retained_status_and_last_will(tmp_path: Path, runtime: str) -> None:
    availability = "perunika/1/site/alice/availability"
    setup = {"will": [availability, "offline", True], "first": [[availability, "online", True]], "seconds": 60}
    with Broker(tmp_path) as broker, GatewayClient(broker, availability) as gateway:
        with board(broker, runtime, **setup) as alice:
            alice.expect("ready")
            gateway.wait_for(lambda: (availability, b"online") in gateway.received)
            assert (availability, b"offline") not in gateway.received
        gateway.wait_for(lambda: (availability, b"offline") in gateway.received)


def test_a_clean_stop_publishes_no_will(tmp_path: Path, runtime: str) -> None:
    setup = {"will": ["will", "died", False], "first": [["bye", "last words", False]], "seconds": 0}
    with Broker(tmp_path) as broker, GatewayClient(broker, "#") as gateway:
        with board(broker, runtime, **setup) as alice:
            done = alice.expect("done")
        gateway.wait_for(lambda: ("bye", b"last words") in gateway.received)
        time.sleep(0.3)
        assert ("will", b"died") not in gateway.received
    assert done["sent"] == 1
    assert "Received DISCONNECT from alice" in broker.log()


def test_a_callback_that_fails_ends_run_with_its_error_and_acknowledges_nothing(tmp_path: Path, runtime: str) -> None:
    with Broker(tmp_path) as broker, GatewayClient(broker, UP) as gateway:
        with board(broker, runtime, subscribe=[DOWN], until="run ends") as alice:
            gateway.wait_for(lambda: "Sending SUBACK to alice" in broker.log())
            gateway.publish(DOWN, b"fail")
            assert alice.expect("run ended")["code"] == "test"
        assert "Received PUBACK from alice" not in broker.log()


# Trust


def refused_with(broker: Broker, runtime: str, **more: Any) -> dict[str, Any]:
    with board(broker, runtime, **more) as alice:
        return alice.expect("error")


def test_another_authority_is_refused(tmp_path: Path, runtime: str) -> None:
    other = tmp_path / "other.der"
    other.write_bytes(Authority("test authority").der)
    with Broker(tmp_path) as broker:
        assert refused_with(broker, runtime, ca=str(other))["code"] == "tls-refused"
        assert "New client connected" not in broker.log()


def test_another_host_name_is_refused(tmp_path: Path, runtime: str) -> None:
    with Broker(tmp_path) as broker:
        assert refused_with(broker, runtime, hostname="example.org")["code"] == "tls-refused"
        assert "New client connected" not in broker.log()


def test_an_expired_certificate_is_refused(tmp_path: Path, runtime: str) -> None:
    with Broker(tmp_path, expired=True) as broker:
        assert refused_with(broker, runtime)["code"] == "tls-refused"
        assert "New client connected" not in broker.log()


def test_a_client_certificate_is_shown_when_there_is_one(tmp_path: Path, runtime: str) -> None:
    with Broker(tmp_path, client_certificates=True) as broker:
        write_pair(tmp_path, "alice", *broker.authority.issue("alice", client=True))
        identity = {"cert": str(tmp_path / "alice.der"), "key": str(tmp_path / "alice.key.der")}
        with board(broker, runtime, **identity) as alice:
            alice.expect("ready")
        assert "u'alice'" in broker.log()
        assert refused_with(broker, runtime)["fault"] == "peer"


def test_a_wrong_password_is_named_as_such(tmp_path: Path, runtime: str) -> None:
    with Broker(tmp_path, users={"alice": "right"}) as broker:
        error = refused_with(broker, runtime, user="alice", password="wrong")
        assert (error["code"], error["fault"]) == ("broker-refused", "peer")
        with board(broker, runtime, user="alice", password="right") as alice:
            alice.expect("ready")


def test_access_rules_are_reported_and_kept(tmp_path: Path, runtime: str) -> None:
    users = {"alice": "a", "gateway": "g"}
    acl = "user gateway\ntopic readwrite #\npattern readwrite perunika/1/site/%u/#\n"
    with (
        Broker(tmp_path, users=users, acl=acl) as broker,
        GatewayClient(broker, "perunika/#", user="gateway", password="g") as gateway,
    ):
        # mosquitto grants a subscription that its rules do not allow, and then delivers nothing.
        setup = {
            "user": "alice",
            "password": "a",
            "subscribe": [DOWN, "perunika/1/site/bob/down"],
            "first": [["perunika/1/site/bob/up", "forged", False], [UP, "mine", False]],
        }
        with board(broker, runtime, **setup) as alice:
            alice.expect("ready")
            gateway.wait_for(lambda: (UP, b"mine") in gateway.received)
            gateway.publish("perunika/1/site/bob/down", b"for bob")
            gateway.publish(DOWN, b"for alice")
            assert alice.expect("message")["payload"] == "for alice"
            assert ("perunika/1/site/bob/up", b"forged") not in gateway.received


# Trouble


def test_nothing_is_lost_through_kill_9_and_a_stopped_broker(tmp_path: Path, runtime: str) -> None:
    count = 300
    setup = {"subscribe": [DOWN], "publish": UP, "count": count, "interval_s": 0.02, "keepalive_s": 2}
    with (
        Broker(tmp_path) as broker,
        GatewayClient(broker, UP, DOWN) as gateway,
        board(broker, runtime, **setup, retransmit_ms=600) as alice,
    ):
        alice.expect("ready")
        time.sleep(1)
        broker.kill()
        time.sleep(0.7)
        broker.start()
        gateway.wait_for(lambda: len(gateway.received) > 120, 20)
        broker.pause()
        time.sleep(3.5)  # longer than the keepalive, so the board gives the connection up
        broker.resume()
        done = alice.expect("done")
    assert len(gateway.received) == count
    assert done["sent"] == done["acked"] >= count
    assert done["reconnects"] >= 2
    assert done["retransmitted"] >= 1
    duplicates = sum(gateway.received.values()) - count
    assert (
        duplicates <= done["retransmitted"] + done["sent"] - count + 20
    )  # 20: the broker's own repeats to the gateway


def test_a_short_stop_of_the_broker_keeps_the_connection(tmp_path: Path, runtime: str) -> None:
    setup = {"subscribe": [DOWN], "publish": UP, "count": 100, "interval_s": 0.02, "keepalive_s": 30}
    with (
        Broker(tmp_path) as broker,
        GatewayClient(broker, UP, DOWN) as gateway,
        board(broker, runtime, **setup, retransmit_ms=500) as alice,
    ):
        alice.expect("ready")
        time.sleep(0.3)
        broker.pause()
        time.sleep(1.5)
        broker.resume()
        done = alice.expect("done")
    assert len(gateway.received) == 100
    assert done["sent"] == done["acked"]
    assert done["reconnects"] == 0
    assert done["retransmitted"] >= 1


def test_a_board_that_starts_before_its_broker_waits_for_it(tmp_path: Path, runtime: str) -> None:
    broker = Broker(tmp_path)
    with board(broker, runtime, subscribe=[DOWN]) as alice:
        assert alice.expect("error")["code"] == "broker-away"
        with broker:
            alice.expect("ready")


def test_a_subscription_is_renewed_by_a_broker_that_forgot_it(tmp_path: Path, runtime: str) -> None:
    with (
        Broker(tmp_path) as broker,
        GatewayClient(broker, UP) as gateway,
        board(broker, runtime, subscribe=[DOWN], echo=UP) as alice,
    ):
        alice.expect("ready")
        broker.kill()
        (tmp_path / "mosquitto.db").unlink(missing_ok=True)
        broker.start()
        gateway.wait_for(lambda: broker.log().count("Received SUBSCRIBE from alice") == 2)
        gateway.publish(DOWN, b"again")
        gateway.wait_for(lambda: (UP, b"again") in gateway.received)


def test_a_silent_connection_is_kept_alive_by_pings(tmp_path: Path, runtime: str) -> None:
    with Broker(tmp_path) as broker:
        with board(broker, runtime, keepalive_s=2, seconds=4) as alice:
            assert alice.expect("done")["reconnects"] == 0
        assert broker.log().count("Received PINGREQ from alice") >= 2
        assert "exceeded timeout" not in broker.log()
