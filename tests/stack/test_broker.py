"""The broker's rights, certificates and sessions, on both brokers that we ship (protocol.md §6)."""

import signal
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from perunika.errors import LocalError
from perunika_cli.stack import mosquitto
from perunika_cli.stack.broker import Broker
from perunika_cli.stack.certificates import Authority
from tests.stack.mqtt_client import Client, wait_until

SITE = "perunika/1/demo"
MEMBERS = {"0xa1": "pa", "0xb2": "pb"}


def make_broker(directory: Path, kind: str | None) -> Broker:
    return Broker(
        directory,
        site="demo",
        devices={"one": "p1", "two": "p2"},
        gateways={"shop": "pg"},
        members=MEMBERS,
        hub={"hub": "ph"},
        kind=kind,
    )


@pytest.fixture(params=["mosquitto", "amqtt"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    with make_broker(tmp_path / "broker", request.param) as running:
        yield running


@contextmanager
def logged_in(broker: Broker, user: str, port: int, mqtt5: bool = False) -> Iterator[Client]:
    password = broker.password_path("site" if port == broker.site_port else "hub", user).read_text()
    client = Client(broker.ca_pem, f"client-{user}-{port}", user, password, mqtt5)
    assert client.connect(port) == "Success"
    try:
        yield client
    finally:
        client.close()


def test_a_device_talks_to_its_gateway_in_both_directions(broker: Broker) -> None:
    with logged_in(broker, "shop", broker.site_port) as shop, logged_in(broker, "one", broker.site_port) as one:
        assert shop.subscribe(f"{SITE}/+/up")
        assert one.subscribe(f"{SITE}/one/down")
        one.publish(f"{SITE}/one/up", b"voucher")
        shop.publish(f"{SITE}/one/down", b"ack")
        wait_until(lambda: shop.heard == [(f"{SITE}/one/up", b"voucher")])
        wait_until(lambda: one.heard == [(f"{SITE}/one/down", b"ack")])


def test_a_device_cannot_publish_as_another_device(broker: Broker) -> None:
    with logged_in(broker, "shop", broker.site_port) as shop, logged_in(broker, "two", broker.site_port) as two:
        shop.subscribe(f"{SITE}/#")
        two.publish(f"{SITE}/one/up", b"forged")
        two.publish(f"{SITE}/one", b"forged")
        two.publish(f"{SITE}/onetwo/up", b"forged")
        two.publish(f"{SITE}/two/up", b"genuine")
        # One connection keeps its order: when the last has arrived, the others never will.
        wait_until(lambda: len(shop.heard) > 0)
        assert shop.heard == [(f"{SITE}/two/up", b"genuine")]


@pytest.mark.parametrize("wanted", [f"{SITE}/one/#", f"{SITE}/+/down", f"{SITE}/#", "#", "+/+/+/one/down"])
def test_a_device_cannot_listen_to_another_device(broker: Broker, wanted: str) -> None:
    with logged_in(broker, "shop", broker.site_port) as shop, logged_in(broker, "two", broker.site_port) as two:
        two.subscribe(wanted)
        assert two.subscribe(f"{SITE}/two/down")
        shop.publish(f"{SITE}/one/down", b"not for two")
        shop.publish(f"{SITE}/two/down", b"for two")
        wait_until(lambda: len(two.heard) > 0)
        assert set(two.heard) == {(f"{SITE}/two/down", b"for two")}


def test_a_member_reaches_the_hub_and_no_other_member(broker: Broker) -> None:
    with logged_in(broker, "hub", broker.hub_port) as hub, logged_in(broker, "0xa1", broker.hub_port) as member:
        hub.subscribe("perunika/1/hub/+/up")
        member.publish("perunika/1/hub/0xb2/up", b"forged")
        member.publish("perunika/1/hub/0xa1/up", b"genuine")
        wait_until(lambda: len(hub.heard) > 0)
        assert hub.heard == [("perunika/1/hub/0xa1/up", b"genuine")]


def test_passwords_of_one_listener_are_refused_at_the_other(broker: Broker) -> None:
    for user, password, port in (
        ("one", "p1", broker.hub_port),
        ("shop", "pg", broker.hub_port),
        ("hub", "ph", broker.site_port),
        ("0xa1", "pa", broker.site_port),
    ):
        assert Client(broker.ca_pem, "stranger", user, password).connect(port) != "Success"


@pytest.mark.parametrize(("user", "password"), [("one", "p2"), ("one", ""), ("nobody", "p1"), ("", "")])
def test_a_wrong_name_or_password_is_refused(broker: Broker, user: str, password: str) -> None:
    verdict = Client(broker.ca_pem, "stranger", user, password).connect(broker.site_port)
    assert verdict in ("Not authorized", "Bad user name or password")


def test_a_client_refuses_a_broker_of_another_ca(broker: Broker, tmp_path: Path) -> None:
    other_ca = Authority(tmp_path / "other")
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
        Client(other_ca.ca_pem, "one", "one", "p1").connect(broker.site_port)


def test_the_same_ports_and_clients_serve_again_after_a_kill(broker: Broker) -> None:
    broker.kill()
    assert broker.process.returncode == -signal.SIGKILL
    broker.start()
    with logged_in(broker, "shop", broker.site_port) as shop, logged_in(broker, "one", broker.site_port) as one:
        shop.subscribe(f"{SITE}/#")
        one.publish(f"{SITE}/one/up", b"again")
        wait_until(lambda: len(shop.heard) > 0)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_subscriptions_rights_and_queued_messages_survive_a_restart_of_mosquitto(tmp_path: Path, end: str) -> None:
    with make_broker(tmp_path, "mosquitto") as broker:
        with logged_in(broker, "one", broker.site_port) as one:
            one.subscribe(f"{SITE}/#")  # granted by mosquitto, but rights are judged per message
            one.subscribe(f"{SITE}/one/down")
        with logged_in(broker, "shop", broker.site_port) as shop:
            shop.publish(f"{SITE}/two/down", b"not for one")
            shop.publish(f"{SITE}/one/down", b"while you were away")
        database = tmp_path / "sessions" / "mosquitto.db"
        if end == "kill":  # wait for two writes: the first may have begun before the message came
            wait_for_writes(database, 2)
        getattr(broker, end)()
        broker.start()
        with logged_in(broker, "one", broker.site_port) as one:
            assert one.session_present
            wait_until(lambda: len(one.heard) > 0)
            assert one.heard == [(f"{SITE}/one/down", b"while you were away")]


def wait_for_writes(database: Path, count: int) -> None:
    for _ in range(count):
        before = database.stat().st_mtime_ns if database.exists() else 0
        wait_until(lambda before=before: database.exists() and database.stat().st_mtime_ns != before)


def test_mosquitto_tells_an_mqtt5_client_that_it_may_not_publish_there(tmp_path: Path) -> None:
    with make_broker(tmp_path, "mosquitto") as broker, logged_in(broker, "one", broker.site_port, mqtt5=True) as one:
        assert str(one.publish(f"{SITE}/two/up", b"forged")) == "Not authorized"
        assert not one.publish(f"{SITE}/one/up", b"genuine").is_failure


def test_where_mosquitto_is_missing_the_embedded_broker_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(mosquitto, "_DEBIAN_PATH", str(tmp_path))
    with make_broker(tmp_path / "broker", None) as broker, logged_in(broker, "one", broker.site_port):
        assert (broker.kind, broker.speaks_mqtt5, broker.keeps_sessions) == ("amqtt", False, False)
    with pytest.raises(LocalError, match="apt-get install mosquitto"):
        make_broker(tmp_path / "other", "mosquitto")


def test_one_name_may_be_used_at_both_listeners(tmp_path: Path) -> None:
    with (
        Broker(tmp_path, gateways={"shop": "at the site"}, members={"shop": "at the hub"}) as broker,
        logged_in(broker, "shop", broker.site_port) as at_site,
        logged_in(broker, "shop", broker.hub_port) as at_hub,
    ):
        assert at_site.subscribe(f"{SITE}/#")
        assert at_hub.subscribe("perunika/1/hub/shop/down")


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "a b", "a:b", "a\n", "$SYS", "a\\b"])
def test_a_name_that_would_widen_its_rights_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LocalError, match=r"stack\.bad-name"):
        Broker(tmp_path, devices={name: "p"})


def test_a_site_cannot_take_the_name_of_the_members_topics(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="member topics"):
        Broker(tmp_path, site="hub")


def test_secrets_on_disk_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    with make_broker(tmp_path / "broker", "mosquitto"):
        files = [path for path in (tmp_path / "broker").rglob("*") if path.is_file()]
        assert len(files) > 10
        assert [path.name for path in files if path.stat().st_mode & 0o077] == []
