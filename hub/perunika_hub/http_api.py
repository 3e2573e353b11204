"""The hub's HTTP interface (protocol.md §6): JSON, described by ``openapi.document``.

Reading and quotes are for everybody; what signs or sends needs the admin token.
"""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from aiohttp import web

from perunika.errors import PeerError
from perunika.hub import Hub
from perunika.records import Funding, load
from perunika.structs import NATIVE
from perunika_host.mqtt_link import MqttLink
from perunika_hub import http_fields as fields
from perunika_hub import openapi, shown
from perunika_hub.books import Books
from perunika_hub.config import HubConfig
from perunika_hub.exchange import Exchange
from perunika_hub.http_guard import AdminToken, RateLimit, errors_as_json
from perunika_hub.settlement import Settlement
from perunika_hub.shell import basic_of, basics_by_id
from perunika_hub.watcher import Watcher

MAX_BODY_BYTES = 16_384
PAGE, MAX_PAGE = 100, 1000

Answer = Callable[[web.Request], Awaitable[Any]]


@dataclass(slots=True)
class Parts:
    """The running parts that answers are made of."""

    config: HubConfig
    hub: Hub
    exchange: Exchange
    watcher: Watcher
    settlement: Settlement
    books: Books
    link: MqttLink
    token: AdminToken


class Api:
    """Answers by path; ``application()`` is what aiohttp serves."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.quotes = RateLimit(parts.config.http.quotes_per_minute)

    def application(self) -> web.Application:
        """Return the web application with all paths of the OpenAPI document."""
        app = web.Application(middlewares=[errors_as_json], client_max_size=MAX_BODY_BYTES)
        for method, path, answer in (
            ("GET", "/v1/info", self.info),
            ("POST", "/v1/quotes", self.quote),
            ("GET", "/v1/channels", self.channels),
            ("GET", "/v1/channels/{id}", self.channel),
            ("GET", "/v1/virtuals", self.virtuals),
            ("GET", "/v1/virtuals/{id}", self.virtual),
            ("GET", "/v1/books", self.books),
            ("POST", "/v1/channels/{id}/close", self._admin(self.close)),
            ("POST", "/v1/channels/{id}/checkpoint", self._admin(self.checkpoint)),
            ("POST", "/v1/settle", self._admin(self.settle)),
            ("GET", "/openapi.json", self.openapi),
        ):
            app.router.add_route(method, path, _json(answer))
        app.router.add_get("/v1/health", self.health)
        return app

    def _admin(self, answer: Answer) -> Answer:
        async def guarded(request: web.Request) -> Any:
            self.parts.token.check(request)
            return await answer(request)

        return guarded

    async def health(self, request: web.Request) -> web.Response:
        """Whether openings would be accepted now: 200, else 503 with the reasons."""
        watcher, link, settlement = self.parts.watcher, self.parts.link.state, self.parts.settlement
        chain_error = watcher.error
        ok = chain_error is None and watcher.state.block >= 0 and link.connected
        body = {
            "status": "ok" if ok else "degraded",
            "chain": {
                "block": watcher.state.block,
                "time": watcher.state.time_s,
                "error": None if chain_error is None else str(chain_error),
            },
            "mqtt": {
                "connected": link.connected,
                "error": None if link.last_error is None else str(link.last_error),
                "dropped_in": link.dropped_in,
                "dropped_out": link.dropped_out,
            },
            "settlement": {
                "waiting": settlement.waiting(),
                "error": None if settlement.error is None else str(settlement.error),
            },
            "messages": {key: self.parts.exchange.counters[key] for key in ("received", "sent", "relayed", "refused")},
        }
        return web.json_response(body, status=200 if ok else 503)

    async def info(self, request: web.Request) -> Any:
        """Who this hub is and what it asks for."""
        config, policy = self.parts.config, self.parts.hub.policy
        limits = {name: value for name, value in shown.plain(policy).items() if name not in ("fees", "owner")}
        return {
            "hub": shown.hexed(self.parts.hub.address),
            "owner": shown.hexed(policy.owner),
            "chain_id": config.chain.chain_id,
            "contract": shown.hexed(config.chain.contract),
            "confirmations": config.chain.confirmations,
            "fees": shown.plain(policy.fees),
            "limits": limits,
            "version": _version(),
        }

    async def quote(self, request: web.Request) -> Any:
        """Sign an offer to open a channel."""
        body = fields.read_body(await request.read())
        known = ("member", "member_owner", "member_deposit", "hub_deposit", "challenge_duration_s", "salt")
        fields.refuse_unknown(body, known)
        policy = self.parts.hub.policy
        wanted = {
            "member": fields.address(body, "member"),
            "member_owner": fields.address(body, "member_owner"),
            "asset": NATIVE,
            "member_deposit": fields.amount_wei(body, "member_deposit"),
            "hub_deposit": fields.amount_wei(body, "hub_deposit"),
            "challenge_duration": fields.whole(
                body.get("challenge_duration_s", policy.challenge_duration_s), "challenge_duration_s", 1, 2**32 - 1
            ),
            "salt": fields.bytes32(body["salt"], "salt") if "salt" in body else os.urandom(32),
        }
        self.quotes.check(request.remote or "unknown")
        quote = await self.parts.exchange.shell.quote(self.parts.hub.address, wanted)
        return {
            "channel": shown.hexed(quote["open"].channel_id),
            "params": shown.plain(quote["params"]),
            "open": shown.plain(quote["open"]),
            "signature": shown.hexed(quote["signature"]),
            "fees": shown.plain(quote["fees"]),
        }

    async def channels(self, request: web.Request) -> Any:
        """List basic channels by id, a page at a time."""
        view = self.parts.exchange.shell.view()
        page, following = _page(request, basics_by_id(view))
        return {"channels": [shown.channel(view, *each) for each in page], "next": following}

    async def channel(self, request: web.Request) -> Any:
        """Show one basic channel."""
        channel_id = _path_id(request)
        view = self.parts.exchange.shell.view()
        basic = basic_of(view, channel_id)
        if basic is None:
            raise PeerError("channel.unknown", "this hub has no such channel", "it counts after N confirmations")
        return shown.channel(view, channel_id, basic)

    async def virtuals(self, request: web.Request) -> Any:
        """List virtual channels by id, a page at a time."""
        view = self.parts.exchange.shell.view()
        keys = [(key[2:], key) for key, _ in view.scan(shown.virtual_key())]
        page, following = _page(request, keys)
        return {
            "virtuals": [shown.virtual(virtual_id, load(view, Funding, key)) for virtual_id, key in page],
            "next": following,
        }

    async def virtual(self, request: web.Request) -> Any:
        """Show one virtual channel."""
        virtual_id = _path_id(request)
        funding = load(self.parts.exchange.shell.view(), Funding, shown.virtual_key(virtual_id))
        if funding is None:
            raise PeerError("virtual.unknown", "this hub has no such virtual channel")
        return shown.virtual(virtual_id, funding)

    async def books(self, request: web.Request) -> Any:
        """Show the hub's books."""
        vault_wei = self.parts.watcher.state.vault_wei
        return shown.books(self.parts.exchange.shell.view(), self.parts.books, vault_wei)

    async def close(self, request: web.Request) -> Any:
        """Offer the member to close the channel; once it has agreed, the close goes on chain."""
        channel_id = _path_id(request)
        await self.parts.exchange.shell.request(self.parts.hub.address, "close", channel_id=channel_id)
        return {"channel": shown.hexed(channel_id), "offered": True}

    async def checkpoint(self, request: web.Request) -> Any:
        """Offer the member to fold ended virtual channels; ``offered`` is false when there are none."""
        channel_id = _path_id(request)
        effects = await self.parts.exchange.shell.request(self.parts.hub.address, "checkpoint", channel_id=channel_id)
        return {"channel": shown.hexed(channel_id), "offered": bool(effects)}

    async def settle(self, request: web.Request) -> Any:
        """Send waiting closes now; answers when they are in a block."""
        done = await self.parts.settlement.settle_now()
        return {
            "closed": [shown.hexed(channel_id) for channel_id in done.closed],
            "transactions": [shown.hexed(digest) for digest in done.transactions],
            "waiting": self.parts.settlement.waiting(),
        }

    async def openapi(self, request: web.Request) -> Any:
        """Describe this interface."""
        return openapi.document()


def _json(answer: Answer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response(await answer(request), headers={"Cache-Control": "no-store"})

    return handler


def _path_id(request: web.Request) -> bytes:
    return fields.bytes32(request.match_info["id"], "the id in the path")


def _page(request: web.Request, entries: list[tuple[bytes, Any]]) -> tuple[list[tuple[bytes, Any]], str | None]:
    """Return the wanted page of entries, ordered by id, and where the next one begins."""
    limit = fields.whole(request.query.get("limit", PAGE), "limit", 1, MAX_PAGE)
    after = request.query.get("after")
    if after is not None:
        start = fields.bytes32(after, "after")
        entries = [entry for entry in entries if entry[0] > start]
    page = entries[:limit]
    return page, shown.hexed(page[-1][0]) if len(entries) > limit else None


def _version() -> str:
    try:
        return version("perunika")
    except PackageNotFoundError:
        return "unknown"
