"""Flow 6: a party that lost its memory goes on without ever signing two contents for one place."""

import pytest

from perunika.errors import LocalError
from perunika.messages import Message, decode, encode
from perunika.records import PAYEE, PAYER, Stream, scan, stream_key
from tests.protocol.invariants import agree
from tests.protocol.scenes import Scene, refusals
from tests.support.network import DOMAIN


def fleet():
    """Device 2 buys from the meter out of its owner's channel: its store holds nothing but vouchers."""
    scene = Scene()
    scene.device2.request(scene.a["payer2"], "buy", payee=scene.a["meter"], capacity=5000, validity_s=3600)
    scene.settle()
    (stream,) = scan(scene.shop.store, Stream, b"s" + bytes((PAYEE,)))
    scene.virtual = stream.params.digest(DOMAIN)
    return scene


def payer(scene):
    return scene.device2.load(Stream, stream_key(PAYER, scene.virtual))


def test_a_payer_without_memory_goes_on_from_what_the_payee_proves():
    scene = fleet().pay(5)
    scene.device2.forget()
    assert payer(scene) is None
    scene.device2.request(scene.a["payer2"], "resume", payee=scene.a["meter"])
    scene.settle()
    assert payer(scene).paid() == 500
    scene.pay(5)
    assert (payer(scene).paid(), scene.payee().paid()) == (1000, 1000)
    assert payer(scene).phase == "paying"


def test_a_payer_forgets_between_every_two_payments():
    scene = fleet()
    for paid in range(100, 800, 100):
        scene.pay(1)
        assert scene.payee().paid() == paid
        scene.device2.forget()
        scene.device2.request(scene.a["payer2"], "resume", payee=scene.a["meter"])
        scene.settle()
    scene.device2.request(scene.a["payer2"], "close", virtual_id=scene.virtual)
    scene.run(3)
    assert scene.payee().phase == "paid"
    agree(scene.world)


def test_forgetting_stretches_no_budget():
    scene = fleet()
    member = scene.device2.party.endpoints[scene.a["payer2"]]
    member.policy = member.policy.replace(max_total=5000)
    for _ in range(60):
        scene.run(1)
        if scene.payee().phase != "serving":
            break
        scene.shop.request(scene.a["meter"], "serve", virtual=scene.virtual)
        scene.device2.forget()
        scene.device2.request(scene.a["payer2"], "resume", payee=scene.a["meter"])
        scene.settle()
    assert scene.payee().paid() == 5000


def test_a_payee_that_nobody_asked_is_not_believed():
    scene = fleet().pay(3)
    answer = resumed(scene)
    scene.device2.forget()
    scene.device2.receive(answer)
    assert refusals(scene.device2) == ["resume.unasked"]
    assert payer(scene) is None


def resumed(scene):
    caught = scene.catch("Resumed")
    scene.device2.request(scene.a["payer2"], "resume", payee=scene.a["meter"])
    scene.settle()
    scene.let_through()
    return caught[0][1]


def test_an_older_proof_hurts_only_the_payee():
    scene = fleet().pay(2)
    old = resumed(scene)
    scene.pay(3)
    scene.device2.receive(old)
    assert payer(scene).paid() == 500


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("terms_signature", "resume.terms"),
        ("ready_signature", "ready.signature"),
        ("payer_random", "resume.params"),
        ("forward", "voucher.signer"),
    ],
)
def test_a_proof_with_one_wrong_part_is_refused(field, code):
    scene = fleet().pay(2)
    message = decode(resumed(scene))
    body = dict(message.body)
    if field == "forward":
        body[field] = body[field].replace(amount=1)
    else:
        body[field] = bytes(len(body[field]))
    scene.device2.forget()
    scene.device2.run(lambda view: scene.device2.party.request(
        view, scene.a["payer2"], "resume", scene.now_ms, bytes(32), payee=scene.a["meter"]))  # fmt: skip
    scene.world.queue.clear()
    scene.device2.receive(encode(Message("Resumed", body, message.request_id, message.to, message.sender)))
    assert refusals(scene.device2) == [code]
    assert payer(scene) is None


def test_a_payer_without_memory_still_refuses_a_price_above_its_limit():
    scene = fleet().pay(2)
    scene.device2.forget()
    endpoint = scene.device2.party.endpoints[scene.a["payer2"]]
    endpoint.policy = endpoint.policy.replace(max_unit_price=99)
    scene.device2.request(scene.a["payer2"], "resume", payee=scene.a["meter"])
    scene.settle()
    assert refusals(scene.device2) == ["terms.price"]


def test_a_member_that_admits_amnesia_signs_nothing_more():
    scene = Scene().open().pay(3)
    scene.device1.forget()
    scene.device1.request(scene.a["device1"], "adopt", params=scene.channels["device1"])
    scene.device1.request(scene.a["device1"], "freeze", channel_id=scene.ids["device1"])
    scene.chain(scene.device1, "device1")
    scene.device1.request(scene.a["device1"], "allow", payer=scene.a["payer1"], limit=10**6, max_fee=10**6)
    scene.device1.request(scene.a["payer1"], "resume", payee=scene.a["meter"])
    scene.settle()
    scene.pay(2)
    assert scene.payee().paid() == 500  # vouchers go on: the payee proved them
    scene.device1.request(scene.a["payer1"], "buy", payee=scene.a["meter"], capacity=1000, validity_s=600)
    scene.settle()
    assert scene.device1.last("refused")["code"] == "channel.frozen"
    for name, fields in (("close", {}), ("withdraw", {"to_alice": 1, "to_bob": 0})):
        with pytest.raises(LocalError, match=r"channel\.frozen"):
            scene.device1.request(scene.a["device1"], name, channel_id=scene.ids["device1"], **fields)
    scene.close(10)
    assert scene.payee().phase == "paid"  # the hub paid; collecting from a member without memory is for the chain


def test_a_frozen_member_cancels_no_leg_that_it_cannot_remember():
    scene = Scene().open().pay(3)
    scene.shop.request(scene.a["shop"], "freeze", channel_id=scene.ids["shop"])
    body = {"virtual": b"\x01" * 32, "channel": scene.ids["shop"], "nid": 9, "version": 2, "signature": bytes(65)}
    scene.shop.receive(encode(Message("CancelLeg", body, b"12345678", scene.a["shop"], scene.a["hub"])))
    assert refusals(scene.shop) == ["channel.frozen"]
