"""The board's loop around the core: step, **store, then** act (house style 2). Synchronous; it never waits.

A step runs inside the callback of an arriving MQTT message, so the broker's acknowledgement leaves only after the
commit: a board that dies in between gets the message again.
"""

from perunika.context import Notify
from perunika.errors import LocalError, PeerError
from perunika.messages import decode
from perunika.store import Overlay
from perunika_device import platform

_NONCE_BYTES = 32


class Shell:
    """Runs ``party`` on ``store``; ``act(effect)`` is called for every effect of a step that is durable.

    A refused message or a full disk becomes a ``Notify`` and stops nothing. ``urandom`` is a parameter for tests.
    """

    def __init__(self, party, store, clock, act):
        self.party = party
        self.store = store
        self.clock = clock
        self._act = act

    def start(self):
        """Schedule everything that waited for an answer when the board lost power."""
        view = Overlay(self.store)
        self.party.start(view, self.clock.now_ms())
        view.commit()

    def receive(self, raw, listen):
        """Take an encoded message; ``listen(message)`` returns whether it was for the board itself."""
        try:
            message = decode(raw)
        except PeerError as error:
            self._act(Notify("refused message", {"code": error.code, "text": error.text}))
            return
        if listen(message):
            return
        self._guarded(lambda view, now_ms, random: self.party.deliver(view, message, now_ms, random))

    def request(self, address, name, **fields):
        """Run our own user's request; raises what the core raises, nothing is written then."""
        self._run(lambda view, now_ms, random: self.party.request(view, address, name, now_ms, random, **fields))

    def tick(self):
        """Repeat what is unanswered, do what is due."""
        self._guarded(self.party.tick)

    def view(self):
        """Return the registers for reading."""
        return self.store

    def write(self, writes):
        """Commit registers of the shell's own, for instance the deletion of what is over."""
        self.store.commit(writes)

    def _guarded(self, step):
        # What was not stored was not sent either: the peer repeats it or we do, at a later tick.
        try:
            self._run(step)
        except LocalError as error:
            self._act(Notify("refused", {"code": error.code, "text": error.text}))
        except MemoryError as error:
            platform.collect()
            self._act(Notify("refused", {"code": "memory", "text": str(error)}))

    def _run(self, step):
        view = Overlay(self.store)
        effects = step(view, self.clock.now_ms(), platform.urandom(_NONCE_BYTES))
        view.commit()
        for effect in effects:
            self._act(effect)
