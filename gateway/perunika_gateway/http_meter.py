"""An HTTP service sold by the second: a reverse proxy that answers 402 without payment and stops mid-body with it.

The client sends ``Perunika-Channel`` (handle or channel id) and ``Perunika-Token`` with every request.
"""

import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from perunika.errors import LocalError, PeerError, PerunikaError
from perunika_gateway.meter import CHUNK_BYTES, SEND_BUFFER_BYTES, Tariff, port_taken, while_paid
from perunika_gateway.sales import Sales
from perunika_gateway.unit_clock import UnitClock

log = logging.getLogger("perunika.gateway.meter")

CHANNEL, TOKEN = "Perunika-Channel", "Perunika-Token"
CONNECT_TIMEOUT_S = 10.0
HOP_BY_HOP = frozenset((
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
    "upgrade", "host", "content-length", CHANNEL.lower(), TOKEN.lower(),
))  # fmt: skip


class HttpMeter:
    """Listens on ``bind``:``port`` and passes paid requests to ``upstream`` (http://host:port/path)."""

    kind = "http"

    def __init__(self, sales: Sales, tariff: Tariff, bind: str, port: int, upstream: str) -> None:
        self.port = port
        self._sales = sales
        self._tariff = tariff
        self._bind = bind
        self._upstream = upstream.rstrip("/")
        self._clients = 0
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """See Meter."""
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT_S)
        no_cookies = aiohttp.DummyCookieJar()
        self._session = aiohttp.ClientSession(auto_decompress=False, timeout=timeout, cookie_jar=no_cookies)
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._bind, self.port)
        try:
            await site.start()
        except OSError as error:
            raise port_taken(self._bind, self.port, error) from error
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """See Meter."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self._clients >= self._tariff.max_clients:
            return self._refusal(503, LocalError("meter.full", "too many clients", "try again later"))
        self._clients += 1
        try:
            clock = self._sales.find(request.headers.get(CHANNEL, ""), request.headers.get(TOKEN, ""))
            await clock.enter()
        except PeerError as error:
            return self._refusal(402 if CHANNEL not in request.headers else 403, error)
        except LocalError as error:
            return self._refusal(402, error)
        else:
            try:
                return await self._forward(request, clock)
            finally:
                clock.leave()
        finally:
            self._clients -= 1

    def _refusal(self, status: int, error: PerunikaError) -> web.Response:
        fault = {"code": error.code, "text": error.text, "hint": error.hint, "fault": error.fault}
        return web.json_response({"error": fault, **self._tariff.facts}, status=status)

    async def _forward(self, request: web.Request, clock: UnitClock) -> web.StreamResponse:
        if self._session is None:
            return self._refusal(503, LocalError("meter.closed", "the meter is closing"))
        response = web.StreamResponse()
        sent = _body(request, clock) if request.can_read_body else None
        if not request.raw_path.startswith("/"):
            # "@elsewhere/" would turn the service's own address into a user name.
            return self._refusal(400, PeerError("meter.path", "the request names no path", "begin it with /"))
        target = URL(self._upstream + request.raw_path, encoded=True)
        try:
            async with self._session.request(
                request.method, target, headers=_end_to_end(request.headers), data=sent, allow_redirects=False
            ) as answer:
                response.set_status(answer.status, answer.reason)
                response.headers.extend(_end_to_end(answer.headers))
                response.content_length = answer.content_length
                await while_paid(clock, self._tariff.grace_s, _deliver(request, response, answer, clock))
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("the service behind the meter: %s", error)
            if not response.prepared:
                return self._refusal(502, LocalError("meter.upstream", "the service behind this meter does not answer"))
            _cut(request)
        except PerunikaError as error:
            log.info("a response was cut: %s", error)
            if not response.prepared:
                return self._refusal(402, error)
            _cut(request)
        return response


def _end_to_end(headers: Any) -> CIMultiDict[str]:
    """Return the headers that a proxy passes on, without ours."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP)


async def _body(request: web.Request, clock: UnitClock) -> AsyncIterator[bytes]:
    async for data in request.content.iter_chunked(CHUNK_BYTES):
        await clock.passage()
        yield data


async def _deliver(
    request: web.Request, response: web.StreamResponse, answer: aiohttp.ClientResponse, clock: UnitClock
) -> None:
    await clock.passage()
    await response.prepare(request)
    if request.transport is not None:
        request.transport.set_write_buffer_limits(high=0)
        connection: socket.socket | None = request.transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    async for data in answer.content.iter_chunked(CHUNK_BYTES):
        await clock.passage()
        await response.write(data)
    await response.write_eof()


def _cut(request: web.Request) -> None:
    """End the connection, so that the client sees a body that broke off and not one that is complete."""
    if request.transport is not None:
        request.transport.close()
