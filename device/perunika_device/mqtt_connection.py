"""A connection to an MQTT broker that is made anew for ever: moves the bytes of a ``Session``, decides nothing.

Three tasks a connection: one reads, one writes (so no lock is needed), one looks at the clock. When one of them ends,
all are cancelled and the socket is closed before the next attempt begins.
"""

import asyncio

from perunika.errors import LocalError, PeerError, PerunikaError
from perunika_device import platform
from perunika_device.mqtt_packets import DISCONNECT, PacketWriter

_CONNECT_TIMEOUT_MS = 10000
_STOP_TIMEOUT_MS = 2000
_CLOCK_STEP_S = 0.2
_BACKOFF_FIRST_MS = 250
_BACKOFF_LAST_MS = 30000
_STABLE_MS = 5000


class Connection:
    """Keeps ``session`` connected to ``host``:``port`` while ``run`` runs; ``hello`` is what ``add_connect`` gets."""

    def __init__(self, host, port, tls, session, hello, max_packet_bytes, retransmit_ms):
        self._host = host
        self._port = port
        self._tls = tls
        self._session = session
        self._hello = hello
        self._retransmit_ms = retransmit_ms
        self._writer = PacketWriter(max_packet_bytes)
        if not self._writer.add_connect(*hello):
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
