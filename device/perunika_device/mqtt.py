"""An MQTT 3.1.1 client for asyncio: QoS 1, TLS, a bounded window, and a connection that is made anew for ever.

Written for boards: buffers and slots are made once, at the start. MQTT delivers at least once: a message may arrive
twice after a reconnect, and a broker may drop what overflows its queues, so the messages themselves carry ids and
acknowledgements (protocol.md §6).
"""

from perunika.errors import LocalError
from perunika_device.mqtt_connection import Connection
from perunika_device.mqtt_packets import MAX_HEADER_BYTES
from perunika_device.mqtt_session import Session
from perunika_device.platform import TlsSettings

__all__ = ["Client", "TlsSettings"]

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _octets(text):
    return text.encode() if isinstance(text, str) else text


def _ignore(topic, payload):
    pass


def _check_settings(host, tls, keepalive_s, max_packet_bytes, window):
    if tls is None and host not in _LOOPBACK:
        raise LocalError("mqtt-plain", "MQTT without TLS is for loopback only", "give tls=TlsSettings(...)")
    if not 2 <= keepalive_s <= 65535:
        raise LocalError("mqtt-keepalive", "keepalive_s must be within 2..65535")
    if not 64 <= max_packet_bytes <= 65536 or not 1 <= window <= 64:
        raise LocalError("mqtt-bounds", "max_packet_bytes must be within 64..65536 and window within 1..64")


class Client(Connection):
    """A client that ``run()`` keeps connected to one broker until ``stop()``.

    ``on_message(topic, payload)`` gets bytes, is called from the reading task and must not block; the acknowledgement
    leaves after it has returned. ``will`` is (topic, payload, retain). ``tls`` may be None for loopback only. Raises
    ``LocalError`` for settings that cannot work. ``last_error`` says why the last connection ended, or is None.
    """

    def __init__(
        self,
        host,
        port,
        client_id,
        user=None,
        password=None,
        tls=None,
        keepalive_s=20,
        will=None,
        on_message=None,
        max_packet_bytes=2048,
        window=8,
        retransmit_ms=5000,
    ):
        _check_settings(host, tls, keepalive_s, max_packet_bytes, window)
        if will is not None:
            will = (_octets(will[0]), _octets(will[1]), will[2])
        hello = (_octets(client_id), keepalive_s, _octets(user), _octets(password), will)
        session = Session(max_packet_bytes, window, keepalive_s * 1000, on_message or _ignore)
        Connection.__init__(self, host, port, tls, session, hello, max_packet_bytes, retransmit_ms)
        self._max_packet_bytes = max_packet_bytes

    @property
    def counters(self):
        """The ``Counters`` since the start."""
        self._session.counters.dropped_oversized = self._session.reader.dropped_oversized
        return self._session.counters

    @property
    def in_flight(self):
        """How many publishes are accepted here and not acknowledged by the broker."""
        return self._session.window.in_flight()

    @property
    def refused_topics(self):
        """The subscriptions that the broker's access rules refuse."""
        return self._session.subscriptions.refused()

    async def publish(self, topic, payload, retain=False, qos=1):
        """Put a message into the window, waiting while it is full; it is sent, and sent again, from there.

        ``topic`` and ``payload`` are str or bytes and must not be changed afterwards. Raises ``LocalError`` when they
        cannot be sent at all or the client is stopped; nothing is sent then.
        """
        topic = _octets(topic)
        payload = _octets(payload)
        self._check_publish(topic, payload, qos)
        slot = self._session.window.free()
        while slot is None:
            await self._next_progress()
            slot = self._session.window.free()
        packet_id = self._session.next_packet_id() if qos else 0
        self._session.window.take(slot, topic, payload, retain, packet_id)
        self._work.set()

    async def _next_progress(self):
        self._progress.clear()
        await self._progress.wait()
        self._check_alive()

    def _check_alive(self):
        if self._stopping:
            raise LocalError("mqtt-stopped", "the client is stopped")

    def _check_publish(self, topic, payload, qos):
        self._check_alive()
        if MAX_HEADER_BYTES + 4 + len(topic) + len(payload) > self._max_packet_bytes:
            raise LocalError("mqtt-too-large", "topic and payload exceed the largest packet", "send less at once")
        if not topic or b"+" in topic or b"#" in topic or qos not in (0, 1):
            raise LocalError("mqtt-publish", "a publish needs a topic without wildcards and QoS 0 or 1")

    async def subscribe(self, topic):
        """Want messages of a topic filter at QoS 1, now and after every reconnect; see ``ready`` for the answer."""
        topic = _octets(topic)
        if not topic or MAX_HEADER_BYTES + 5 + len(topic) > self._max_packet_bytes:
            raise LocalError("mqtt-topic", "a topic filter must not be empty nor exceed the largest packet")
        self._session.subscriptions.add(topic)
        self._work.set()

    async def ready(self):
        """Return when connected and every subscription is answered (``refused_topics`` tells how)."""
        while not (self.connected and self._session.subscriptions.settled()):
            await self._next_progress()
