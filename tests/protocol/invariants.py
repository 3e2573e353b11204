"""What must hold in every party after every step, whatever the others send; raises ``AssertionError`` with the place.

``Watch`` is hung into a ``World``: it looks at a node after each stored step and remembers across forgetting.
"""

from perunika.ledger import free_cash, held
from perunika.phases import ROLE_NAMES
from perunika.records import (
    ALICE,
    BOB,
    HUB,
    PAYEE,
    PAYEE_MEMBER,
    PAYER,
    PAYER_MEMBER,
    Basic,
    Funding,
    Nano,
    Stream,
    scan,
)
from tests.support.network import DOMAIN


class Watch:
    """Remembers what each party has signed and shown, so that nothing may fall or be signed twice."""

    def __init__(self, world):
        self.signed = {}
        self.highest = {}
        self.stores = {}  # kept alive, so that a new store never has an old one's identity
        world.after_step = self

    def __call__(self, node):
        self.stores[id(node.store)] = node.store
        for basic in scan(node.store, Basic, b"b"):
            self.channel(node, basic)
        for role in (PAYER, PAYEE):
            for stream in scan(node.store, Stream, b"s" + bytes((role,))):
                self.stream(node, stream)
        for funding in scan(node.store, Funding, b"f" + bytes((HUB,))):
            self.hub(node, funding)

    def channel(self, node, basic):
        channel_id = basic.params.digest(DOMAIN)
        nanos = scan(node.store, Nano, b"n" + channel_id)
        assert min(free_cash(basic)) >= 0, (node.name, "R5", free_cash(basic))
        assert basic.held_alice == sum(held(nano)[0] for nano in nanos), (node.name, "held of Alice")
        assert basic.held_bob == sum(held(nano)[1] for nano in nanos), (node.name, "held of Bob")
        assert basic.terminated == sum(nano.final() is not None for nano in nanos), (node.name, "terminated")
        for field in ("ab", "ba", "due", "next_even", "next_odd", "block"):
            self.rises(node, (channel_id, field), getattr(basic, field))
        for nano in nanos:
            for version in nano.versions:
                self.version(node, basic, nano, version)
        for checkpoint in (basic.checkpoint, basic.offered):
            if checkpoint is not None:
                self.once(node, ("checkpoint", channel_id, checkpoint.version), checkpoint)

    def version(self, node, basic, nano, version):
        mine = version.alice if basic.side == ALICE else version.bob
        if mine is not None:
            content = (version.blocked_alice, version.blocked_bob, nano.app, nano.state)
            self.once(node, (nano.channel_id, nano.nid, version.version), content)

    def once(self, node, place, content):
        """R1: one content per place, ever, also after the store was lost."""
        assert self.signed.setdefault((node.name, place), content) == content, (node.name, "R1", place)

    def rises(self, node, place, number):
        """Registers only grow; a store that was lost starts anew, but what it signed does not."""
        known = self.highest.get((node.name, id(node.store), place), 0)
        assert number >= known, (node.name, place, "fell from", known, "to", number)
        self.highest[(node.name, id(node.store), place)] = number

    def stream(self, node, stream):
        virtual_id = stream.params.digest(DOMAIN)
        back = stream.backward.amount if stream.backward is not None else 0
        assert stream.paid() <= stream.params.payer_capacity + back, (node.name, "capacity")
        assert stream.acked <= stream.paid(), (node.name, "acked")
        for field in ("served", "acked"):
            self.rises(node, (virtual_id, stream.role, field), getattr(stream, field))
        self.rises(node, (virtual_id, stream.role, "paid"), stream.paid())

    def hub(self, node, funding):
        """R7 and R9: the hub signs νb only when it holds νa, and pays only when it can collect."""
        virtual_id = funding.params.digest(DOMAIN)
        a = self.find(node, funding.params.payer_channel, funding.nid_a)
        b = self.find(node, funding.params.payee_channel, funding.nid_b)
        if b is not None and a is not None and any(v.bob and not v.terminal() for v in b.versions):
            assert any(v.alice for v in a.versions), (node.name, "R7", virtual_id.hex()[:8])
        if b is not None and b.final() is not None and b.final().blocked_bob and a is not None:
            second = a.find(2)
            assert second is not None and second.blocked_alice == b.final().blocked_bob, (node.name, "R9")

    def find(self, node, channel_id, nid):
        found = [nano for nano in scan(node.store, Nano, b"n" + channel_id) if nano.nid == nid]
        return found[0] if found else None


def agree(world):
    """Assert that member and hub count the same in every channel and that nothing is left open."""
    for name in ("shop", "owner", "device1"):
        node = getattr(world, name)
        (mine,) = scan(node.store, Basic, b"b" + world.ids[name])
        (hubs,) = scan(world.hub.store, Basic, b"b" + world.ids[name])
        assert free_cash(mine) == free_cash(hubs), (name, free_cash(mine), free_cash(hubs))
        assert (mine.ab, mine.ba, mine.due) == (hubs.ab, hubs.ba, hubs.due), name


def hub_gain(world):
    """Return what the hub's free cash over all channels gained; with no leg open that is its fees."""
    return sum(free_cash(basic)[BOB] - (basic.total - 10**6) for basic in scan(world.hub.store, Basic, b"b"))


def fees(world):
    """Return the wei of fees that the hub was paid in its channels."""
    return sum(basic.ab for basic in scan(world.hub.store, Basic, b"b"))


def quiet(world):
    """Return whether no virtual channel is under way anywhere."""
    return not under_way(world)


def under_way(world):
    """Return (node, role, phase) of every virtual channel that a member or the hub has not ended."""
    done = {HUB: ("refused", "collected"), PAYER_MEMBER: ("refused", "collected"), PAYEE_MEMBER: ("paid", "cancelled")}
    return [
        (node.name, ROLE_NAMES[role], funding.phase, funding.reason, funding.params.digest(DOMAIN).hex()[:8])
        for node in world.nodes
        for role in done
        for funding in scan(node.store, Funding, b"f" + bytes((role,)))
        if funding.phase not in done[role]
    ]
