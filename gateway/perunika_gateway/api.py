"""The gateway's HTTP API: what people, dashboards and the command line ask for (docs/openapi/gateway.json)."""

import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from perunika.errors import ChainError, LocalError, PeerError, PerunikaError
from perunika.records import (
    PAYEE,
    PAYEE_MEMBER,
    PAYER_MEMBER,
    Allowance,
    Basic,
    Funding,
    Stream,
    allowance_key,
    basic_key,
    funding_key,
    load,
    stream_key,
)
from perunika.value import AMOUNT_MAX
from perunika_gateway import views
from perunika_gateway.gateway import Gateway
from perunika_gateway.meter import port_taken
from perunika_gateway.openapi import document
from perunika_host.secret_file import read_secret

MAX_BODY_BYTES = 16 * 1024
NOT_FOUND = ("virtual.unknown", "channel.unknown", "allowance.unknown", "path.unknown")

Handler = Callable[[web.Request], Awaitable[Any]]


@dataclass(frozen=True)
class ApiError(Exception):
    """An answer that is an error: HTTP status and whose fault it is."""

    status: int
    error: PerunikaError


class Api:
    """Serves one gateway on loopback by default; calls that change something need the admin token."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.port = gateway.config.http.port
        token_file = gateway.config.http.admin_token_file
        self._token = read_secret(token_file) if token_file is not None else None
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Listen. Raises LocalError ``port.taken``."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_faults])
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/openapi.json", self._document),
            ("GET", "/v1/health", self._health),
            ("GET", "/v1/info", self._info),
            ("GET", "/v1/devices", self._devices),
            ("GET", "/v1/streams", self._streams),
            ("GET", "/v1/channels", self._channels),
            ("GET", "/v1/books", self._books),
            ("GET", "/v1/readings", self._readings),
            ("GET", "/v1/allowances", self._allowances),
            ("POST", "/v1/allowances", self._admin(self._allow)),
            ("POST", "/v1/streams/{virtual}/close", self._admin(self._close_stream)),
            ("POST", "/v1/channels/{id}/close", self._admin(self._close_channel)),
        ]
        for method, path, handler in routes:
            app.router.add_route(method, path, _as_json(handler))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        bind = self.gateway.config.http.bind
        try:
            await web.TCPSite(self._runner, bind, self.port).start()
        except OSError as error:
            raise port_taken(bind, self.port, error) from error
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _admin(self, handler: Handler) -> Handler:
        async def checked(request: web.Request) -> Any:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if self._token is None:
                hint = "name http.admin_token_file in the configuration"
                raise ApiError(403, LocalError("admin.off", "this gateway has no admin token", hint))
            if not hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode()):
                hint = "send Authorization: Bearer <token>"
                raise ApiError(401, LocalError("admin.token", "the admin token is missing or wrong", hint))
            return await handler(request)

        return checked

    @property
    def _view(self) -> Any:
        return self.gateway.shell.view()

    def _all_streams(self) -> list[views.Json]:
        me = self.gateway.identity
        return views.streams(self._view, me.domain, me.payee_policy)

    async def _document(self, _: web.Request) -> Any:
        return document()

    async def _health(self, _: web.Request) -> Any:
        return self.gateway.state()

    async def _info(self, _: web.Request) -> Any:
        config, me = self.gateway.config, self.gateway.identity
        meter = self.gateway.meter
        return {
            "member": views.hexed(me.member.address), "channel": views.hexed(me.channel_id),
            "payees": [views.hexed(me.payee.address)] if me.payee is not None else [], "site": config.site.name,
            "hub": views.hexed(config.hub.address), "chain_id": config.chain.chain_id,
            "contract": views.hexed(config.chain.contract),
            "meter": {
                "kind": meter.kind, "port": meter.port, "unit_price_wei": str(config.meter.unit_price_wei),
                "unit_ms": round(config.meter.unit_s * 1000),
            } if meter is not None else None,
        }  # fmt: skip

    async def _devices(self, _: web.Request) -> Any:
        return {"devices": views.devices(self.gateway.devices.all)}

    async def _streams(self, _: web.Request) -> Any:
        return {"streams": self._all_streams()}

    async def _channels(self, _: web.Request) -> Any:
        return {"channels": views.channels(self._view, self.gateway.identity.domain)}

    async def _books(self, _: web.Request) -> Any:
        return views.books(self._view, self.gateway.identity.domain)

    async def _readings(self, _: web.Request) -> Any:
        return {"readings": views.readings(self.gateway.readings.last.values())}

    async def _allowances(self, _: web.Request) -> Any:
        return {"allowances": views.allowances(self._view)}

    async def _allow(self, request: web.Request) -> Any:
        body = await _body(request)
        payer = _bytes(body, "payer", 20)
        known = load(self._view, Allowance, allowance_key(payer))
        max_fee = self.gateway.config.limits.max_fee_wei if known is None else known.max_fee
        paused = body.get("paused", False)
        if not isinstance(paused, bool):
            raise _wrong("paused", "true or false")
        await self.gateway.shell.request(
            self.gateway.identity.member.address, "allow", payer=payer, limit=_amount(body, "limit_wei"),
            max_fee=_amount(body, "max_fee_wei") if "max_fee_wei" in body else max_fee, paused=int(paused),
        )  # fmt: skip
        found = [each for each in views.allowances(self._view) if each["payer"] == views.hexed(payer)]
        return found[0]

    async def _close_stream(self, request: web.Request) -> Any:
        virtual = _hex(request.match_info["virtual"], "virtual", 32)
        payee = self.gateway.identity.payee
        if payee is None or load(self._view, Stream, stream_key(PAYEE, virtual)) is None:
            raise self._not_ours(virtual)
        await self.gateway.shell.request(payee.address, "close", virtual=virtual)
        every = self._all_streams()
        return next(each for each in every if each["virtual"] == views.hexed(virtual))

    def _not_ours(self, virtual: bytes) -> ApiError:
        legs = (load(self._view, Funding, funding_key(role, virtual)) for role in (PAYER_MEMBER, PAYEE_MEMBER))
        if any(legs):
            hint = "close it at the device; an allowance can be paused here"
            return ApiError(409, LocalError("virtual.device", "a device's key ends this channel, not ours", hint))
        return ApiError(404, LocalError("virtual.unknown", "no such virtual channel here", "see /v1/streams"))

    async def _close_channel(self, request: web.Request) -> Any:
        channel_id = _hex(request.match_info["id"], "id", 32)
        if load(self._view, Basic, basic_key(channel_id)) is None:
            raise ApiError(404, LocalError("channel.unknown", "no such basic channel here", "see /v1/channels"))
        await self.gateway.shell.request(self.gateway.identity.member.address, "close", channel_id=channel_id)
        every = views.channels(self._view, self.gateway.identity.domain)
        return next(each for each in every if each["id"] == views.hexed(channel_id))


def _as_json(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def respond(request: web.Request) -> web.StreamResponse:
        return web.json_response(await handler(request))

    return respond


@web.middleware
async def _faults(request: web.Request, handler: Any) -> web.StreamResponse:
    """Turn every error into one JSON shape that says whose fault it is."""
    try:
        response: web.StreamResponse = await handler(request)
        return response
    except ApiError as fault:
        return _fault(fault.status, fault.error)
    except PerunikaError as error:
        return _fault(503 if isinstance(error, ChainError) else 409, error)
    except web.HTTPRequestEntityTooLarge:
        return _fault(413, PeerError("body.size", f"the body is longer than {MAX_BODY_BYTES} bytes"))
    except web.HTTPException as error:
        return _fault(error.status, PeerError("path.unknown", error.reason, "see /openapi.json"))


def _fault(status: int, error: PerunikaError) -> web.Response:
    fault = {"code": error.code, "text": error.text, "hint": error.hint, "fault": error.fault}
    return web.json_response({"error": fault}, status=status)


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.text())
    except ValueError as error:
        raise ApiError(400, PeerError("body.json", f"the body is no JSON: {error}")) from error
    if not isinstance(body, dict):
        raise ApiError(400, PeerError("body.json", "the body is no JSON object"))
    return body


def _wrong(name: str, expected: str) -> ApiError:
    return ApiError(400, PeerError("body.field", f"{name} is wrong or missing", f"expected {expected}"))


def _amount(body: dict[str, Any], name: str) -> int:
    digits = body.get(name)
    if not isinstance(digits, str) or not digits.isascii() or not digits.isdigit() or int(digits[:40]) > AMOUNT_MAX:
        raise _wrong(name, "wei as a string of decimal digits")
    return int(digits)


def _bytes(body: dict[str, Any], name: str, size: int) -> bytes:
    return _hex(body.get(name), name, size)


def _hex(value: object, name: str, size: int) -> bytes:
    digits = str(value).removeprefix("0x")
    try:
        raw = bytes.fromhex(digits)
    except ValueError as error:
        raise _wrong(name, f"0x and {2 * size} hexadecimal digits") from error
    if len(raw) != size:
        raise _wrong(name, f"0x and {2 * size} hexadecimal digits")
    return raw
