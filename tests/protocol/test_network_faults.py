"""Messages get lost, doubled and reordered, processes die: after retries everybody ends in the same final state."""

import random

import pytest

from perunika.ledger import free_cash
from perunika.messages import decode
from perunika.records import HUB, PAYEE, PAYER, Basic, Funding, Stream, scan
from tests.protocol.invariants import Watch, agree, fees, hub_gain, quiet
from tests.protocol.scenes import Scene
from tests.support.network import DOMAIN, World

DONE = ("closed", "paid", "collected", "paid", "collected")
SETTLE_S = 400
EVERY_MESSAGE = (
    "TermsRequest", "Terms", "OpenVirtual", "OfferLeg", "LegSigned", "VirtualOpened", "ReadyRequest", "Ready",
    "Voucher", "Ack", "CloseRequest", "CloseLeg", "LegClosed", "Collect", "Collected",
)  # fmt: skip


class Weather:
    """A filter that loses, doubles and delays messages by chance."""

    def __init__(self, world, seed, lost=0.2, doubled=0.2, delayed=0.3):
        self.world, self.chance = world, random.Random(seed)
        self.lost, self.doubled, self.delayed = lost, doubled, delayed
        self.under_way = []
        world.filter = self

    def __call__(self, sender, target, raw):
        if self.chance.random() < self.delayed:
            self.under_way.append((sender, target, raw))
            return []
        if self.chance.random() < self.lost:
            return []
        return [raw] * (2 if self.chance.random() < self.doubled else 1)

    def second(self):
        """Let a second pass; some of what was delayed arrives now, in any order."""
        self.chance.shuffle(self.under_way)
        arriving = len(self.under_way) // 2
        for _sender, target, raw in self.under_way[:arriving]:
            if target.online:
                target.receive(raw)
        del self.under_way[:arriving]
        self.world.run(1)

    def until(self, done):
        for _ in range(SETTLE_S):
            if done():
                return
            self.second()
        raise AssertionError("it never ended")


def life(scene, weather):
    """Open, pay for five units, close; everything by retries."""
    scene.buy()
    weather.until(lambda: scene.find_virtual().virtual is not None and scene.payer().phase == "paying")
    for _ in range(5):
        serve(scene, weather)
    weather.until(lambda: scene.payee().paid() >= 500)
    scene.device1.request(scene.a["payer1"], "close", virtual_id=scene.virtual)
    weather.until(lambda: scene.phases() == DONE)


def serve(scene, weather):
    for _ in range(100):
        policy = scene.shop.party.endpoints[scene.a["meter"]].policy
        if scene.payee().paid() + policy.exposure >= (scene.payee().served + 1) * policy.unit_price:
            scene.shop.request(scene.a["meter"], "serve", virtual=scene.virtual)
            return
        weather.second()
    raise AssertionError("the payer stopped paying")


@pytest.mark.parametrize("seed", range(12))
def test_bad_weather_changes_nothing_in_the_end(seed):
    scene = Scene()
    life(scene, Weather(scene.world, seed))
    paid = scene.payee().paid()
    assert free_cash(scene.basic(scene.shop, "shop"))[0] == 10**6 + paid
    settle_fees(scene)
    agree(scene.world)
    assert hub_gain(scene.world) == fees(scene.world) == scene.fund().fee


def settle_fees(scene):
    """A lost fee is sent again with whatever comes next: here, the wish to close."""
    scene.let_through()
    scene.device1.request(scene.a["device1"], "close", channel_id=scene.ids["device1"])
    scene.settle()


@pytest.mark.parametrize("name", EVERY_MESSAGE)
def test_every_message_may_come_twice_or_much_later_again(name):
    scene = Scene()
    copies = []

    def double(_sender, target, raw):
        if decode(raw).name == name:
            copies.append((target, raw))
            return [raw, raw]
        return [raw]

    scene.world.filter = double
    scene.open().pay(3).close()
    scene.let_through()
    before = stores(scene.world)
    for target, raw in copies:
        target.receive(raw)
    scene.run(5)
    assert copies
    assert scene.phases() == DONE
    assert {k: v for k, v in stores(scene.world).items() if k in before} == before
    agree(scene.world)


def stores(world):
    return {
        (node.name, key): value
        for node in world.nodes
        for key, value in node.store.scan(b"")
        if not key.startswith(b"~")
    }  # fmt: skip


def fleet_life(restart=()):
    """Device 2 (owner's allowance) buys three readings of device 3 (behind the shop); returns what is left."""
    world = World()
    watch = Watch(world)
    busy = []

    def after(node):
        watch(node)
        if node.name in restart and node not in busy:
            busy.append(node)
            node.restart()
            busy.remove(node)

    world.after_step = after
    world.device2.request(world.a["payer2"], "buy", payee=world.a["seller"], capacity=1000, validity_s=3600)
    world.settle()
    world.run(60)
    (stream,) = scan(world.device2.store, Stream, b"s" + bytes((PAYER,)))
    assert stream.phase == "paying", stream.phase
    virtual = stream.params.digest(DOMAIN)
    for _ in range(3):
        world.device2.request(world.a["payer2"], "pay", virtual_id=virtual, amount=50)
        world.settle()
        world.device3.request(world.a["seller"], "serve", virtual=virtual)
        world.run(1)
    world.device2.request(world.a["payer2"], "close", virtual_id=virtual)
    world.run(60)
    assert quiet(world)
    agree(world)
    phases = [
        record.phase
        for node in world.nodes
        for record in scan(node.store, Stream, b"s") + scan(node.store, Funding, b"f")
    ]
    return phases, [free_cash(basic) for basic in scan_all(world)], hub_gain(world)


def scan_all(world):
    return [basic for node in world.nodes for basic in scan(node.store, Basic, b"b")]


@pytest.mark.parametrize(
    "names", [["hub"], ["owner"], ["shop"], ["hub", "owner", "shop"]], ids=lambda names: "+".join(names)
)
def test_a_restart_after_every_step_gives_the_same_run(names):
    assert fleet_life(restart=names) == fleet_life()


def test_payer_and_payee_may_restart_between_any_two_payments():
    world = World()
    Watch(world)
    world.device2.request(world.a["payer2"], "buy", payee=world.a["seller"], capacity=1000, validity_s=3600)
    world.settle()
    (stream,) = scan(world.device2.store, Stream, b"s" + bytes((PAYER,)))
    virtual = stream.params.digest(DOMAIN)
    for paid in (50, 100, 150):
        for node in (world.device2, world.device3):
            node.restart()
        world.device2.request(world.a["payer2"], "resume", payee=world.a["seller"])
        world.settle()
        world.device2.request(world.a["payer2"], "pay", virtual_id=virtual, amount=50)
        world.settle()
        world.device3.request(world.a["seller"], "serve", virtual=virtual)
        (sold,) = scan(world.device3.store, Stream, b"s" + bytes((PAYEE,)))
        assert (sold.paid(), sold.phase) == (paid, "serving")
    world.device3.restart()
    world.device2.request(world.a["payer2"], "close", virtual_id=virtual)
    world.run(10)
    assert quiet(world)
    assert [f.phase for f in scan(world.hub.store, Funding, b"f" + bytes((HUB,)))] == ["collected"]


def test_a_payee_that_restarted_opens_nothing_on_terms_of_before():
    scene = Scene()
    caught = scene.catch("VirtualOpened")
    scene.buy()
    scene.shop.restart()
    scene.let_through()
    for target, raw in caught:
        target.receive(raw)
    scene.run(5)
    scene.find_virtual()
    assert scene.payee() is None
    assert scene.payer().phase == "opened"  # not ready, so nothing is paid
    assert scene.payer().paid() == 0


@pytest.mark.parametrize("name", ["hub", "shop"])
def test_a_disk_that_is_full_changes_nothing_and_sends_nothing(name):
    scene = Scene().open()
    node = getattr(scene, name)
    commit, node.store.commit = node.store.commit, full
    before = dict(node.store._entries)
    with pytest.raises(OSError, match="full"):
        scene.close()
    assert node.store._entries == before
    node.store.commit = commit
    scene.world.queue.clear()
    scene.run(30)
    assert scene.phases() == DONE


def full(_writes):
    raise OSError("disk full")
