"""paho-mqtt's half of the link: a client that reports every callback of its thread to the event loop."""

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import Any, Protocol

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from perunika_host.mqtt_settings import MqttSettings

OFFLINE = b"offline"
MAX_IN_FLIGHT = 256
MAX_PAYLOAD_BYTES = 65536

MQTT5, MQTT311 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311


class Events(Protocol):
    """What the client reports, each call in the event loop, in the order it happened."""

    def on_open(self, client: "MqttClient") -> None: ...
    def on_connect(self, client: "MqttClient", reason: Any) -> None: ...
    def on_connect_fail(self, client: "MqttClient", error: BaseException | None) -> None: ...
    def on_disconnect(self, client: "MqttClient", reason: str) -> None: ...
    def on_message(self, client: "MqttClient", message: paho.MQTTMessage) -> None: ...
    def on_publish(self, client: "MqttClient", number: int, reason: Any) -> None: ...
    def on_subscribe(self, client: "MqttClient", number: int, reasons: Any) -> None: ...


class MqttClient:
    """One paho client of one protocol version: starts, reconnects with back-off, stops."""

    def __init__(
        self,
        settings: MqttSettings,
        password: str | None,
        protocol: MQTTProtocolVersion,
        loop: asyncio.AbstractEventLoop,
        events: Events,
    ) -> None:
        self.settings = settings
        self.protocol = protocol
        self._loop = loop
        self.paho = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            clean_session=None if protocol == MQTT5 else False,
            protocol=protocol,
            manual_ack=True,
        )
        self._set_limits()
        self._set_identity(password)
        self._set_callbacks(events)

    def _set_limits(self) -> None:
        self.paho.max_inflight_messages_set(MAX_IN_FLIGHT)
        self.paho.max_queued_messages_set(self.settings.max_out)
        # Fractions of a second are fine for paho, its annotation says int.
        self.paho.reconnect_delay_set(self.settings.retry_min_s, self.settings.retry_max_s)  # type: ignore[arg-type]

    def _set_identity(self, password: str | None) -> None:
        context = self.settings.tls_context()
        if context:
            self.paho.tls_set_context(context)
        if self.settings.user is not None:
            self.paho.username_pw_set(self.settings.user, password)
        if self.settings.availability_topic:
            self.paho.will_set(self.settings.availability_topic, OFFLINE, qos=1, retain=True)

    def _set_callbacks(self, events: Events) -> None:
        # These run in paho's thread and only hand over.
        later = self._later
        self.paho.on_socket_open = lambda c, u, sock: self._opened(sock, events)
        self.paho.on_connect = lambda c, u, flags, reason, p: later(events.on_connect, reason)
        # paho calls this inside its except clause and does not pass the exception on.
        self.paho.on_connect_fail = lambda c, u: later(events.on_connect_fail, sys.exc_info()[1])
        self.paho.on_disconnect = lambda c, u, flags, reason, p: later(events.on_disconnect, str(reason))
        self.paho.on_message = lambda c, u, message: later(events.on_message, message)
        self.paho.on_publish = lambda c, u, number, reason, p: later(events.on_publish, number, reason)
        self.paho.on_subscribe = lambda c, u, number, reasons, p: later(events.on_subscribe, number, reasons)

    def _opened(self, sock: Any, events: Events) -> None:
        # Nagle's algorithm off: PUBACK followed by PUBLISH would wait 40 ms for a delayed ACK.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._later(events.on_open)

    def _later(self, call: Callable[..., None], *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, self, *arguments)

    def start(self) -> None:
        """Connect in the background and stay connected until ``stop``."""
        properties = None
        clean: dict[str, Any] = {}
        if self.protocol == MQTT5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = self.settings.session_expiry_s
            properties.ReceiveMaximum = min(self.settings.max_in, 65535)
            properties.MaximumPacketSize = MAX_PAYLOAD_BYTES + 1024
            clean = {"clean_start": False}
        self.paho.connect_async(
            self.settings.host, self.settings.port, self.settings.keepalive_s, properties=properties, **clean
        )
        self.paho.loop_start()

    async def stop(self) -> None:
        """Disconnect and wait for paho's thread to end; the broker keeps the session."""
        self.paho.disconnect()
        await asyncio.to_thread(self.paho.loop_stop)

    def send(self, topic: str, payload: bytes, retain: bool) -> int | None:
        """Queue a message; return its number, or None when the queue is full."""
        info = self.paho.publish(topic, payload, qos=1, retain=retain)
        return info.mid if info.rc in (paho.MQTT_ERR_SUCCESS, paho.MQTT_ERR_NO_CONN) else None

    def subscribe(self, topic_filter: str) -> int | None:
        """Ask for a subscription; return the request's number, None when not connected."""
        _, number = self.paho.subscribe(topic_filter, qos=1)
        return number

    def acknowledge(self, number: int, qos: int) -> None:
        """Send PUBACK for a received message."""
        self.paho.ack(number, qos)
