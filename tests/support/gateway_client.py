"""A paho-mqtt client that stands for a gateway in tests: it counts what it gets and may answer every message."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.broker import Broker


class GatewayClient:
    """Connected to ``broker`` while in its context; keeps its session, so it misses nothing while the broker is away.

    ``received`` counts (topic, payload); ``answer_topic``: every message's payload is published there again.
    """

    def __init__(
        self,
        broker: Broker,
        topic: str,
        answer_topic: str | None = None,
        user: str | None = None,
        password: str | None = None,
        on_payload: Callable[[bytes], None] | None = None,
    ) -> None:
        self.received: Counter[tuple[str, bytes]] = Counter()
        self.retained: dict[str, bytes] = {}
        self._broker = broker
        self._topic = topic
        self._answer_topic = answer_topic
        self._on_payload = on_payload
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="gateway", clean_session=False)
        if broker.tls:
            self._client.tls_set(str(broker.ca_pem_path))
        if user is not None:
            self._client.username_pw_set(user, password)
        self._client.reconnect_delay_set(0.1, 0.5)  # type: ignore[arg-type]
        self._client.on_socket_open = _no_delay
        self._client.on_connect = self._connected
        self._client.on_message = self._message
        self._client.on_subscribe = lambda *_: self._subscribed.set()

    def __enter__(self) -> "GatewayClient":
        self._client.connect("localhost", self._broker.port, keepalive=5)
        self._client.loop_start()
        if not self._subscribed.wait(10):
            raise TimeoutError("no SUBACK for the gateway: " + self._broker.log())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, *_: Any) -> None:
        self._client.subscribe(self._topic, 1)

    def _message(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        payload = bytes(message.payload)
        self.received[message.topic, payload] += 1
        if message.retain:
            self.retained[message.topic] = payload
        if self._answer_topic is not None:
            self._client.publish(self._answer_topic, payload, 1)
        if self._on_payload is not None:
            self._on_payload(payload)

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1 and wait until the broker has it."""
        self._client.publish(topic, payload, 1).wait_for_publish(10)

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 10) -> None:
        """Return when ``condition`` holds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"got only {dict(self.received)}")
            time.sleep(0.01)


def _no_delay(client: mqtt.Client, userdata: object, sock: Any) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
