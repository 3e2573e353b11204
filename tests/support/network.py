"""Parties joined by a network that really encodes and decodes, and may lose, repeat and reorder messages.

The cast is that of docs/spec.md: hub H; shop G (member and payee of its meter); owner F; device 1 (member and
payer); device 2 (payer on F's allowance); device 3 (seller behind G).
"""

import hashlib

from perunika.context import Look, Send, Submit
from perunika.crypto import PrivateKey
from perunika.eip712 import Domain
from perunika.hub import Hub
from perunika.member import Member
from perunika.messages import Fees, Message, decode, encode
from perunika.party import Party
from perunika.payee import Payee
from perunika.payer import Payer
from perunika.policies import HubPolicy, MemberPolicy, PayeePolicy, PayerPolicy
from perunika.records import OPEN, Basic, basic_key, load
from perunika.store import MemoryStore, Overlay
from perunika.structs import NATIVE, BasicParams, ChainView

NOW_S = 1_800_000_000
ETHER = 10**18
DOMAIN = Domain(31337, b"\xc0\xde" * 10)
FEES = Fees(1000, 200, 50, 1000, ETHER, NOW_S + 10**7)


def secret(name):
    return hashlib.sha256(b"actor " + name.encode()).digest()


def key(name):
    return PrivateKey(secret(name))


class DurableStore(MemoryStore):
    """Keeps what a real store keeps: volatile keys (``~``) are lost at ``restart``."""

    def restart(self):
        self._entries = {k: v for k, v in self._entries.items() if not k.startswith(b"~")}


class Node:
    """One process: a party on its store."""

    def __init__(self, world, name, endpoints):
        self.world = world
        self.name = name
        self.store = DurableStore()
        self.party = Party(world.domain, endpoints)
        self.notices = []
        self.online = True

    def run(self, call, *args, **kwargs):
        """Step, store, then act."""
        view = Overlay(self.store)
        effects = call(view, *args, **kwargs)
        view.commit()
        if self.world.after_step is not None:
            self.world.after_step(self)
        for effect in effects:
            self.world.act(self, effect)

    def receive(self, raw):
        self.run(self.party.receive, raw, self.world.now_ms, self.world.random())

    def request(self, address, name, **fields):
        self.run(self.party.request, address, name, self.world.now_ms, self.world.random(), **fields)

    def tick(self):
        self.run(self.party.tick, self.world.now_ms, self.world.random())

    def restart(self):
        self.store.restart()
        view = Overlay(self.store)
        self.party.start(view, self.world.now_ms)
        view.commit()

    def forget(self):
        """Lose the whole store, as a board whose flash was erased."""
        self.store = DurableStore()
        self.restart()

    def load(self, cls, record_key):
        return load(self.store, cls, record_key)

    def last(self, kind):
        """Return the fields of the newest notice of ``kind``."""
        return self.seen(kind)[-1]

    def seen(self, kind):
        return [n.fields for n in self.notices if n.kind == kind]


class World:
    """The whole cast with three funded basic channels; ``channels`` maps names to their BasicParams."""

    def __init__(self, fees=FEES, unit_price=100, unit_millis=1000, domain=DOMAIN, now_s=NOW_S, **hub_changes):
        self.domain = domain
        self.start_s = now_s
        self.now_ms = now_s * 1000
        self.counter = 0
        self.queue = []
        self.filter = None  # called with (sender node, receiver node, message) -> list of messages to deliver
        self.log = []
        self.blocks = True  # the chain goes on: everybody gets a fresh view now and then
        self.after_step = None  # called with the node after every step that was stored
        self.submitted = []
        self.keys = {n: key(n) for n in ("hub", "shop", "meter", "owner", "device1", "payer1", "payer2", "seller")}
        a = {n: k.address for n, k in self.keys.items()}
        self.a = a
        self.channels = {
            n: BasicParams(a[n], a["hub"], key(n + " owner").address, key("hub owner").address, NATIVE, 3600,
                           now_s + 3600, hashlib.sha256(n.encode()).digest())
            for n in ("shop", "owner", "device1")
        }  # fmt: skip
        self.ids = {n: p.digest(domain) for n, p in self.channels.items()}
        hub_policy = HubPolicy(
            fees, key("hub owner").address, 60, 86400, 3600, 86400 * 30, 10, 100, 0, ETHER, 3600, 4
        ).replace(**hub_changes)
        member_policy = MemberPolicy(a["hub"], fees, 60, 86400, 86400 * 30)

        def payer_policy(member):
            return PayerPolicy(a[member], self.ids[member], a["shop"], 1000, 1000, ETHER, 5000, 86400)

        def payee_policy(price, millis):
            return PayeePolicy(
                self.channels["shop"], a["shop"], a["shop"], price, millis, 1000, 600, 60, 86400, 600, price, 60
            )

        self.hub = Node(self, "hub", [Hub(self.keys["hub"], hub_policy)])
        self.shop = Node(self, "shop", [
            Member(self.keys["shop"], member_policy),
            Payee(self.keys["meter"], payee_policy(unit_price, unit_millis)),
        ])  # fmt: skip
        self.owner = Node(self, "owner", [Member(self.keys["owner"], member_policy)])
        self.device1 = Node(self, "device1", [
            Member(self.keys["device1"], member_policy), Payer(self.keys["payer1"], payer_policy("device1")),
        ])  # fmt: skip
        self.device2 = Node(self, "device2", [Payer(self.keys["payer2"], payer_policy("owner"))])
        self.device3 = Node(self, "device3", [Payee(self.keys["seller"], payee_policy(50, 0))])
        self.nodes = [self.hub, self.shop, self.owner, self.device1, self.device2, self.device3]
        self.fund()

    def fund(self):
        for name in ("shop", "owner", "device1"):
            node = getattr(self, name)
            node.request(self.a[name], "adopt", params=self.channels[name])
            self.hub.request(self.a["hub"], "opened", params=self.channels[name])
            self.chain(node, name)
            self.chain(self.hub, name)
        self.device1.request(self.a["device1"], "allow", payer=self.a["payer1"], limit=ETHER, max_fee=10**15)
        self.owner.request(self.a["owner"], "allow", payer=self.a["payer2"], limit=ETHER, max_fee=10**15)
        for payee in ("meter", "seller"):
            self.shop.request(self.a["shop"], "serve payee", payee=self.a[payee])

    def chain(self, node, name, status=OPEN, base=10**6, total=3 * 10**6, withdraw_nonce=0):
        node.run(
            node.party.request, node.party.endpoints[self.a[name] if node is not self.hub else self.a["hub"]].address,
            "chain", self.now_ms, self.random(), channel_id=self.ids[name], status=status, base=base, total=total,
            withdraw_nonce=withdraw_nonce, block=1 + self.now_ms // 1000 - self.start_s, time_s=self.now_ms // 1000,
        )  # fmt: skip

    def random(self):
        self.counter += 1
        return hashlib.sha256(b"random %d" % self.counter).digest()

    def node_of(self, address):
        for node in self.nodes:
            if address in node.party.endpoints:
                return node
        return None

    def act(self, node, effect):
        if isinstance(effect, Send):
            target = self.node_of(effect.to)
            assert target is not None, f"{node.name} sends to nobody: {effect.message}"
            message = effect.message
            if not effect.link and message.to is None:
                message = Message(message.name, message.body, message.request_id, effect.to, message.sender)
            self.queue.append((node, target, encode(message)))
        elif isinstance(effect, Submit):
            self.submitted.append((node.name, effect))
        elif isinstance(effect, Look):
            self.answer_look(node, effect)
        else:
            node.notices.append(effect)

    def answer_look(self, node, look):
        """The gateway reads the (here: always healthy) chain and answers with a signed view."""
        node.request(
            look.viewer, "looked", look=look, status=OPEN, base=10**6, total=3 * 10**6, block=1,
            time_s=self.now_ms // 1000,
        )  # fmt: skip

    def settle(self, limit=2000):
        """Deliver until nothing is under way."""
        while self.queue and limit:
            limit -= 1
            sender, target, raw = self.queue.pop(0)
            deliveries = [raw] if self.filter is None else self.filter(sender, target, raw)
            for each in deliveries:
                self.log.append((sender.name, target.name, decode(each).name))
                if target.online:
                    target.receive(each)
        assert limit, "messages go round in circles"

    def run(self, seconds=1):
        """Let time pass, one tick a second, delivering everything in between."""
        for _ in range(seconds):
            self.now_ms += 1000
            if self.blocks and self.now_ms // 1000 % 30 == 0:
                self.refresh_chain()
            for node in self.nodes:
                if node.online:
                    node.tick()
            self.settle()

    def refresh_chain(self):
        for name in ("shop", "owner", "device1"):
            for node in (getattr(self, name), self.hub):
                basic = node.load(Basic, basic_key(self.ids[name]))
                if basic is not None and basic.status == OPEN:
                    self.chain(node, name, OPEN, basic.base, basic.total, basic.withdraw_nonce)


__all__ = ["ChainView", "DOMAIN", "ETHER", "NOW_S", "Node", "World", "key", "secret"]
