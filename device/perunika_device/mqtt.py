"""An MQTT 3.1.1 client for asyncio: QoS 1, TLS, a bounded window, and a connection that is made anew for ever.

Written for boards: buffers and slots are made once, one task writes (so no lock), one reads, one looks at the clock.
MQTT delivers at least once: a message may arrive twice after a reconnect, and a broker may drop what overflows its
queues, so the messages themselves carry ids and acknowledgements (protocol.md §6).
"""

import asyncio

from perunika.errors import LocalError, PeerError, PerunikaError
from perunika_device import platform
from perunika_device.mqtt_packets import DISCONNECT, MAX_HEADER_BYTES, PacketWriter
from perunika_device.mqtt_session import Session
from perunika_device.platform import TlsSettings

__all__ = ["Client", "TlsSettings"]

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_CONNECT_TIMEOUT_MS = 10000
_STOP_TIMEOUT_MS = 2000
_CLOCK_STEP_S = 0.2
_BACKOFF_FIRST_MS = 250
_BACKOFF_LAST_MS = 30000
_STABLE_MS = 5000


def _octets(text):
    return text.encode() if isinstance(text, str) else text


def _check_settings(host, tls, keepalive_s, max_packet_bytes, window):
    if tls is None and host not in _LOOPBACK:
        raise LocalError("mqtt-plain", "MQTT without TLS is for loopback only", "give tls=TlsSettings(...)")
    if not 2 <= keepalive_s <= 65535:
        raise LocalError("mqtt-keepalive", "keepalive_s must be within 2..65535")
    if not 64 <= max_packet_bytes <= 65536 or not 1 <= window <= 64:
        raise LocalError("mqtt-bounds", "max_packet_bytes must be within 64..65536 and window within 1..64")


class Client:
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
        self._host = host
        self._port = port
        self._tls = tls
        self._max_packet_bytes = max_packet_bytes
        self._retransmit_ms = retransmit_ms
        self._session = Session(
            max_packet_bytes, window, keepalive_s * 1000, on_message or (lambda topic, payload: None)
        )
        self._writer = PacketWriter(max_packet_bytes)
        if will is not None:
            will = (_octets(will[0]), _octets(will[1]), will[2])
        self._hello = (_octets(client_id), keepalive_s, _octets(user), _octets(password), will)
        if not self._writer.add_connect(*self._hello):
            raise LocalError("mqtt-connect", "id, user, password and will do not fit max_packet_bytes")
        self._work = asyncio.Event()
        self._progress = asyncio.Event()
        self._ended = asyncio.Event()
        self._finished = asyncio.Event()
        self._running = False
        self._stopping = False
        self._said_goodbye = False
        self._stop_ms = 0
        self._stream = None
        self.last_error = None

    @property
    def connected(self):
        """Whether the broker has accepted the present connection."""
        return self._session.accepted

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

    async def stop(self):
        """Write what is due, say goodbye so that no will is published, and return when ``run`` has ended."""
        self._stopping = True
        self._stop_ms = platform.ticks_ms()
        self._work.set()
        self._progress.set()
        if not self.connected:
            self._ended.set()
        if self._running:
            await self._finished.wait()

    async def run(self):
        """Stay connected until ``stop``; returns then. An error raised by ``on_message`` ends it too."""
        if self._running:
            raise LocalError("mqtt-running", "this client runs already")
        self._running = True
        delay_ms = _BACKOFF_FIRST_MS
        try:
            while not self._stopping:
                started_ms = platform.ticks_ms()
                await self._connection()
                if platform.elapsed_ms(started_ms) > _STABLE_MS:
                    delay_ms = _BACKOFF_FIRST_MS
                await self._pause(delay_ms)
                delay_ms = min(2 * delay_ms, _BACKOFF_LAST_MS)
        finally:
            self._stopping = True
            self._progress.set()
            self._finished.set()

    async def _pause(self, delay_ms):
        # Half fixed, half random: a thousand boards must not come back in the same second.
        delay_ms = delay_ms // 2 + delay_ms * platform.urandom(1)[0] // 510
        started_ms = platform.ticks_ms()
        while not self._stopping and platform.elapsed_ms(started_ms) < delay_ms:
            await asyncio.sleep(min(delay_ms / 1000, _CLOCK_STEP_S))

    async def _connection(self):
        """One connection, from its first byte to its end; all tasks and the socket are gone when it returns."""
        self._session.begin()
        self._writer.clear()
        self._ended.clear()
        works = (self._converse(), self._write(), self._watch())
        tasks = [asyncio.create_task(self._until_end(work)) for work in works]
        try:
            await self._ended.wait()
        finally:
            for task in tasks:
                task.cancel()
            if self._stream is not None:
                platform.close_stream(self._stream)
                self._stream = None
            self._session.accepted = False
        for task in tasks:
            try:
                await task
            except asyncio.CancelledError:
                pass  # we have just cancelled it

    async def _until_end(self, work):
        try:
            await work
        except PerunikaError as error:
            if error.fault != "peer" or self._session.in_callback:
                raise
            self.last_error = error
        except OSError as error:
            if self._session.in_callback:
                raise
            self.last_error = PeerError("broker-away", "no connection to the broker: " + repr(error))
        finally:
            self._ended.set()

    async def _converse(self):
        """Connect, then read until the broker or the network ends it."""
        session = self._session
        self._stream = await platform.open_stream(self._host, self._port, self._tls)
        self._writer.add_connect(*self._hello)
        await platform.write_all(self._stream, self._writer.pending())
        self._writer.clear()
        while True:
            count = await platform.read_into(self._stream, session.reader.space())
            if not count:
                raise PeerError("broker-closed", "the broker closed the connection")
            session.received_ms = platform.ticks_ms()
            session.reader.added(count)
            await self._handle_packets()

    async def _handle_packets(self):
        session = self._session
        first = session.reader.next()
        while first:
            session.handle(first)
            while session.acks_full():
                self._work.set()
                self._progress.clear()
                await self._progress.wait()
            first = session.reader.next()
        self._work.set()
        self._progress.set()

    async def _write(self):
        """The only task that writes once the broker has accepted us."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self.connected and self._fill():
                await platform.write_all(self._stream, self._writer.pending())
                self._writer.clear()
                self._session.sent_ms = platform.ticks_ms()
                self._progress.set()
            if self._said_goodbye:
                return

    def _fill(self):
        """Prepare the next write; False when nothing is due."""
        if self._said_goodbye:
            return False
        if self._session.fill(self._writer) and self._stopping:
            self._said_goodbye = self._writer.add_empty(DISCONNECT)
        return len(self._writer.pending()) > 0

    async def _watch(self):
        """Look at the clock until a deadline is missed."""
        started_ms = platform.ticks_ms()
        while True:
            await asyncio.sleep(_CLOCK_STEP_S)
            if self._stopping and platform.elapsed_ms(self._stop_ms) > _STOP_TIMEOUT_MS:
                return
            if not self.connected:
                if platform.elapsed_ms(started_ms) > _CONNECT_TIMEOUT_MS:
                    raise PeerError("broker-silent", "the broker did not accept the connection in time")
            elif self._session.tick(self._retransmit_ms):
                self._work.set()
