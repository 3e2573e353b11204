"""All sales of our metered service: begun and ended by what the payee says, entered by handle and token."""

import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from perunika.errors import LocalError, PeerError
from perunika.records import PAYEE, Stream, load, scan, stream_key
from perunika_gateway.sale import Sale, Serve, access_token
from perunika_gateway.unit_clock import UnitClock

log = logging.getLogger("perunika.gateway.sales")

MAX_SALES = 10_000

# Tells a payer's device its token (JSON text), or that it is over (empty).
Announce = Callable[[bytes, str], Awaitable[None]]


class Sales:
    """Clocks by virtual channel. ``notice`` takes the party's notices, ``find`` lets clients in."""

    def __init__(self, secret: bytes, always: bool, serve: Serve, view: Callable[[], Any], announce: Announce) -> None:
        self._secret = secret
        self._always = always
        self._serve = serve
        self._view = view
        self._announce = announce
        self._clocks: dict[bytes, UnitClock] = {}
        self._by_handle: dict[int, bytes] = {}

    async def start(self) -> None:
        """Go on with the channels that were served when the program ended."""
        known = scan(self._view(), Stream, b"s" + bytes((PAYEE,)))
        serving = [stream for stream in known if stream.phase == "serving"]
        for payer in {each.params.payer for each in known} - {each.params.payer for each in serving}:
            await self._announce(payer, "")  # it may have ended just when we did
        for stream in serving:
            await self._begin(stream.ready.virtual_id, stream)

    async def notice(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Take one notice of the party: ``serving`` and ``stopped`` begin and end sales, ``paid`` wakes them."""
        virtual = fields.get("virtual")
        clock = self._clocks.get(virtual) if virtual is not None else None
        if kind == "serving" and virtual is not None:
            await self._begin(virtual, self.stream(virtual))
        elif kind == "paid" and clock is not None:
            clock.paid()
        elif kind == "stopped" and virtual is not None and clock is not None:
            await self._end(virtual, clock)

    async def _begin(self, virtual: bytes, stream: Any) -> None:
        if stream is None or virtual in self._clocks or len(self._clocks) >= MAX_SALES:
            return
        handle = stream.ready.handle
        sale = Sale(virtual, stream.params.payer, handle, stream.terms.unit_millis / 1000, self._always)
        clock = self._clocks[virtual] = UnitClock(sale, self._serve)
        self._by_handle[handle] = virtual
        if sale.always:
            clock.run()
        token = access_token(self._secret, virtual)
        access = {"handle": f"{handle:08x}", "token": token, "virtual": "0x" + virtual.hex()}
        await self._announce(sale.payer, json.dumps(access))

    async def _end(self, virtual: bytes, clock: UnitClock) -> None:
        clock.end(LocalError("stopped", "this channel is closed", "open a new one"))
        del self._clocks[virtual]
        self._by_handle.pop(clock.sale.handle, None)
        if not any(other.sale.payer == clock.sale.payer for other in self._clocks.values()):
            await self._announce(clock.sale.payer, "")

    def find(self, route: str, token: str) -> UnitClock:
        """Return the clock of a handle (8 hex digits) or channel id. Raises PeerError, the same for both mistakes."""
        virtual = self._virtual(route.lower().removeprefix("0x"))
        expected = access_token(self._secret, virtual or bytes(32))
        if not hmac.compare_digest(expected.encode(), token.encode("utf-8", "replace")) or virtual not in self._clocks:
            raise PeerError("access.denied", "no such channel, or not its token", "see the payer's access topic")
        return self._clocks[virtual]

    def _virtual(self, digits: str) -> bytes | None:
        try:
            route = bytes.fromhex(digits)
        except ValueError:
            return None
        if len(route) == 4:
            return self._by_handle.get(int.from_bytes(route, "big"))
        return route if len(route) == 32 else None

    def stream(self, virtual: bytes) -> Any:
        """Return the payee's newest record of a channel, or None."""
        return load(self._view(), Stream, stream_key(PAYEE, virtual))

    @property
    def clients(self) -> int:
        """Connections that use a channel now."""
        return sum(clock.users for clock in self._clocks.values())

    async def close(self) -> None:
        """Stop all clocks; the channels stay open and go on after the next start."""
        for clock in self._clocks.values():
            await clock.close()
