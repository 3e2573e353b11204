"""What one step may read, write and cause: the core's only window to the world.

Time, randomness and the store come in from outside; effects go out and are acted upon after the commit.
"""

from perunika.crypto import sha256
from perunika.records import funding_key, load, save, scan

RETRY_MS = (1000, 2000, 4000, 8000, 15000, 30000)  # delays of the k-th repetition of an unanswered message


def retry_ms(attempts):
    """Return how long to wait before repeating something for the next time."""
    return RETRY_MS[attempts if attempts < len(RETRY_MS) else -1]


class Send:
    """Effect: send ``message`` to address ``to``; ``link`` means the short form on the device's own link."""

    def __init__(self, to, message, link=False):
        self.to = to
        self.message = message
        self.link = link


class Submit:
    """Effect: bring ``name`` with ``fields`` on chain (``close``, ``withdraw``)."""

    def __init__(self, name, fields):
        self.name = name
        self.fields = fields


class Look:
    """Effect: read the confirmed chain state of ``channel`` and hand it back as event ``Looked``."""

    def __init__(self, channel, virtual, nonce, to, request_id, viewer):
        self.channel = channel
        self.virtual = virtual
        self.nonce = nonce
        self.to = to
        self.request_id = request_id
        self.viewer = viewer


class Notify:
    """Effect: tell our user or meter that something happened; ``fields`` are plain values."""

    def __init__(self, kind, fields):
        self.kind = kind
        self.fields = fields

    def __repr__(self):
        return "Notify(%s, %r)" % (self.kind, self.fields)


class Context:
    """One step's view (an ``Overlay``), domain, time and effects; ``random`` is 32 fresh bytes."""

    def __init__(self, view, domain, now_ms, random=None):
        self.view = view
        self.domain = domain
        self.now_ms = now_ms
        self.now = now_ms // 1000
        self.random = random
        self.effects = []

    def send(self, to, message, link=False):
        self.effects.append(Send(to, message, link))

    def notify(self, kind, **fields):
        self.effects.append(Notify(kind, fields))

    def load(self, cls, key):
        return load(self.view, cls, key)

    def save(self, key, record):
        save(self.view, key, record)

    def scan(self, cls, prefix):
        return scan(self.view, cls, prefix)

    def later(self, role, virtual_id, attempts=0):
        """Remember (volatile) to repeat what ``role`` last said about ``virtual_id``, with growing delays."""
        due_ms = self.now_ms + retry_ms(attempts)
        self.view.put(b"~w" + funding_key(role, virtual_id), due_ms.to_bytes(8, "big") + bytes((attempts & 255,)))

    def settled(self, role, virtual_id):
        """Stop repeating: the awaited answer has come."""
        key = b"~w" + funding_key(role, virtual_id)
        if self.view.get(key) is not None:
            self.view.delete(key)


def request_id(name, subject):
    """Return the 8-byte id of our request ``name`` about ``subject``: the same for every repetition (R1)."""
    return sha256(name.encode() + subject)[:8]
