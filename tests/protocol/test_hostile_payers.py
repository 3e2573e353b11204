"""Payers, members and payees that try to stop others or to take from them: overpaid vouchers, fees, early payments."""

import pytest

from perunika.errors import PeerError
from perunika.evidence import sign_voucher
from perunika.ledger import free_cash
from perunika.messages import Message, decode, encode
from perunika.records import DISPUTE, HUB, OPEN, PAYEE_MEMBER, PAYER_MEMBER, Funding, scan
from perunika.structs import Finish
from tests.protocol.invariants import agree
from tests.protocol.scenes import PRICE, Scene, refusals
from tests.support.network import DOMAIN


def overpaid(scene):
    """Return the payer's voucher for more than the channel holds: the chain would cut it to the capacity."""
    return sign_voucher(DOMAIN, scene.keys["payer1"], scene.virtual, 10 * scene.payer().params.payer_capacity)


def keep(scene, evidence):
    scene.shop.request(scene.a["shop"], "keep evidence", virtual=scene.virtual, evidence=evidence)


def close_leg(scene, payee="meter", **evidence):
    """Let the payee's own key ask its member for the close, with any evidence."""
    signature = scene.keys[payee].sign(Finish(scene.virtual).digest(DOMAIN))
    body = {"virtual": scene.virtual, "signature": signature, **evidence}
    scene.shop.receive(encode(Message("CloseLeg", body, b"12345678", scene.a["shop"], scene.a[payee])))
    scene.settle()


def hub_phases(scene):
    return [funding.phase for funding in scan(scene.hub.store, Funding, b"f" + bytes((HUB,)))]


def test_an_overpaid_voucher_that_the_payee_refused_does_not_block_the_close():
    scene = Scene().open().pay(3)
    with pytest.raises(PeerError, match="capacity"):
        keep(scene, overpaid(scene))
    scene.close()
    assert scene.phases() == ("closed", "paid", "collected", "paid", "collected")
    assert scene.nano(scene.hub, "shop", 1).final().blocked_bob == scene.payee().paid() >= 3 * PRICE


def test_a_seller_cannot_block_its_members_channel_with_evidence_that_the_hub_refuses():
    scene = Scene().open().pay(3)
    close_leg(scene, forward=overpaid(scene))
    close_leg(scene, backward=sign_voucher(DOMAIN, scene.keys["meter"], scene.virtual, 7))
    assert refusals(scene.shop) == ["voucher.capacity", "virtual.one_way"]
    assert scene.fund(PAYEE_MEMBER).phase == "open"
    scene.close()
    assert scene.phases() == ("closed", "paid", "collected", "paid", "collected")


def test_a_payee_in_dispute_does_not_keep_the_hub_from_collecting():
    """The hub folds while it collects; that a channel cannot be folded now is no reason to refuse the money."""
    scene = Scene(checkpoint_every=1).open().pay(3)
    collects = scene.catch("Collect")
    scene.close()
    assert scene.fund().phase == "paid"
    scene.world.blocks = False
    scene.chain(scene.hub, "shop", status=DISPUTE)
    scene.let_through()
    scene.device1.receive(collects[0][1])
    scene.settle()
    assert scene.fund().phase == "collected"
    assert scene.nano(scene.hub, "device1", 2) is None or scene.nano(scene.hub, "device1", 2).final()


def test_a_member_that_never_lets_collect_takes_only_its_share_of_early_payments():
    """Others are paid as before; the rest of its own closes wait for its signature (R10), nobody is refused."""
    scene = Scene(max_uncollected=8)
    scene.world.filter = lambda _sender, target, raw: [] if decode(raw).name == "Collect" else [raw]
    for _ in range(2):
        scene.open(capacity=2000)
        scene.pay(2)
    for virtual in scene.known:
        scene.device1.request(scene.a["payer1"], "close", virtual_id=virtual)
    scene.run(3)
    assert sorted(hub_phases(scene)) == ["netting", "paid"]
    scene.buy(capacity=2000)
    assert scene.device1.seen("refused")[-1]["code"] == "hub.busy"
    scene.device2.request(scene.a["payer2"], "buy", payee=scene.a["seller"], capacity=2000, validity_s=3600)
    scene.settle()
    assert scene.device2.seen("paying")
    scene.let_through().run(40)
    assert sorted(hub_phases(scene)) == ["collected", "collected", "open", "refused"]


def test_a_hub_whose_early_payments_are_all_used_still_closes():
    scene = Scene(max_uncollected=1).open(capacity=2000).pay(2)
    scene.hub.store.commit({b"u": (1).to_bytes(4, "big")})
    scene.close()
    assert scene.phases() == ("closed", "paid", "collected", "paid", "collected")
    agree(scene.world)


def test_a_member_opens_no_second_channel_before_the_fee_of_the_first_is_paid():
    """Even when both were asked for at once: what is at stake is one fee, not one per channel."""
    scene = Scene()

    def without_fees(_sender, target, raw):
        return [] if target is scene.hub and decode(raw).name == "Voucher" else [raw]

    scene.world.filter = without_fees
    for payee in ("meter", "seller"):
        scene.device1.request(scene.a["payer1"], "buy", payee=scene.a[payee], capacity=5000, validity_s=3600)
    scene.settle()
    scene.run(5)
    basic = scene.basic(scene.hub, "device1")
    assert sorted(hub_phases(scene)) == ["offered", "open"] and basic.due > basic.ab == 0
    scene.let_through()
    scene.device1.request(scene.a["payer1"], "buy", payee=scene.a["meter"], capacity=5000, validity_s=3600)
    scene.settle()
    scene.run(5)
    assert hub_phases(scene) == ["open"] * 3
    agree(scene.world)


def test_openings_that_together_leave_no_cash_for_both_fees_end_in_an_opening_and_a_refusal():
    scene = Scene()
    for payee, capacity in (("meter", 500_000), ("seller", 498_000)):
        scene.device1.request(scene.a["payer1"], "buy", payee=scene.a[payee], capacity=capacity, validity_s=3600)
    scene.settle()
    scene.run(5)
    phases = sorted(f.phase for f in scan(scene.device1.store, Funding, b"f" + bytes((PAYER_MEMBER,))))
    assert phases == ["open", "refused"]
    assert scene.device1.seen("refused")[-1]["code"] == "fee.funds"
    agree(scene.world)


def test_a_member_without_cash_for_a_fee_takes_the_channel_and_pays_when_it_has_cash_again():
    """The hub learns of another channel only later: the opening must not be refused for ever."""
    scene = Scene()
    held = scene.catch("VirtualOpened")
    scene.buy(capacity=500_000)
    scene.find_virtual()
    scene.catch("OpenVirtual")  # the second one does not reach the hub
    scene.buy(capacity=500_000 - 100, payee="seller")
    scene.let_through()
    for target, raw in held:
        target.receive(raw)
    scene.settle()
    assert scene.payer().phase == "paying"
    basic = scene.basic(scene.device1, "device1")
    assert free_cash(basic)[0] == 0 and basic.ab < basic.due
    scene.close().run(60)
    basic = scene.basic(scene.hub, "device1")
    assert basic.ab == basic.due > 0
    agree(scene.world)


def test_both_legs_wait_while_a_channel_is_not_open_on_chain():
    """R13: below the floor the hub signs both legs after both members; by then either channel may be in dispute."""
    scene = Scene(early_floor=10**9).open().pay(3)
    collects = scene.catch("Collect")
    scene.close()
    assert scene.fund().phase == "netting"
    scene.world.blocks = False
    scene.chain(scene.hub, "device1", status=DISPUTE)
    scene.let_through()
    scene.device1.receive(collects[0][1])
    scene.settle()
    assert scene.fund().phase == "netting"
    assert scene.nano(scene.hub, "shop", 1).find(2).bob is None
    scene.chain(scene.hub, "device1", status=OPEN)
    scene.run(31)
    assert scene.fund().phase == "collected"


def test_quotes_that_promise_nothing_do_not_fill_the_hubs_store(monkeypatch):
    """Strangers may ask for quotes; beyond a bound they wait until older ones have expired."""
    monkeypatch.setattr("perunika.hub.MAX_QUOTES", 5)
    scene = Scene()
    scene.hub.request(scene.a["hub"], "vault", amount=100)
    asked = {
        "member": b"\x01" * 20, "member_owner": b"\x02" * 20, "asset": bytes(20), "member_deposit": 1, "hub_deposit": 0,
        "challenge_duration": 3600,
    }  # fmt: skip

    def quotes(count, start=0):
        for number in range(start, start + count):
            body = {**asked, "salt": number.to_bytes(32, "big")}
            scene.hub.receive(encode(Message("QuoteRequest", body, b"12345678", scene.a["hub"], scene.a["owner"])))
        answers = [decode(raw) for _, _, raw in scene.queue]
        scene.queue.clear()
        return [answer["code"] or answer.name for answer in answers]

    assert quotes(7) == ["Quote"] * 5 + ["quote.busy"] * 2
    assert quotes(5) == ["Quote"] * 5  # a repetition is no new one
    scene.world.now_ms += 2 * 3_600_000
    assert quotes(1, start=9) == ["Quote"]
