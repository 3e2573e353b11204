"""Everybody does anything in any order while the network and strangers misbehave: no invariant ever breaks.

A rule machine (Hypothesis): purchases, payments, closes, checkpoints, withdrawals, restarts and lost stores, with
messages lost, doubled, delayed, replayed, misdelivered and altered. ``Watch`` looks at each party after every step; at
the end everything settles, both sides of each channel count the same, and the hub has gained exactly its fees.
"""

import random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from perunika.errors import PerunikaError
from perunika.messages import decode, encode
from perunika.records import PAYEE, PAYER, Stream, scan
from tests.protocol.invariants import Watch, agree, fees, hub_gain, under_way
from tests.support.network import DOMAIN, World

SELLERS = ("meter", "seller")
MEMBERS = ("shop", "owner", "device1")
NODES = ("hub", "shop", "owner", "device1", "device2", "device3")
seeds = st.integers(0, 2**32)


class Everything(RuleBasedStateMachine):
    @initialize(two_way=st.booleans(), floor=st.sampled_from([0, 300]))
    def begin(self, two_way, floor):
        self.world = World(early_floor=floor, offer_timeout_s=5)
        self.watch = Watch(self.world)
        self.refund_capacity = 500 if two_way else 0
        self.heard = []
        self.late = []
        self.chance = random.Random(0)
        self.loss = 0.0
        self.world.filter = self.weather

    def weather(self, sender, target, raw):
        self.heard.append((target, raw))
        draw = self.chance.random()
        if draw < self.loss:
            return []
        if draw < 2 * self.loss:
            self.late.append((target, raw))
            return []
        return [raw, raw] if draw < 2.5 * self.loss else [raw]

    def streams(self, node, role):
        return scan(getattr(self.world, node).store, Stream, b"s" + bytes((role,)))

    def ask(self, node, key, name, **fields):
        """Make a user's request; what the core refuses is as good as what it does."""
        try:
            getattr(self.world, node).request(self.world.a[key], name, **fields)
        except PerunikaError as error:
            assert error.code
        self.world.settle()

    @rule(seed=seeds, loss=st.sampled_from([0.0, 0.1, 0.3]))
    def change_weather(self, seed, loss):
        self.chance.seed(seed)
        self.loss = loss

    @rule(
        buyer=st.sampled_from([("device1", "payer1"), ("device2", "payer2")]),
        seller=st.sampled_from(SELLERS),
        capacity=st.sampled_from([999, 1000, 3000, 400_000]),
    )
    def buy(self, buyer, seller, capacity):
        node, key = buyer
        self.ask(
            node, key, "buy", payee=self.world.a[seller], capacity=capacity, validity_s=300,
            payee_capacity=self.refund_capacity if seller == "meter" else 0,
        )  # fmt: skip

    @rule(index=st.integers(0, 5), seconds=st.integers(1, 4))
    def serve(self, index, seconds):
        for node, key in (("shop", "meter"), ("device3", "seller")):
            serving = [s for s in self.streams(node, PAYEE) if s.phase == "serving"]
            for _ in range(seconds if serving else 0):
                virtual = serving[index % len(serving)].params.digest(DOMAIN)
                self.ask(node, key, "serve", virtual=virtual)
                self.world.run(1)

    @rule(index=st.integers(0, 5), amount=st.sampled_from([1, 50, 700]))
    def pay(self, index, amount):
        for node, key in (("device1", "payer1"), ("device2", "payer2")):
            paying = [s for s in self.streams(node, PAYER) if s.phase == "paying"]
            if paying:
                virtual = paying[index % len(paying)].params.digest(DOMAIN)
                self.ask(node, key, "pay", virtual_id=virtual, amount=amount)

    @rule(index=st.integers(0, 5), amount=st.sampled_from([1, 100, 600]))
    def refund(self, index, amount):
        serving = [s for s in self.streams("shop", PAYEE) if s.phase == "serving"]
        if serving:
            virtual = serving[index % len(serving)].params.digest(DOMAIN)
            self.ask("shop", "meter", "refund", virtual=virtual, amount=amount)

    @rule(index=st.integers(0, 5), by_payee=st.booleans())
    def close_virtual(self, index, by_payee):
        sides = (
            (("shop", "meter"), ("device3", "seller")) if by_payee else (("device1", "payer1"), ("device2", "payer2"))
        )
        for node, key in sides:
            found = self.streams(node, PAYEE if by_payee else PAYER)
            if found:
                virtual = found[index % len(found)].params.digest(DOMAIN)
                self.ask(node, key, "close", **{"virtual" if by_payee else "virtual_id": virtual})

    @rule(channel=st.sampled_from(MEMBERS))
    def checkpoint(self, channel):
        self.ask("hub", "hub", "checkpoint", channel_id=self.world.ids[channel])

    @rule(channel=st.sampled_from(MEMBERS), by_hub=st.booleans(), amount=st.sampled_from([1, 10**5]))
    def withdraw(self, channel, by_hub, amount):
        node = "hub" if by_hub else channel
        self.ask(node, node, "withdraw", channel_id=self.world.ids[channel], to_alice=amount, to_bob=amount)

    @rule(seconds=st.integers(1, 20))
    def time(self, seconds):
        self.world.run(seconds)

    @rule(node=st.sampled_from(NODES))
    def restart(self, node):
        getattr(self.world, node).restart()
        self.resume()

    @rule()
    def forget(self):
        """The board that holds nothing but vouchers loses its store."""
        self.world.device2.forget()
        self.resume()

    def resume(self):
        for node, key in (("device1", "payer1"), ("device2", "payer2")):
            for seller in SELLERS:
                self.ask(node, key, "resume", payee=self.world.a[seller])

    @rule(node=st.sampled_from(("device1", "shop", "hub", "device3")))
    def go_away_or_come_back(self, node):
        node = getattr(self.world, node)
        node.online = not node.online

    @rule(seed=seeds, node=st.sampled_from((None, *NODES)))
    def replay(self, seed, node):
        """Deliver an old message again, to whom it was for or to somebody else."""
        if self.heard:
            target, raw = random.Random(seed).choice(self.heard)
            (getattr(self.world, node) if node else target).receive(raw)
            self.world.settle()

    @rule(seed=seeds)
    def late_mail(self, seed):
        random.Random(seed).shuffle(self.late)
        for _ in range(len(self.late) // 2):
            target, raw = self.late.pop()
            if target.online:
                target.receive(raw)
        self.world.settle()

    @rule(seed=seeds)
    def alter(self, seed):
        """Deliver a message in which one field comes from another one of the same type."""
        chance = random.Random(seed)
        if not self.heard:
            return
        target, raw = chance.choice(self.heard)
        message = decode(raw)
        others = [decode(other) for _, other in self.heard[-300:]]
        other = chance.choice([each for each in others if each.name == message.name] or [message])
        field = chance.choice(sorted(message.body))
        if other.body.get(field) is not None:
            message.body[field] = other.body[field]
            target.receive(encode(message))
            self.world.settle()

    def teardown(self):
        if not hasattr(self, "world"):
            return
        world = self.world
        world.filter = None
        for node in world.nodes:
            node.online = True
        world.run(40)
        for node, key in (("shop", "meter"), ("device3", "seller")):
            for stream in self.streams(node, PAYEE):
                if stream.phase in ("opened", "serving"):
                    self.ask(node, key, "close", virtual=stream.params.digest(DOMAIN))
        world.run(120)
        for _ in range(3):
            world.now_ms += 1300_000
            world.refresh_chain()
            world.run(70)
        assert under_way(world) == []
        for name in MEMBERS:
            self.ask(name, name, "close", channel_id=world.ids[name])
        agree(world)
        assert hub_gain(world) == fees(world)
        closed = {effect.fields["close"].channel_id for _, effect in world.submitted if effect.name == "close"}
        assert closed == set(world.ids.values())


Everything.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestEverything = Everything.TestCase
