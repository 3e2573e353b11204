"""Flow 2: opening a virtual channel in the order payer's member, payee's member, hub; refused, silent, late."""

import pytest

from perunika.ledger import free_cash
from perunika.messages import Message, decode, encode
from perunika.records import HUB, PAYEE_MEMBER, PAYER_MEMBER, Nano, scan
from perunika.structs import NATIVE
from tests.protocol.invariants import agree, fees, hub_gain, quiet
from tests.protocol.scenes import CAPACITY, Scene, refusals

OPEN = ("paying", "serving", "open", "open", "open")
ORDER = ["TermsRequest", "Terms", "OpenVirtual", "OfferLeg", "LegSigned", "VirtualOpened", "ReadyRequest", "Ready"]


def test_signatures_come_in_the_order_payers_member_payees_member_hub():
    scene = Scene().open()
    assert scene.phases() == OPEN
    names = [name for _, _, name in scene.log]
    places = [names.index(name) for name in ORDER]
    assert places == sorted(places)


def test_the_fee_is_paid_by_one_voucher_as_soon_as_the_leg_stands():
    scene = Scene().open()
    fee = scene.fund().fee
    assert fee == 1000 + CAPACITY * 200 // 10**6 + 1  # base, 200 ppm, and less than one wei for an hour
    assert scene.basic(scene.hub, "device1").ab == scene.basic(scene.device1, "device1").ab == fee
    assert hub_gain(scene.world) + CAPACITY == fees(scene.world) == fee  # νb holds the capacity of the hub's cash


def test_both_legs_hold_what_the_channel_may_move():
    scene = Scene().open()
    fee = scene.fund().fee
    assert free_cash(scene.basic(scene.device1, "device1")) == (10**6 - CAPACITY - fee, 2 * 10**6 + fee)
    assert free_cash(scene.basic(scene.shop, "shop")) == (10**6, 2 * 10**6 - CAPACITY)
    agree(scene.world)


def refused(scene, code):
    """Run until the refusal is complete and assert that nothing of it is left."""
    scene.run(5)
    scene.find_virtual()
    assert scene.payer().phase == "refused"
    assert scene.device1.last("refused")["code"] == code
    assert scene.fund(PAYER_MEMBER).phase == "refused"
    assert scene.fund(HUB).phase == "refused"
    assert free_cash(scene.basic(scene.device1, "device1")) == (10**6, 2 * 10**6)
    assert free_cash(scene.basic(scene.hub, "shop")) == (10**6, 2 * 10**6)
    agree(scene.world)
    assert quiet(scene.world)
    scene.device1.request(scene.a["device1"], "close", channel_id=scene.ids["device1"])
    scene.settle()
    assert scene.hub.seen("close signed"), "a refusal must not keep the channel from closing"


def test_refused_by_the_payees_member_for_a_payee_that_it_does_not_serve():
    scene = Scene()
    scene.shop.store.commit({b"p" + scene.a["meter"]: None})
    refused(scene.buy(), "payee.unknown")


def test_refused_by_the_payees_member_whose_view_of_the_chain_is_old():
    scene = Scene()
    scene.blocks = False
    scene.world.now_ms += 301_000  # half of the window of 600 s
    for node in (scene.device1, scene.hub):
        scene.chain(node, "device1")
    scene.chain(scene.hub, "shop")
    refused(scene.buy(), "chain.stale")


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        ({"max_uncollected": 0}, "hub.busy"),
        ({"min_window_s": 601}, "virtual.window"),
        ({"max_validity_s": 3599}, "virtual.validity"),
    ],
)
def test_refused_by_the_hub_for_its_limits(policy, code):
    refused(Scene(**policy).buy(), code)


def test_refused_by_the_hub_for_a_capacity_outside_its_list():
    scene = Scene()
    hub = scene.hub.party.endpoints[scene.a["hub"]]
    hub.policy = hub.policy.replace(fees=hub.policy.fees.replace(max_capacity=CAPACITY - 1))
    refused(scene.buy(), "fee.capacity")


def test_refused_by_the_hub_when_its_cash_at_the_payee_is_used_up():
    scene = Scene()
    scene.chain(scene.hub, "shop", total=10**6 + CAPACITY - 1)
    refused_without_close(scene.buy(), "channel.funds")


def test_refused_by_the_hub_when_its_cash_at_the_payer_is_used_up():
    scene = Scene()
    scene.chain(scene.hub, "device1", total=10**6 + 500)
    refused_without_close(scene.buy(payee_capacity=501), "channel.funds")


def refused_without_close(scene, code):
    scene.run(5)
    scene.find_virtual()
    assert scene.device1.last("refused")["code"] == code
    assert scene.fund(HUB).phase == scene.fund(PAYER_MEMBER).phase == "refused"
    assert not [nano for nano in scan(scene.hub.store, Nano, b"n") if nano.final() is None]


def test_refused_by_the_hub_when_nothing_is_left_for_the_fee():
    scene = Scene()
    for node in (scene.device1, scene.hub):
        scene.chain(node, "device1", base=CAPACITY + 500)
    refused_without_close(scene.buy(), "fee.funds")


def test_a_silent_payees_member_is_given_up_after_the_time_out():
    scene = Scene()
    scene.shop.online = False
    caught = scene.catch("OfferLeg")
    scene.shop.online = True
    scene.buy()
    scene.run(16)
    scene.find_virtual()
    assert caught
    assert scene.device1.last("refused")["code"] == "payee.silent"
    scene.let_through().run(30)
    refused(scene, "payee.silent")


def test_a_late_signature_after_the_time_out_opens_nothing():
    scene = Scene()
    late = scene.catch("LegSigned")
    scene.buy()
    scene.world.filter = lambda _s, _t, raw: [] if decode(raw).name in ("LegSigned", "CancelLeg") else [raw]
    scene.run(16)
    scene.let_through()
    target, raw = late[0]
    assert target is scene.hub
    target.receive(raw)
    scene.settle()
    scene.find_virtual()
    assert scene.fund(PAYEE_MEMBER).phase == "cancelled"
    refused(scene, "payee.silent")


def test_a_cancelled_offer_that_comes_late_is_refused():
    scene = Scene()
    late = scene.catch("OfferLeg")
    scene.buy()
    scene.run(16)
    scene.let_through().run(30)
    target, raw = late[0]
    target.receive(raw)
    scene.settle()
    assert scene.find_virtual().fund(PAYEE_MEMBER) is None
    refused(scene, "payee.silent")


def test_a_refusal_of_somebody_who_was_not_asked_is_ignored():
    scene = Scene()
    caught = scene.catch("LegSigned")
    scene.buy().find_virtual()
    body = {"virtual": scene.virtual, "code": "x", "text": "x"}
    scene.hub.receive(encode(Message("NotOk", body, b"12345678", scene.a["hub"], scene.a["owner"])))
    assert scene.fund(HUB).phase == "offered"
    target, raw = caught[0]
    scene.let_through()
    target.receive(raw)
    scene.settle()
    assert scene.phases() == OPEN


def test_an_offer_or_request_that_the_hub_did_not_sign_is_refused():
    scene = Scene()
    caught = scene.catch("OfferLeg")
    scene.buy().find_virtual()
    message = decode(caught[0][1])
    for changed in ({"nid": 2**63 + 1}, {"signature": bytes(65)}):
        forged = Message("OfferLeg", {**message.body, **changed}, message.request_id, message.to, message.sender)
        scene.shop.receive(encode(forged))
    assert refusals(scene.shop, "leg.proposal") == 2
    assert scene.basic(scene.shop, "shop").next_odd == 1
    assert scene.fund(HUB).phase == "offered", "a forged offer must not make the member refuse the real one"


@pytest.mark.parametrize(
    "lost",
    ["TermsRequest", "Terms", "OpenVirtual", "OfferLeg", "LegSigned", "VirtualOpened", "ReadyRequest", "Ready"],
)
def test_a_lost_message_is_repeated_until_the_channel_stands(lost):
    scene = Scene().drop(lost, 2)
    scene.buy()
    scene.run(9)
    scene.find_virtual()
    assert scene.phases() == OPEN
    agree(scene.world)


def test_a_lost_fee_is_paid_before_the_next_opening():
    scene = Scene().drop("Voucher")
    scene.buy().find_virtual()
    first = scene.fund().fee
    hubs = scene.basic(scene.hub, "device1")
    assert (hubs.ab, hubs.due) == (0, first)
    scene.let_through().buy()
    scene.run(3)
    assert scene.basic(scene.hub, "device1").ab == 2 * first
    agree(scene.world)


def test_a_fee_above_the_agreed_one_is_not_paid():
    scene = Scene()
    hub = scene.hub.party.endpoints[scene.a["hub"]]
    hub.policy = hub.policy.replace(fees=hub.policy.fees.replace(base=2000))
    scene.buy()
    assert scene.device1.last("fee refused")["fee"] > 2000
    assert scene.basic(scene.device1, "device1").ab == 0


def test_a_clock_two_minutes_apart_costs_no_opening():
    scene = Scene()
    hub = scene.hub.party.endpoints[scene.a["hub"]]
    member = scene.device1.party.endpoints[scene.a["device1"]]
    dear = hub.policy.fees.replace(ppm_per_day=10**6)
    hub.policy, member.policy = hub.policy.replace(fees=dear), member.policy.replace(fees=dear)
    run = scene.hub.run
    scene.hub.run = lambda call, view=None, *a, **k: run(call, *([view, scene.now_ms - 100_000, *a[1:]]), **k)
    scene.open()
    assert not scene.device1.seen("fee refused")


def test_the_payer_gives_up_when_nobody_answers_until_the_end_of_the_channel():
    scene = Scene()
    scene.catch("OpenVirtual")
    scene.buy(validity_s=60)
    scene.run(100)
    scene.find_virtual()
    assert scene.device1.last("refused")["code"] == "time-out"
    assert scene.payer().phase == "refused"
    scene.let_through().run(60)
    assert scene.fund(PAYER_MEMBER).phase == "refused"  # the hub signed that it will not open it any more
    assert scene.fund(HUB).phase == "refused"


def test_a_quote_is_for_the_coin_and_within_the_hubs_limits():
    scene = Scene()
    ask = {
        "member": scene.a["seller"], "member_owner": scene.a["owner"], "asset": NATIVE, "member_deposit": 5,
        "hub_deposit": 70, "challenge_duration": 3600, "salt": bytes(32),
    }  # fmt: skip
    hub = scene.a["hub"]

    def quote(**changes):
        scene.hub.run(
            lambda view: scene.hub.party.receive(
                view, encode(Message("QuoteRequest", {**ask, **changes}, b"12345678", hub, scene.a["device1"])),
                scene.now_ms, scene.world.random(),
            )
        )  # fmt: skip
        return decode(scene.world.queue.pop()[2])

    scene.hub.request(hub, "vault", amount=100)
    assert quote()["open"].hub_deposit == 70
    assert quote()["signature"] == quote()["signature"]  # asking again locks nothing twice
    for changes, code in (
        ({"asset": b"\x01" * 20}, "quote.asset"),
        ({"challenge_duration": 59}, "quote.duration"),
        ({"hub_deposit": 10**18 + 1}, "quote.liquidity"),
        ({"salt": b"\x01" * 32, "hub_deposit": 31}, "quote.liquidity"),
        ({"hub_deposit": 69}, "quote.again"),
    ):
        assert quote(**changes)["code"] == code
    assert quote(salt=b"\x01" * 32, hub_deposit=30)["open"].hub_deposit == 30
