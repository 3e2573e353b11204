"""The MQTT link against a real mosquitto: delivery, acknowledgement after the work, outages, refusals, TLS, 3.1.1."""

import asyncio
import os
import select
import socket
import subprocess
import sys
import textwrap
import time

import pytest
from support.mosquitto import Mosquitto, free_port

from perunika.errors import LocalError, PeerError
from perunika_host.mqtt_link import MqttLink
from perunika_host.mqtt_settings import MqttSettings


@pytest.fixture
def broker(tmp_path):
    with Mosquitto(tmp_path) as running:
        yield running


def settings(port, client_id, **more):
    return MqttSettings("127.0.0.1", port, client_id, retry_min_s=0.05, retry_max_s=0.2, **more)


class Inbox:
    """Collects what a handler got; ``until(n)`` waits for n messages."""

    def __init__(self):
        self.messages = []
        self._arrived = asyncio.Event()

    async def __call__(self, topic, payload):
        self.messages.append((topic, payload))
        self._arrived.set()

    async def until(self, count):
        while len(self.messages) < count:
            self._arrived.clear()
            await self._arrived.wait()
        return self.messages


def run(scene):
    return asyncio.run(asyncio.wait_for(scene, 30))


async def eventually(condition, timeout_s=10):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.01)


def test_messages_arrive_in_order_over_mqtt_5(broker):
    async def scene():
        inbox = Inbox()
        async with MqttLink(settings(broker.port, "a")) as a, MqttLink(settings(broker.port, "b")) as b:
            b.subscribe("perunika/1/+/up", inbox)
            await b.wait_connected(5)
            await b.publish_confirmed("elsewhere", b"", 5)
            for number in range(300):
                assert await a.publish("perunika/1/d/up", b"%d" % number)
            await inbox.until(300)
            assert inbox.messages == [("perunika/1/d/up", b"%d" % number) for number in range(300)]
            assert a.state.protocol == "5" and a.state.sent == 300 and b.state.received == 300

    run(scene())


def test_round_trips_do_not_wait_for_delayed_acknowledgements(broker):
    async def scene():
        trips = []
        async with MqttLink(settings(broker.port, "a")) as a, MqttLink(settings(broker.port, "b")) as b:
            answered = asyncio.Event()

            async def echo(topic, payload):
                await b.publish("down", payload)

            async def answer(topic, payload):
                answered.set()

            a.subscribe("down", answer)
            b.subscribe("up", echo)
            await asyncio.gather(a.wait_connected(5), b.wait_connected(5))
            for link in (a, b):
                assert link._client.paho.socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            for _ in range(50):
                start = time.perf_counter()
                answered.clear()
                await a.publish("up", b"x" * 100)
                await answered.wait()
                trips.append(time.perf_counter() - start)
        return sorted(trips)[25]

    # With Nagle's algorithm on it is 40 or 88 ms, without it about 1 ms.
    assert run(scene()) < 0.030


def test_a_broker_that_is_down_is_named_and_messages_wait_for_it(tmp_path):
    broker = Mosquitto(tmp_path)

    async def scene():
        inbox = Inbox()
        async with MqttLink(settings(broker.port, "a", max_out=2)) as link:
            link.subscribe("t", inbox)
            with pytest.raises(LocalError) as caught:
                await link.wait_connected(0.3)
            assert caught.value.code == "mqtt.unreachable" and f"127.0.0.1:{broker.port}" in caught.value.text
            assert "start the broker" in caught.value.hint
            assert [await link.publish("t", b"%d" % n) for n in range(3)] == [True, True, False]
            assert link.state.dropped_out == 1 and not link.state.connected
            with broker:
                assert [payload for _, payload in await inbox.until(2)] == [b"0", b"1"]
                assert link.state.last_error is None

    run(scene())


def test_a_killed_broker_comes_back_with_session_and_subscriptions(broker):
    async def scene():
        inbox = Inbox()
        async with MqttLink(settings(broker.port, "a")) as a, MqttLink(settings(broker.port, "b")) as b:
            b.subscribe("t", inbox)
            await asyncio.gather(a.wait_connected(5), b.wait_connected(5))
            await a.publish("t", b"before")
            await inbox.until(1)
            broker.kill()
            await eventually(lambda: not a.state.connected and not b.state.connected)
            assert a.state.last_error.code in ("mqtt.lost", "mqtt.unreachable")
            for number in range(20):
                assert await a.publish("t", b"%d" % number)
            broker.start()
            await eventually(lambda: {payload for _, payload in inbox.messages} >= {b"%d" % n for n in range(20)})
            assert b.state.connects == 2

    run(scene())


def test_what_was_being_handled_at_kill_9_is_delivered_again(broker, tmp_path):
    program = textwrap.dedent("""
        import asyncio, os, sys
        from perunika_host.mqtt_link import MqttLink
        from perunika_host.mqtt_settings import MqttSettings

        async def main():
            async def handle(topic, payload):
                if payload == b"done":
                    return
                os.write(1, b"got " + payload + b"\\n")
                if sys.argv[2] == "hang":
                    await asyncio.sleep(1000)
            async with MqttLink(MqttSettings("127.0.0.1", int(sys.argv[1]), "worker")) as link:
                link.subscribe("t", handle)
                await link.wait_connected(5)
                await link.publish_confirmed("ready", b"", 5)
                os.write(1, b"ready\\n")
                await asyncio.sleep(1000)

        asyncio.run(main())
    """)

    def worker(mode):
        command = [sys.executable, "-c", program, str(broker.port), mode]
        return subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)

    def line_of(process):
        assert select.select([process.stdout], [], [], 10)[0], "nothing was delivered"
        return process.stdout.readline()

    async def send():
        async with MqttLink(settings(broker.port, "sender")) as link:
            await link.publish_confirmed("t", b"done", 5)
            await link.publish_confirmed("t", b"precious", 5)

    first = worker("hang")
    try:
        assert line_of(first) == b"ready\n"
        run(send())
        assert line_of(first) == b"got precious\n"
    finally:
        first.kill()
        first.wait()
    second = worker("finish")
    try:
        assert {line_of(second), line_of(second)} == {b"ready\n", b"got precious\n"}
    finally:
        second.kill()
        second.wait()


def test_a_handler_that_fails_disturbs_no_other_message(broker, caplog):
    async def scene():
        seen = []

        async def picky(topic, payload):
            if payload == b"bad":
                raise PeerError("cbor.type", "not a voucher")
            if payload == b"bug":
                raise KeyError("nid")
            seen.append(payload)

        async with MqttLink(settings(broker.port, "a")) as link:
            link.subscribe("t", picky)
            await link.wait_connected(5)
            for payload in (b"bad", b"1", b"bug", b"2"):
                await link.publish("t", payload)
            await eventually(lambda: len(seen) == 2)
            assert seen == [b"1", b"2"] and link.state.handler_failures == 2

    run(scene())
    assert "cbor.type: not a voucher" in caplog.text


def test_a_flood_is_bounded_and_counted(broker):
    async def scene():
        gate = asyncio.Event()

        async def slow(topic, payload):
            await gate.wait()

        # 3.1.1 has no flow control towards the receiver: our own bound must hold.
        async with (
            MqttLink(settings(broker.port, "a", max_in=5)) as link,
            MqttLink(settings(broker.port, "b")) as sender,
        ):
            link.subscribe("t", slow)
            await link.wait_connected(5)
            await link.publish_confirmed("x", b"", 5)
            for _ in range(50):
                await sender.publish_confirmed("t", b"x", 5)
            assert len(link._tasks) <= 5
            gate.set()
            await eventually(lambda: link.state.received - link.state.dropped_in >= 5 and not link._tasks)

    run(scene())


def test_availability_is_retained_and_the_last_will_speaks_after_kill_9(broker):
    program = textwrap.dedent("""
        import asyncio, sys
        from perunika_host.mqtt_link import MqttLink
        from perunika_host.mqtt_settings import MqttSettings

        async def main():
            made = MqttSettings("127.0.0.1", int(sys.argv[1]), "dying", availability_topic="dying/availability")
            async with MqttLink(made) as link:
                await link.wait_connected(5)
                await asyncio.sleep(1000)

        asyncio.run(main())
    """)

    async def scene():
        inbox = Inbox()
        async with MqttLink(settings(broker.port, "watcher")) as link:
            link.subscribe("+/availability", inbox)
            await link.wait_connected(5)
            async with MqttLink(settings(broker.port, "polite", availability_topic="polite/availability")):
                assert await inbox.until(1) == [("polite/availability", b"online")]
            assert await inbox.until(2) == [("polite/availability", b"online"), ("polite/availability", b"offline")]
            child = subprocess.Popen([sys.executable, "-c", program, str(broker.port)])
            assert (await inbox.until(3))[2] == ("dying/availability", b"online")
            child.kill()
            child.wait()
            assert (await inbox.until(4))[3] == ("dying/availability", b"offline")

    run(scene())


@pytest.fixture
def secret(tmp_path):
    def write(text, mode=0o600):
        path = tmp_path / f"secret-{mode:o}-{text}"
        path.write_text(text + "\n")
        path.chmod(mode)
        return path

    return write


def test_a_wrong_password_is_told_as_ours(tmp_path, secret):
    with Mosquitto(tmp_path, users={"shop": "right"}) as broker:

        async def scene(password):
            made = settings(broker.port, "a", user="shop", password_file=secret(password))
            async with MqttLink(made) as link:
                await link.wait_connected(2)

        run(scene("right"))
        with pytest.raises(LocalError) as caught:
            run(scene("wrong"))
    assert caught.value.code == "mqtt.refused" and "password_file" in caught.value.hint


def test_a_password_file_others_can_read_is_refused(secret):
    with pytest.raises(LocalError, match=r"secret\.exposed.*chmod 600"):
        MqttLink(settings(1, "a", user="shop", password_file=secret("x", 0o644)))


def test_access_rules_of_the_broker_are_told(tmp_path, secret):
    acl = "user shop\ntopic readwrite mine/#\n"
    with Mosquitto(tmp_path, users={"shop": "right"}, acl=acl) as broker:

        async def scene():
            made = settings(broker.port, "a", user="shop", password_file=secret("right"))
            async with MqttLink(made) as link:
                await link.wait_connected(5)
                await link.publish_confirmed("mine/x", b"", 5)
                assert link.state.last_error is None
                await link.publish_confirmed("theirs/x", b"", 5)
                return link.state

        state = run(scene())
    assert state.refused_out == 1 and state.last_error.code == "mqtt.acl"


@pytest.fixture
def certificates(tmp_path):
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=tmp_path)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    for name in ("ca", "other"):
        openssl("req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")
    openssl("req", "-x509", *key, "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "server.key", "-out", "server.pem",
            "-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1")  # fmt: skip
    return tmp_path


def test_tls_holds_with_the_right_ca_and_only_with_it(certificates, tmp_path):
    def made(ca, host="127.0.0.1"):
        return MqttSettings(host, broker.port, "a", ca_file=certificates / ca, retry_min_s=0.05)

    async def scene(chosen):
        async with MqttLink(chosen) as link:
            await link.wait_connected(2)
            await link.publish_confirmed("t", b"x", 5)

    with Mosquitto(tmp_path, tls=(certificates / "server.pem", certificates / "server.key")) as broker:
        run(scene(made("ca.pem")))
        for wrong in (made("other.pem"), made("ca.pem", "localhost")):
            with pytest.raises(LocalError, match=r"mqtt\.certificate"):
                run(scene(wrong))
    with pytest.raises(LocalError, match=r"mqtt\.ca.*PEM"):
        MqttLink(made("absent.pem"))


AMQTT = """
import asyncio, sys
from amqtt.broker import Broker

async def main():
    broker = Broker({
        "listeners": {"default": {"type": "tcp", "bind": "127.0.0.1:" + sys.argv[1]}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    })
    await broker.start()
    print("up", flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


@pytest.mark.parametrize("protocol", ["auto", "3.1.1"])
def test_a_broker_without_mqtt_5_is_served_with_3_1_1(protocol):
    port = free_port()
    child = subprocess.Popen(
        [sys.executable, "-c", AMQTT, str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ
    )

    async def scene():
        inbox = Inbox()
        async with MqttLink(settings(port, "a", user="a", protocol=protocol)) as link:
            link.subscribe("t", inbox)
            await link.publish("t", b"early")
            await inbox.until(1)
            await link.publish("t", b"late")
            assert [payload for _, payload in await inbox.until(2)] == [b"early", b"late"]
            assert link.state.protocol == "3.1.1"

    try:
        assert child.stdout.readline() == b"up\n"
        run(scene())
    finally:
        child.kill()
        child.wait()
