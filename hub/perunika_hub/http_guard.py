"""Who may call what, how often, and how errors look: the middleware of the HTTP interface."""

import hmac
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from aiohttp import web

from perunika.errors import PeerError, PerunikaError

log = logging.getLogger("perunika.hub.http")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_CALLERS = 10_000
# HTTP status by error code; what is not here goes by whose fault it is.
STATUS_BY_CODE = {
    "request.json": 400,
    "request.field": 400,
    "request.size": 413,
    "request.path": 404,
    "request.method": 405,
    "channel.unknown": 404,
    "virtual.unknown": 404,
    "admin.token": 401,
    "quote.rate": 429,
}
STATUS_BY_AREA = {"store": 503, "chain": 503, "quote": 409, "channel": 409, "checkpoint": 409, "close": 409}


def status_of(error: PerunikaError) -> int:
    """Return the HTTP status for an error."""
    return STATUS_BY_CODE.get(error.code) or STATUS_BY_AREA.get(error.code.partition(".")[0], 400)


def error_response(error: PerunikaError) -> web.Response:
    """Return an error as JSON: code, text, hint, and whose fault it is."""
    body = {"error": {"code": error.code, "text": error.text, "hint": error.hint, "fault": error.fault}}
    headers = {"WWW-Authenticate": "Bearer"} if error.code == "admin.token" else None
    return web.json_response(body, status=status_of(error), headers=headers)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error, also those of the server itself, into one JSON form."""
    try:
        return await handler(request)
    except PerunikaError as error:
        return error_response(error)
    except web.HTTPException as error:
        codes = {404: "request.path", 405: "request.method", 413: "request.size"}
        body = {"code": codes.get(error.status, "request.wrong"), "text": error.reason, "hint": "see /openapi.json"}
        allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        text = json.dumps({"error": {**body, "fault": "peer"}})
        return web.Response(status=error.status, text=text, content_type="application/json", headers=allowed)


class AdminToken:
    """Compares the ``Authorization`` header with the token, in constant time."""

    def __init__(self, token: str) -> None:
        self._expected = b"Bearer " + token.encode()

    def check(self, request: web.Request) -> None:
        """Raise PeerError ``admin.token`` unless the caller knows the token."""
        given = request.headers.get("Authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self._expected):
            log.warning("refused %s %s from %s: no admin token", request.method, request.path, request.remote)
            raise PeerError("admin.token", "this call needs the admin token", "send it as Authorization: Bearer …")


class RateLimit:
    """So many calls per minute for each caller; unused ones are saved up for one minute."""

    def __init__(self, per_minute: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._now_s = now_s
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, caller: str) -> None:
        """Count a call. Raises PeerError ``quote.rate`` when there were too many."""
        now_s = self._now_s()
        left, since_s = self._left.pop(caller, (float(self.per_minute), now_s))
        left = min(self.per_minute, left + (now_s - since_s) * self.per_minute / 60)
        allowed = left >= 1
        self._left[caller] = (left - 1 if allowed else left, now_s)
        while len(self._left) > MAX_CALLERS:
            self._left.popitem(last=False)
        if not allowed:
            text = f"more than {self.per_minute} quotes a minute from one address"
            raise PeerError("quote.rate", text, "wait a minute; each quote locks the hub's money")
