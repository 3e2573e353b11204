"""Lost messages, restarts and refusals at the worst moment: nobody asks the same for ever, nobody is left behind."""

import pytest

from perunika.evidence import sign_voucher
from perunika.messages import Message, decode, encode
from perunika.records import PAYER, PAYER_MEMBER, Funding, Stream, scan
from tests.protocol.invariants import agree
from tests.protocol.scenes import PRICE, Scene, refusals
from tests.support.network import DOMAIN


def asked(scene):
    return [name for _, _, name in scene.log].count("AllowanceRequest")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"limit": 10**18, "max_fee": 10**15, "paused": 1}, "allowance.none"),
        ({"limit": 9_999, "max_fee": 10**15}, "allowance.spent"),
        ({"limit": 10**18, "max_fee": 1}, "fee.high"),
    ],
)
def test_a_payer_that_its_owner_refuses_is_told_and_does_not_ask_again(changes, code):
    scene = Scene()
    scene.device1.request(scene.a["device1"], "allow", payer=scene.a["payer1"], **changes)
    scene.buy().find_virtual()
    assert scene.payer().phase == "refused"
    assert scene.device1.last("refused")["code"] == code
    assert scan(scene.device1.store, Funding, b"f" + bytes((PAYER_MEMBER,))) == []
    assert scene.basic(scene.device1, "device1").next_even == 2


def test_a_payer_on_anothers_allowance_is_refused_once():
    scene = Scene()
    scene.owner.request(scene.a["owner"], "allow", payer=scene.a["payer2"], limit=1, max_fee=10**15)
    scene.device2.request(scene.a["payer2"], "buy", payee=scene.a["seller"], capacity=2000, validity_s=3600)
    scene.settle()
    scene.run(60)
    (stream,) = scan(scene.device2.store, Stream, b"s" + bytes((PAYER,)))
    assert (stream.phase, asked(scene)) == ("refused", 1)


def test_only_the_payers_own_member_refuses():
    scene = Scene()
    scene.catch("OpenVirtual")
    scene.buy().find_virtual()
    forged = Message("NotOk", {"virtual": scene.virtual, "code": "x", "text": ""}, b"12345678", scene.a["payer1"])
    for sender in (scene.a["shop"], scene.a["hub"], None):
        forged.sender = sender
        scene.device1.receive(encode(forged))
    scene.world.queue.clear()
    assert scene.payer().phase == "requested"
    scene.let_through().run(5)
    assert scene.payer().phase == "paying"


def test_a_member_that_is_only_behind_with_the_chain_lets_its_payer_ask_again():
    scene = Scene()
    scene.world.blocks = False
    scene.world.now_ms += 3_600_000
    scene.buy().find_virtual()
    assert scene.payer().phase == "requested"
    scene.refresh_chain()
    scene.run(10)
    assert scene.payer().phase == "paying"


def test_a_payee_takes_the_close_for_more_than_it_saw_itself():
    """Its member kept a payment that never reached the payee: the evidence comes with the close."""
    scene = Scene().open().pay(3)
    more = sign_voucher(DOMAIN, scene.keys["payer1"], scene.virtual, 9 * PRICE)
    scene.shop.request(scene.a["shop"], "keep evidence", virtual=scene.virtual, evidence=more)
    assert scene.payee().paid() < more.amount
    scene.shop.request(scene.a["meter"], "close", virtual=scene.virtual)
    scene.run(3)
    assert scene.phases() == ("closed", "paid", "collected", "paid", "collected")
    assert scene.shop.last("closed")["amount"] == scene.payee().paid() == more.amount
    agree(scene.world)


def test_a_payee_does_not_take_evidence_that_its_payer_did_not_sign():
    scene = Scene().open().pay(3)
    lost = scene.catch("LegClosed")
    scene.shop.request(scene.a["meter"], "close", virtual=scene.virtual)
    scene.settle()
    to_member = decode(lost[0][1])
    forged = sign_voucher(DOMAIN, scene.keys["shop"], scene.virtual, 9 * PRICE)
    body = {**to_member.body, "virtual": scene.virtual, "forward": forged}
    scene.shop.receive(encode(Message("LegClosed", body, b"12345678", scene.a["meter"], scene.a["shop"])))
    assert refusals(scene.shop) == ["voucher.signer"]
    assert scene.payee().phase == "stopped"


def test_a_checkpoint_that_was_lost_is_offered_again_also_after_a_restart():
    scene = Scene().open().pay(3).close()
    lost = scene.catch("CheckpointOffer")
    scene.hub.request(scene.a["hub"], "checkpoint", channel_id=scene.ids["device1"])
    scene.run(4)
    assert 2 <= len(lost) <= 4
    assert {raw for _, raw in lost} == {lost[0][1]}
    scene.hub.restart()
    scene.let_through().run(5)
    assert scene.basic(scene.hub, "device1").offered is None
    assert scene.basic(scene.hub, "device1").checkpoint == scene.basic(scene.device1, "device1").checkpoint is not None
    offers = scene.log.count(("hub", "device1", "CheckpointOffer"))
    scene.run(60)
    assert scene.log.count(("hub", "device1", "CheckpointOffer")) == offers


def test_the_answer_to_a_checkpoint_may_be_lost_too():
    scene = Scene().open().pay(3).close()
    scene.drop("CheckpointSigned", 2)
    scene.hub.request(scene.a["hub"], "checkpoint", channel_id=scene.ids["device1"])
    scene.run(10)
    assert scene.basic(scene.hub, "device1").offered is None
    agree(scene.world)
