"""Situations that many tests start from, and what they ask of a world."""

from perunika.messages import decode
from perunika.records import (
    HUB,
    PAYEE,
    PAYEE_MEMBER,
    PAYER,
    PAYER_MEMBER,
    Basic,
    Funding,
    Nano,
    Stream,
    basic_key,
    funding_key,
    nano_key,
    scan,
    stream_key,
)
from tests.protocol.invariants import Watch
from tests.support.network import DOMAIN, World

PRICE = 100
CAPACITY = 10_000


class Scene:
    """A world with one virtual channel device 1 -> the shop's meter, or on the way to it."""

    def __init__(self, **world):
        self.world = World(**world)
        self.watch = Watch(self.world)
        self.virtual = None
        self.known = set()

    def __getattr__(self, name):
        return getattr(self.world, name)

    def buy(self, capacity=CAPACITY, validity_s=3600, payee="meter", **more):
        self.device1.request(
            self.a["payer1"], "buy", payee=self.a[payee], capacity=capacity, validity_s=validity_s, **more
        )
        self.settle()
        return self

    def open(self, capacity=CAPACITY, **more):
        """Open the channel completely."""
        self.buy(capacity, **more)
        self.find_virtual()
        assert self.payer().phase == "paying", self.payer().phase
        return self

    def find_virtual(self):
        """Turn to the newest channel of device 1's payer."""
        for stream in scan(self.device1.store, Stream, b"s" + bytes((PAYER,))):
            virtual = stream.params.digest(DOMAIN)
            if virtual not in self.known:
                self.known.add(virtual)
                self.virtual = virtual
        return self

    def pay(self, units):
        """Serve and pay ``units`` seconds."""
        for _ in range(units):
            self.shop.request(self.a["meter"], "serve", virtual=self.virtual)
            self.run(1)
        return self

    def close(self, seconds=3):
        self.device1.request(self.a["payer1"], "close", virtual_id=self.virtual)
        self.run(seconds)
        return self

    # Records

    def payer(self):
        return self.device1.load(Stream, stream_key(PAYER, self.virtual))

    def payee(self):
        return self.shop.load(Stream, stream_key(PAYEE, self.virtual))

    def fund(self, role=HUB):
        node = {HUB: self.hub, PAYER_MEMBER: self.device1, PAYEE_MEMBER: self.shop}[role]
        return node.load(Funding, funding_key(role, self.virtual))

    def basic(self, node, channel):
        return node.load(Basic, basic_key(self.ids[channel]))

    def nano(self, node, channel, nid):
        return node.load(Nano, nano_key(self.ids[channel], nid))

    def phases(self):
        """Return the phases of payer, payee, payer's member, payee's member and hub."""
        records = (self.payer(), self.payee(), self.fund(PAYER_MEMBER), self.fund(PAYEE_MEMBER), self.fund(HUB))
        return tuple(None if record is None else record.phase for record in records)

    # The network

    def drop(self, name, times=1):
        """Lose the next ``times`` messages called ``name``."""
        left = [times]

        def filter_(_sender, _target, raw):
            if decode(raw).name == name and left[0]:
                left[0] -= 1
                return []
            return [raw]

        self.world.filter = filter_
        return self

    def catch(self, name):
        """Take every message called ``name`` out of the network; returns the list of (target, raw) that grows."""
        caught = []

        def filter_(_sender, target, raw):
            if decode(raw).name == name:
                caught.append((target, raw))
                return []
            return [raw]

        self.world.filter = filter_
        return caught

    def let_through(self):
        self.world.filter = None
        return self


def refusals(node, code=None):
    """Return the codes of messages that ``node`` refused, or how many had ``code``."""
    codes = [fields["code"] for fields in node.seen("refused message")]
    return codes if code is None else codes.count(code)
