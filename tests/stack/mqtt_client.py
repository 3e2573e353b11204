"""A small synchronous MQTT client for these tests: paho-mqtt, with everything it hears in a list."""

import ssl
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

WAIT_S = 8.0


class Client:
    """One connection; ``heard`` lists (topic, payload). MQTT 3.1.1 by default, as boards speak it."""

    def __init__(self, ca_pem: Path, client_id: str, user: str, password: str, mqtt5: bool = False) -> None:
        version = MQTTProtocolVersion.MQTTv5 if mqtt5 else MQTTProtocolVersion.MQTTv311
        session = {} if mqtt5 else {"clean_session": False}
        self._paho = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=version, **session)
        self._paho.username_pw_set(user, password)
        self._paho.tls_set_context(ssl.create_default_context(cafile=str(ca_pem)))
        self._paho.on_connect = self._on_connect
        self._paho.on_message = lambda client, _, message: self.heard.append((message.topic, message.payload))
        self._paho.on_subscribe = lambda client, _, mid, codes, properties: self._granted.extend(codes)
        self._paho.on_publish = lambda client, _, mid, code, properties: self._published.append(code)
        self.heard: list[tuple[str, bytes]] = []
        self.session_present = False
        self._granted: list[ReasonCode] = []
        self._published: list[ReasonCode] = []
        self._answered = threading.Event()
        self._answer: ReasonCode | None = None

    def connect(self, port: int, host: str = "localhost") -> str:
        """Connect; return the broker's verdict in words."""
        self._answered.clear()
        self._paho.connect(host, port, keepalive=10)
        self._paho.loop_start()
        assert self._answered.wait(WAIT_S), "no CONNACK"
        return str(self._answer)

    def subscribe(self, topic: str) -> bool:
        """Subscribe with QoS 1; return whether the broker granted it."""
        before = len(self._granted)
        self._paho.subscribe(topic, 1)
        wait_until(lambda: len(self._granted) > before)
        return not self._granted[-1].is_failure

    def publish(self, topic: str, payload: bytes) -> ReasonCode:
        """Publish with QoS 1; return the code of the acknowledgement."""
        before = len(self._published)
        self._paho.publish(topic, payload, 1)
        wait_until(lambda: len(self._published) > before)
        return self._published[-1]

    def close(self) -> None:
        """Say goodbye and end the network thread."""
        self._paho.disconnect()
        self._paho.loop_stop()

    def _on_connect(self, client, userdata, flags, code, properties) -> None:
        self.session_present = flags.session_present
        self._answer = code
        self._answered.set()
        if code.is_failure:
            self._paho.disconnect()  # otherwise paho tries again for ever


def wait_until(condition, timeout_s: float = WAIT_S) -> None:
    """Return when ``condition()`` holds; fail after ``timeout_s``."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "condition did not become true"
        time.sleep(0.02)
