"""Flow 4: closing a virtual channel. The hub's signature on νb is the payment; it collects when the payer is back."""

import pytest

from perunika import cbor
from perunika.ledger import free_cash
from perunika.messages import Message, encode
from perunika.records import HUB, PAYEE, PAYER_MEMBER, stream_key
from tests.protocol.invariants import agree, fees, hub_gain, quiet
from tests.protocol.scenes import Scene, refusals

DONE = ("closed", "paid", "collected", "paid", "collected")


def test_the_payer_closes_and_everybody_is_paid():
    scene = Scene().open().pay(10).close()
    assert scene.phases() == DONE
    fee = scene.fund().fee
    assert free_cash(scene.basic(scene.hub, "device1")) == (10**6 - 1000 - fee, 2 * 10**6 + 1000 + fee)
    assert free_cash(scene.basic(scene.hub, "shop")) == (10**6 + 1000, 2 * 10**6 - 1000)
    agree(scene.world)
    assert quiet(scene.world)
    assert hub_gain(scene.world) == fees(scene.world) == fee


def test_the_payee_closes_and_tells_the_payer_with_its_signature():
    scene = Scene().open().pay(4)
    scene.shop.request(scene.a["meter"], "close", virtual=scene.virtual)
    scene.run(3)
    assert scene.phases() == DONE
    assert "Finish" in [name for _, _, name in scene.log]
    agree(scene.world)


def test_a_forged_finish_stops_nobody():
    scene = Scene().open().pay(1)
    caught = scene.catch("CloseRequest")
    scene.device1.request(scene.a["payer1"], "close", virtual_id=scene.virtual)
    scene.settle()
    target, raw = caught[0]
    forged = bytearray(raw)
    forged[forged.index(b"\x58\x41") + 5] ^= 1  # a byte of the signature
    target.receive(bytes(forged))
    assert scene.payee().phase == "serving"
    assert refusals(scene.shop, "close.signature") == 1


def test_a_payee_that_still_serves_stops_when_its_member_was_paid():
    scene = Scene().open().pay(3)
    key = stream_key(PAYEE, scene.virtual)
    serving = scene.shop.store.get(key)
    scene.close()
    scene.shop.store.commit({key: serving})  # an older memory of the payee: it would go on for nothing
    leg = scene.nano(scene.shop, "shop", scene.fund().nid_b)
    body = {"channel": leg.channel_id, "nid": leg.nid, "version": 2, "signature": leg.final().bob}
    body["virtual"] = scene.virtual
    scene.shop.receive(encode(Message("LegClosed", body, bytes(8), scene.a["meter"], scene.a["shop"])))
    assert scene.payee().phase == "paid"
    assert scene.shop.seen("stopped")[-1]["virtual"] == scene.virtual


def test_the_payee_is_paid_while_the_payer_is_away_for_days():
    scene = Scene().open().pay(7)
    scene.device1.online = False
    scene.run(100)
    assert scene.payee().phase == "paid"  # idle: the payee closed by itself
    assert scene.fund(HUB).phase == "paid"
    assert free_cash(scene.basic(scene.shop, "shop"))[0] == 10**6 + 700
    scene.blocks = False
    scene.world.now_ms += 3 * 86400 * 1000
    scene.blocks = True
    scene.refresh_chain()
    scene.device1.online = True
    scene.device1.restart()
    scene.run(40)
    assert scene.fund(HUB).phase == "collected"
    agree(scene.world)
    assert hub_gain(scene.world) == fees(scene.world)


def test_below_the_early_floor_the_hub_collects_first():
    scene = Scene(early_floor=1000).open().pay(4)
    scene.close()
    names = [name for _, _, name in scene.log]
    assert names.index("Collected") < names.index("LegClosed")
    assert scene.phases() == DONE
    agree(scene.world)


def test_below_the_early_floor_an_absent_payer_leaves_the_payee_unpaid_and_the_hub_unexposed():
    scene = Scene(early_floor=1000).open().pay(4)
    scene.device1.online = False
    scene.shop.request(scene.a["meter"], "close", virtual=scene.virtual)
    scene.run(30)
    assert (scene.fund(HUB).phase, scene.payee().phase) == ("netting", "stopped")
    assert scene.nano(scene.hub, "shop", scene.fund().nid_b).find(2).bob is None
    scene.device1.online = True
    scene.device1.restart()
    scene.run(60)
    assert scene.payee().phase == "paid"
    agree(scene.world)


def test_two_way_both_legs_move_the_same_net():
    scene = Scene().open(payee_capacity=2_000).pay(10)
    scene.shop.request(scene.a["meter"], "refund", virtual=scene.virtual, amount=300)
    scene.settle()
    assert scene.payer().backward.amount == 300
    scene.close(5)
    assert scene.phases() == DONE
    assert free_cash(scene.basic(scene.shop, "shop"))[0] == 10**6 + 700
    agree(scene.world)
    assert hub_gain(scene.world) == fees(scene.world)


def test_two_way_a_refund_cannot_be_left_out_at_the_close():
    scene = Scene().open(payee_capacity=2_000).pay(10)
    scene.shop.request(scene.a["meter"], "refund", virtual=scene.virtual, amount=300)
    scene.settle()
    payee = scene.payee()
    scene.shop.store._entries[b"s\x01" + scene.virtual] = cbor.encode(payee.replace(backward=None).pack())
    scene.close(5)
    assert scene.fund(PAYER_MEMBER).phase == "open"
    assert scene.fund(HUB).phase == "netting"
    assert refusals(scene.device1, "collect.backward") >= 1


def test_nothing_paid_closes_for_nothing():
    scene = Scene().open().close()
    assert scene.phases() == DONE
    assert free_cash(scene.basic(scene.shop, "shop"))[0] == 10**6
    agree(scene.world)


@pytest.mark.parametrize("lost", ["CloseRequest", "CloseLeg", "LegClosed", "Collect", "Collected", "Voucher", "Ack"])
def test_a_lost_message_is_repeated(lost):
    scene = Scene().open().pay(3)
    scene.drop(lost, 2)
    scene.close(40)
    assert scene.phases() == DONE
    agree(scene.world)


def test_the_last_voucher_comes_with_the_request_to_close():
    scene = Scene().open().pay(3)
    scene.drop("Voucher", 1000)
    scene.shop.request(scene.a["meter"], "serve", virtual=scene.virtual)
    scene.run(1)
    assert (scene.payer().paid(), scene.payee().paid()) == (400, 300)
    scene.close()
    assert free_cash(scene.basic(scene.shop, "shop"))[0] == 10**6 + 400


def test_a_leg_whose_payee_is_gone_is_closed_when_its_time_is_over():
    scene = Scene().open().pay(3)
    evidence = scene.payee().forward
    scene.shop.request(scene.a["shop"], "keep evidence", virtual=scene.virtual, evidence=evidence)
    del scene.shop.store._entries[b"s\x01" + scene.virtual]  # the payee's own record is lost, its member's is not
    scene.world.now_ms = (scene.payer().params.validity + 310) * 1000
    scene.refresh_chain()
    scene.run(60)
    assert scene.fund(HUB).phase == "collected"
    assert free_cash(scene.basic(scene.shop, "shop"))[0] == 10**6 + 300
    agree(scene.world)
