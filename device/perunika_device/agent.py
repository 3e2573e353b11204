"""The agent: joins the core's party, the flash store, the clock and the MQTT link of one board, and runs its roles.

What a board does is in its roles (``paying.Paying``, ``selling.Selling``, ``own_channel.OwnChannel``; ``role.Role``
says what they are asked). Only the modules of configured roles are imported.
"""

import asyncio
import gc
import sys

import perunika_device
from perunika.context import Notify, Send
from perunika.errors import LocalError, PerunikaError
from perunika.messages import Message, encode
from perunika.party import Party
from perunika_device import platform
from perunika_device.board_store import BoardStore
from perunika_device.link import Link
from perunika_device.shell import Shell
from perunika_device.wall_clock import WallClock

_TICK_MS = 1000
_PAUSE_S = 0.1
# Garbage is collected this often: what is kept would else lie scattered among it and leave no room in one piece.
_WORKING_BYTES = 16384
_TIGHT_BYTES = 4096  # with a channel of its own a board has 20 KB left
_STATE_MS = 2000
_SETUP = ("config", "config_section", "identity", "sealed", "pbkdf2")
_SHOWN = ("refused message", "refused", "peer error", "unpaid")


class Agent:
    """A board with the roles that ``config`` names; ``sensor()`` returns what a seller sells, as a whole number.

    ``on_reading(reading)`` is called for every verified reading that was bought. Raises ``LocalError`` for keys that
    do not open and for a store that is damaged.
    """

    def __init__(self, config, log, sensor=None, on_reading=None):
        self.config = config
        self.log = log
        self.clock = WallClock(config.provisioned_s)
        self.store = BoardStore(config.store.directory, config.store.second)
        self.stopping = asyncio.Event()
        self.failure = None
        self._state_ms = 0
        self.roles = []
        self._add_roles(sensor, on_reading)
        endpoints = [endpoint for role in self.roles for endpoint in role.endpoints]
        self.shell = Shell(Party(config.domain, endpoints), self.store, self.clock, self._act)
        self.device = endpoints[-1].address
        self.link = Link(config.broker, config.site, self.device.hex(), self._receive)
        platform.remember_keys(1 if config.seller is not None else 0)
        _forget_setup()
        platform.collect_every(_TIGHT_BYTES if config.member is not None else _WORKING_BYTES)

    def _add_roles(self, sensor, on_reading):
        from perunika_device.identity import Identity

        config, own = self.config, None
        identity = Identity(config.keys)
        payer = identity.key("payer") if config.payer is not None else None
        if config.member is not None:
            from perunika_device.own_channel import OwnChannel

            own = OwnChannel(self, identity.key("member"), payer.address)
            self.roles.append(own)
        if config.seller is not None:
            from perunika_device.selling import Selling

            self.roles.append(Selling(self, identity.key("payee"), sensor))
        if payer is not None:
            from perunika_device.paying import Paying

            self.roles.append(Paying(self, payer, own, on_reading))

    # What comes in and goes out

    def _receive(self, raw):
        self.shell.receive(raw, self._listen)
        self.log.sample()

    def _listen(self, message):
        try:
            for role in self.roles:
                if role.listen(message):
                    return True
        except PerunikaError as error:
            self._act(Notify("refused message", {"code": error.code, "text": error.text, "about": message.name}))
            return True
        return False

    def _act(self, effect):
        if isinstance(effect, Send):
            self.link.send(encode(_addressed(effect)))
        elif isinstance(effect, Notify):
            if effect.kind in _SHOWN:
                self.log.write(effect.kind, **effect.fields)
            for role in self.roles:
                role.hear(effect.kind, effect.fields)
        else:
            # Only a party with a chain can submit or look; the hub does both for a board.
            self.log.write("refused", code="board.chain", text="a board has no chain of its own")

    # Running

    async def run(self, seconds=None, stay=False):
        """Work until every role is done, ``stop`` was called or ``seconds`` of work are over; returns what was done.

        With ``stay`` it then goes on answering (its basic channel may be closed by its owner) until ``stop``.

        Pays, sells, closes what it has opened, says goodbye. Raises the ``LocalError`` that ended it early.
        """
        self.log.write("start", device=self.device, restored=self.store.restored)
        self.shell.start()
        for role in self.roles:
            role.start()
        link = asyncio.create_task(self._guard(self.link.run()))
        ticks = asyncio.create_task(self._guard(self._ticks()))
        try:
            await self._work(seconds)
            if stay and self.failure is None:
                self.log.write("staying")
                await self.stopping.wait()
        finally:
            ticks.cancel()
            self.log.sample()
            self.link.tell(self.state())
            await self.link.stop()
            link.cancel()
        if self.failure is not None:
            raise self.failure
        summary = self.state()
        self.log.write("end", **summary)
        return summary

    async def _work(self, seconds):
        await self.link.ready()
        self.log.write("connected")
        for role in self.roles:
            if self.failure is None:
                await role.main(seconds)

    async def _guard(self, work):
        """Run ``work``; what ends it is kept for ``run`` to raise, and everything stops."""
        try:
            await work
        except (PerunikaError, OSError, MemoryError) as error:
            self.failure = error
            self.stopping.set()

    def stop(self):
        """Ask the agent to close what it pays for and to end."""
        self.stopping.set()

    async def pause(self, timeout_s):
        """Wait ``timeout_s`` seconds or until the agent is asked to end; returns whether it is."""
        start_ms = platform.ticks_ms()
        while not self.stopping.is_set() and platform.elapsed_ms(start_ms) < timeout_s * 1000:
            await asyncio.sleep(min(timeout_s, _PAUSE_S))
        return self.stopping.is_set()

    async def _ticks(self):
        """Run the party's ticks: once a second, and exactly when a payment is due."""
        greeted = -1
        while True:
            now_ms = self.clock.now_ms()
            wait_ms = _TICK_MS
            for role in self.roles:
                wait_ms = min(wait_ms, role.due_ms(now_ms))
            gc.collect()
            await asyncio.sleep(max(wait_ms - (self.clock.now_ms() - now_ms), 1) / 1000)
            if not self.link.connected:
                continue  # unsent repetitions would only fill the queue
            if greeted != self.link.client.counters.reconnects:
                greeted = self.link.client.counters.reconnects
                self.link.greet()
                for role in self.roles:
                    role.connected()
            self._tick()

    def _tick(self):
        now_ms = self.clock.now_ms()
        for role in self.roles:
            role.tick(now_ms)
        self.shell.tick()
        self.log.sample()
        if now_ms >= self._state_ms:
            self._state_ms = now_ms + _STATE_MS
            state = self.state()
            self.link.tell(state)
            self.log.write("state", **state)

    def state(self):
        """Return what people may see, as a dict of plain values."""
        gc.collect()
        state = {"heap_bytes": platform.heap_used_bytes(), "heap_peak_bytes": self.log.heap_peak_bytes}
        for role in self.roles:
            state.update(role.state())
        return state

    def command(self, word):
        """Obey ``close``, ``stop`` (paying) or ``start`` (again); raises ``LocalError`` for another word."""
        if word == "close":
            self.stop()
        elif word in ("stop", "start"):
            for role in self.roles:
                role.hold(word == "stop")
        else:
            raise LocalError("command", "%s is no command" % word, "say close, stop or start")


def _addressed(effect):
    message = effect.message
    if effect.link or message.to is not None:
        return message
    return Message(message.name, message.body, message.request_id, effect.to, message.sender)


def _forget_setup():
    """Give back the memory of modules that a running board does not need any more."""
    for name in _SETUP:
        module = "perunika_device." + name
        if platform.ON_MICROPYTHON and module in sys.modules:
            del sys.modules[module]
            delattr(perunika_device, name)
    gc.collect()
