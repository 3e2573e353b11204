"""Ticks (R16): one signature for up to 1024 payments; each tick is a hash that only the payer could know."""

import hashlib

import pytest

from perunika.crypto import sha256
from perunika.errors import LocalError, PeerError
from perunika.evidence import TICKS_MAX, TickEvidence, check_evidence, hash_ticks, sign_voucher
from perunika.ledger import free_cash
from perunika.messages import Message, encode
from perunika.structs import TickChain
from perunika.value import AMOUNT_MAX
from tests.protocol.scenes import Scene, refusals
from tests.support.network import DOMAIN, key

LENGTH = 20
UNIT = 100


class Chain:
    """A tick chain that device 1's payer key signed, and its messages."""

    def __init__(self, scene, base=0, unit=UNIT, length=LENGTH, secret=b"secret", signer="payer1"):
        self.scene = scene
        self.ticks = [hashlib.sha256(secret).digest()]
        for _ in range(length):
            self.ticks.insert(0, sha256(self.ticks[0]))
        chain = TickChain(scene.virtual, base, unit, length, self.ticks[0])
        self.body = {"base": base, "unit": unit, "length": length, "root": self.ticks[0]}
        self.body["signature"] = scene.keys[signer].sign(chain.digest(DOMAIN))

    def send(self, name="TickChain", **body):
        body = {"id": self.scene.payee().ready.handle, **(body or self.body)}
        self.scene.shop.receive(encode(Message(name, body)))
        self.scene.settle()
        return self

    def tick(self, k, tick=None):
        return self.send("Tick", k=k, tick=tick or self.ticks[k])


def opened():
    return Scene().open()


def test_a_chain_is_one_signature_and_each_tick_a_payment():
    scene = opened()
    chain = Chain(scene).send()
    for k in (1, 2, 3):
        chain.tick(k)
        assert scene.payee().paid() == k * UNIT
    assert not refusals(scene.shop)


def test_ticks_may_be_lost_and_come_twice_or_out_of_order():
    scene = opened()
    chain = Chain(scene).send()
    for k, paid in ((5, 5), (3, 5), (5, 5), (9, 9), (1, 9)):
        chain.tick(k)
        assert scene.payee().paid() == paid * UNIT
    assert not refusals(scene.shop)


def test_a_tick_that_does_not_hash_to_the_last_one_is_refused():
    scene = opened()
    chain = Chain(scene).send().tick(2)
    chain.tick(3, tick=b"\x01" * 32)
    chain.tick(4, tick=chain.ticks[3])
    assert refusals(scene.shop) == ["tick.preimage", "tick.preimage"]
    assert scene.payee().paid() == 2 * UNIT


def test_a_tick_beyond_the_chain_is_refused():
    scene = opened()
    chain = Chain(scene).send().tick(LENGTH)
    chain.tick(LENGTH + 1, tick=hashlib.sha256(b"before the secret").digest())
    assert refusals(scene.shop) == ["tick.length"]
    assert scene.payee().paid() == LENGTH * UNIT


def test_a_tick_without_a_chain_is_refused():
    scene = opened().pay(1)
    Chain(scene).tick(1)
    assert refusals(scene.shop) == ["tick.chain"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"length": TICKS_MAX + 1, "unit": 1}, "tick.length"),
        ({"unit": 501}, "voucher.capacity"),
        ({"base": 8001}, "voucher.capacity"),
        ({"signer": "payer2"}, "tick.signer"),
    ],
    ids=["too long", "too dear", "base too high", "signer"],
)
def test_a_chain_outside_the_rules_is_refused(changes, code):
    scene = opened()
    Chain(scene, **changes).send()
    assert refusals(scene.shop) == [code]
    assert scene.payee().forward is None


def test_a_new_chain_starts_at_what_is_paid_and_an_older_one_changes_nothing():
    scene = opened()
    first = Chain(scene).send().tick(4)
    second = Chain(scene, base=400, secret=b"second").send().tick(2)
    assert scene.payee().paid() == 600
    first.send().tick(8)  # the first root is not current any more: its ticks prove nothing here
    assert scene.payee().paid() == 600
    second.tick(3)
    assert scene.payee().paid() == 700


def test_the_best_of_vouchers_and_ticks_counts_not_their_sum():
    scene = opened()
    Chain(scene).send().tick(4)
    evidence = sign_voucher(DOMAIN, scene.keys["payer1"], scene.virtual, 500)
    body = {"amount": 500, "signature": evidence.signature}
    Chain(scene).send("Voucher", **body)
    assert scene.payee().paid() == 500


def test_the_hub_pays_for_ticks_and_collects_with_them():
    scene = opened()
    Chain(scene).send().tick(7)
    scene.shop.request(scene.a["meter"], "close", virtual=scene.virtual)
    scene.run(3)
    assert scene.phases()[1:] == ("paid", "collected", "paid", "collected")
    assert free_cash(scene.basic(scene.shop, "shop"))[0] == 10**6 + 700


def test_evidence_is_bounded_before_it_is_hashed():
    def evidence(**changes):
        fields = {
            "base": 0,
            "unit": 1,
            "length": 3,
            "root": bytes(32),
            "signature": bytes(65),
            "k": 0,
            "tick": bytes(32),
        }
        return TickEvidence(**{**fields, **changes})

    payer = key("payer1").address
    for changes, code in (
        ({"length": TICKS_MAX + 1}, "tick.length"),
        ({"k": 4}, "tick.length"),
        ({"base": AMOUNT_MAX, "k": 1}, "tick.range"),
        ({}, "tick.signer"),
    ):
        with pytest.raises(PeerError) as refused:
            check_evidence(DOMAIN, payer, bytes(32), evidence(**changes))
        assert refused.value.code == code
    with pytest.raises(LocalError):
        hash_ticks(bytes(32), TICKS_MAX + 1)
