"""One purchase from beginning to end: resume what was paid before, or open a channel; pay; close."""

import asyncio

from perunika.errors import PerunikaError
from perunika.records import PAYER, Stream, scan, stream_key
from perunika_device import platform
from perunika_device.marker import PAYER as USED
from perunika_device.marker import read_marker

_OVER = ("closed", "refused")
_KEEP_OVER = 1  # finished channels that stay on record
_RESUME_TRIES = 4
_RESUME_WAIT_S = 1
_OPEN_WAIT_S = 60
_CLOSE_WAIT_S = 30
_CHAIN_WAIT_S = 60
_SERVE_WAIT_S = 2
_SILENT_MS = 8000
_LOOK_S = 0.05


class Purchase:
    """Drives ``role`` (a ``Paying``) through the life of a channel; nothing here signs or decides about money."""

    def __init__(self, role):
        self._role = role
        self._agent = role.agent

    async def run(self, seconds):
        """Pay for ``seconds``, or until stopped or the budget is spent when it is None; closed when it returns."""
        if not await self._chain_seen():
            return
        if not await self._resumed() and not self._agent.stopping.is_set():
            await self._buy()
        if self._role.phase == "paying":
            await self._pay(seconds)
            await self._close()

    async def _chain_seen(self):
        """Wait until our own basic channel was seen open with the agreed amounts; without one there is no need."""
        own = self._role.own
        if own is None:
            return True
        for _ in range(_CHAIN_WAIT_S * 10):
            if own.problem() is None or await self._agent.pause(0.1):
                break
        if own.problem() is not None:
            self._fail("chain", own.problem())
        return own.problem() is None

    def _fail(self, problem, text):
        self._role.problem = self._role.problem or problem
        self._agent.log.write("failed", problem=self._role.problem, text=text)

    async def _wait(self, phases, timeout_s):
        """Wait for one of ``phases``; returns whether it came in time and nobody asked the agent to end."""
        role = self._role
        start_ms = platform.ticks_ms()
        while role.phase not in phases and platform.elapsed_ms(start_ms) < timeout_s * 1000:
            if self._agent.failure is not None or self._agent.stopping.is_set() and "closed" not in phases:
                return False
            await asyncio.sleep(_LOOK_S)
        return role.phase in phases

    async def _resumed(self):
        """Take up a channel that this board has paid before, also when it forgot it; returns whether there is one."""
        role = self._role
        known = scan(self._agent.store, Stream, b"s" + bytes((PAYER,)))
        waiting = self._unfinished(known)
        if waiting is None and (known or read_marker(self._agent.config.keys.directory, USED) is None):
            return False  # nothing is open and nothing was forgotten, or this key has never paid
        if waiting is not None and waiting.phase in ("requested", "opened"):
            return await self._wait(("paying", "refused"), _OPEN_WAIT_S) and role.phase == "paying"
        if waiting is not None and waiting.phase != "paying":
            role.virtual = waiting.params.digest(self._agent.config.domain)
            await self._wait(("closed",), _CLOSE_WAIT_S)  # the party repeats the request to close
            waiting = None
        for _ in range(_RESUME_TRIES):
            role.ask_memory()
            if await self._wait(("paying",), _RESUME_WAIT_S):
                return True
        if waiting is not None:
            # The payee knows nothing of a channel that we still have: close it, so that its capacity comes free.
            role.virtual = waiting.params.digest(self._agent.config.domain)
            await self._close()
        return False

    def _unfinished(self, streams):
        for stream in streams:
            if stream.phase not in _OVER and stream.params.payee == self._role.settings.payee:
                return stream
        return None

    async def _buy(self):
        role, settings = self._role, self._role.settings
        self._forget()
        capacity = settings.capacity_wei
        if role.own is not None:
            capacity = min(capacity, role.own.budget_left())
        role.phase = "opening"
        if capacity == 0:
            self._fail("exhausted", "the budget is spent")
            return
        self._agent.shell.request(
            role.address, "buy", payee=settings.payee, capacity=capacity, validity_s=settings.validity_s
        )
        await self._wait(("paying", "refused"), _OPEN_WAIT_S)
        if role.phase != "paying":
            self._agent.shell.write({b"~t" + settings.payee: None})
            self._fail("stopped" if self._agent.stopping.is_set() else "no answer", "the channel was not opened")

    def _forget(self):
        """Drop finished channels but the newest: the flash of a board is small, and they prove nothing any more."""
        over = [
            (stream.started_ms, stream_key(PAYER, stream.params.digest(self._agent.config.domain)))
            for stream in scan(self._agent.store, Stream, b"s" + bytes((PAYER,)))
            if stream.phase in _OVER
        ]
        writes = {}
        for _, key in sorted(over)[: max(0, len(over) - _KEEP_OVER)]:
            writes[key] = None
        self._agent.shell.write(writes)
        if self._role.own is not None:
            self._role.own.forget()

    async def _pay(self, seconds):
        role = self._role
        start_ms = platform.ticks_ms()
        while role.phase == "paying" and not self._agent.stopping.is_set():
            if seconds is not None and platform.elapsed_ms(start_ms) >= seconds * 1000:
                return
            await self._agent.pause(0.1)
            if self._agent.link.connected and role.silent_ms() > _SILENT_MS:
                # A payee that restarted has forgotten our handle: asked, it shows what it was paid.
                self._agent.log.write("silent", payee=role.settings.payee)
                role.silence_noted()
                role.ask_memory()

    async def _close(self):
        role = self._role
        role.finish()
        await self._served()
        stream = role.stream()
        try:
            if stream is not None and stream.phase == "paying":
                self._agent.shell.request(role.address, "close", virtual_id=role.virtual)
        except PerunikaError as error:
            self._agent.log.write("refused", code=error.code, text=error.text)
        if not await self._wait(("closed",), _CLOSE_WAIT_S):
            self._fail("not closed", "the payee has not answered; the next start asks again")

    async def _served(self):
        """Give the payee a moment to serve what is paid: what is still owed at the close is lost."""
        start_ms = platform.ticks_ms()
        while self._role.exposure() and platform.elapsed_ms(start_ms) < _SERVE_WAIT_S * 1000:
            if self._role.phase != "paying" or self._agent.failure is not None:
                return
            await asyncio.sleep(_LOOK_S)
