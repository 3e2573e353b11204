"""A TCP service sold by the second: the client's first line names its channel, then bytes flow while it is paid.

client:  PERUNIKA <handle, 8 hex digits> <token, 64 hex digits>\\n
meter:   PERUNIKA ok\\n                     then the two streams are joined
or:      PERUNIKA refused <code> <text>\\n   and the connection ends
"""

import asyncio
import logging
import socket
from urllib.parse import urlsplit

from perunika.errors import LocalError, PeerError, PerunikaError
from perunika_gateway.meter import CHUNK_BYTES, SEND_BUFFER_BYTES, Tariff, port_taken, while_paid
from perunika_gateway.sales import Sales
from perunika_gateway.unit_clock import UnitClock

log = logging.getLogger("perunika.gateway.meter")

MAX_LINE_BYTES = 256
LINE_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 10.0


class TcpMeter:
    """Listens on ``bind``:``port`` and joins paying clients to ``upstream`` (tcp://host:port)."""

    kind = "tcp"

    def __init__(self, sales: Sales, tariff: Tariff, bind: str, port: int, upstream: str) -> None:
        self.port = port
        self._sales = sales
        self._tariff = tariff
        self._bind = bind
        self._upstream = urlsplit(upstream)
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._greeting: dict[asyncio.Task[None], None] = {}  # have not said their first line; the oldest is first

    async def open(self) -> None:
        """See Meter."""
        try:
            self._server = await asyncio.start_server(self._accept, self._bind, self.port, limit=CHUNK_BYTES)
        except OSError as error:
            raise port_taken(self._bind, self.port, error) from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """See Meter."""
        if self._server is not None:
            self._server.close()
        under_way = [*self._clients, *self._greeting]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        if len(self._greeting) >= self._tariff.max_clients:
            next(iter(self._greeting)).cancel()  # who says nothing keeps nobody out who has something to say
        self._greeting[task] = None
        try:
            handle, token = await _first_line(reader)
            del self._greeting[task]
            clock = self._sales.find(handle, token)
            if len(self._clients) >= self._tariff.max_clients:
                raise LocalError("meter.full", "too many clients", "try again later")
            self._clients.add(task)
            await self._serve(clock, reader, writer)
        except PerunikaError as error:
            await _refuse(writer, error)
        except OSError as error:
            log.info("a client's connection ended: %s", error)
        finally:
            self._greeting.pop(task, None)
            self._clients.discard(task)
            writer.close()

    async def _serve(self, clock: UnitClock, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await clock.enter()
        try:
            upstream = await self._connect()
            writer.write(b"PERUNIKA ok\n")
            _keep_buffers_small(writer)
            try:
                grace_s = self._tariff.grace_s
                await while_paid(clock, grace_s, _join(clock, (reader, writer), upstream, grace_s))
            except PerunikaError as error:
                log.info("connection ended: %s", error)  # no text: it would look like a part of the service
            finally:
                upstream[1].close()
        finally:
            clock.leave()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                return await asyncio.open_connection(self._upstream.hostname, self._upstream.port, limit=CHUNK_BYTES)
        except (OSError, TimeoutError) as error:
            raise LocalError("meter.upstream", "the service behind this meter does not answer", "try later") from error


async def _first_line(reader: asyncio.StreamReader) -> tuple[str, str]:
    """Return handle and token. Raises PeerError."""
    try:
        async with asyncio.timeout(LINE_TIMEOUT_S):
            line = await reader.readuntil(b"\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError) as error:
        raise PeerError("meter.greeting", "the first line did not come", "send PERUNIKA <handle> <token>") from error
    words = line[:MAX_LINE_BYTES].decode("ascii", "replace").split()
    if len(words) != 3 or words[0] != "PERUNIKA":
        raise PeerError("meter.greeting", "the first line is not ours", "send PERUNIKA <handle> <token>")
    return words[1], words[2]


async def _refuse(writer: asyncio.StreamWriter, error: PerunikaError) -> None:
    try:
        writer.write(f"PERUNIKA refused {error.code} {error.text}\n".encode())
        await writer.drain()
        writer.close()
    except OSError:
        return  # it is gone, nobody is left to be told


def _keep_buffers_small(writer: asyncio.StreamWriter) -> None:
    writer.transport.set_write_buffer_limits(high=0)
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _join(clock: UnitClock, client: Streams, upstream: Streams, idle_s: float) -> None:
    gone = asyncio.Event()
    await asyncio.gather(_up(clock, client[0], upstream[1], gone), _down(clock, upstream[0], client[1], gone, idle_s))


async def _up(clock: UnitClock, source: asyncio.StreamReader, sink: asyncio.StreamWriter, gone: asyncio.Event) -> None:
    while data := await source.read(CHUNK_BYTES):
        await clock.passage()
        sink.write(data)
        await sink.drain()
    gone.set()
    sink.write_eof()


async def _down(
    clock: UnitClock, source: asyncio.StreamReader, sink: asyncio.StreamWriter, gone: asyncio.Event, idle_s: float
) -> None:
    """Bring what the service says; a client that has said its last word is not charged for a silent service."""
    while True:
        try:
            async with asyncio.timeout(max(idle_s, 1.0)):
                data = await source.read(CHUNK_BYTES)
        except TimeoutError:
            if gone.is_set():
                return
            continue
        if not data:
            sink.close()
            return
        await clock.passage()
        sink.write(data)
        await sink.drain()
