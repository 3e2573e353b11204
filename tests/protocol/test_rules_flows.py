"""Signer rules R7 to R11 and R16 to R20: opening, paying and closing virtual channels.

Every test here fails when the code of its rule is removed; test_mutants.py removes it and looks.
"""

import pytest

from perunika.crypto import sha256
from perunika.errors import LocalError, PeerError
from perunika.evidence import sign_voucher
from perunika.ledger import digest_of, leg_final
from perunika.member import Member
from perunika.messages import Message, decode, encode
from perunika.party import Party
from perunika.payer import Payer
from perunika.policies import max_uncollected
from perunika.records import DISPUTE, HUB, PAYEE_MEMBER, PAYER_MEMBER, Nano, Version, scan
from perunika.structs import PAYEE_LEG, Finish, TickChain, Voucher
from tests.protocol.scenes import CAPACITY, PRICE, Scene, refusals
from tests.protocol.test_rules_everybody import context
from tests.support.network import DOMAIN

ID = "device1"


def deliver(scene, node, name, body, to, sender):
    node.receive(encode(Message(name, body, b"12345678", scene.a[to], scene.a[sender])))


def hub_signed(scene, channel):
    """Return (nid, version, amounts) of everything non-terminal that the hub has signed in ``channel``."""
    return [
        (nano.nid, version.version)
        for nano in scan(scene.hub.store, Nano, b"n" + scene.ids[channel])
        for version in nano.versions
        if version.bob is not None and not version.terminal()
    ]


def test_R07_the_hub_signs_nothing_before_both_members_have():
    scene = Scene()
    caught = scene.catch("LegSigned")
    scene.buy()
    assert hub_signed(scene, ID) == hub_signed(scene, "shop") == []
    target, raw = caught[0]
    scene.let_through()
    target.receive(raw)
    assert (hub_signed(scene, ID), hub_signed(scene, "shop")) == ([(2, 1)], [(1, 1)])


@pytest.mark.parametrize("forged", ["OpenVirtual", "LegSigned"])
def test_R07_a_leg_that_its_member_did_not_sign_opens_nothing(forged):
    scene = Scene()
    caught = scene.catch(forged)
    scene.buy()
    target, raw = caught[0]
    message = decode(raw)
    body = {**message.body, "signature": scene.keys["owner"].sign(bytes(32))}
    target.receive(encode(Message(forged, body, message.request_id, message.to, message.sender)))
    assert refusals(scene.hub) == ["leg.signature"]
    assert hub_signed(scene, "shop") == []


def test_R07_the_hub_cancels_nothing_once_it_has_signed():
    scene = Scene().open()
    body = {"virtual": scene.virtual, "code": "x", "text": "changed my mind"}
    deliver(scene, scene.hub, "NotOk", body, "hub", "shop")
    scene.run(20)  # nor by the time-out of an offer
    assert scene.fund(HUB).phase == "open"
    assert scene.nano(scene.hub, ID, 2).find(2) is None


def test_R07_a_member_takes_no_refusal_after_its_leg_stands():
    scene = Scene().open()
    nano = scene.nano(scene.device1, ID, 2)
    second = Version(2, 0, 0, None, None)
    signature = scene.keys["hub"].sign(digest_of(context(scene, scene.device1), nano, second))
    body = {"virtual": scene.virtual, "code": "x", "text": "x", "signature": signature}
    deliver(scene, scene.device1, "NotOk", body, ID, "hub")
    nano = scene.nano(scene.shop, "shop", 1)
    signature = scene.keys["hub"].sign(digest_of(context(scene, scene.shop), nano, second))
    body = {"virtual": scene.virtual, "channel": scene.ids["shop"], "nid": 1, "version": 2, "signature": signature}
    deliver(scene, scene.shop, "CancelLeg", body, "shop", "hub")
    assert (refusals(scene.device1), refusals(scene.shop)) == (["phase"], ["phase"])
    assert scene.phases() == ("paying", "serving", "open", "open", "open")


def test_R07_a_channel_that_went_into_dispute_meanwhile_is_not_opened():
    scene = Scene()
    caught = scene.catch("LegSigned")
    scene.buy()
    scene.blocks = False
    scene.chain(scene.hub, ID, status=DISPUTE)
    scene.let_through()
    caught[0][0].receive(caught[0][1])
    assert "channel.not_open" in refusals(scene.hub)
    assert hub_signed(scene, "shop") == []


def test_R08_nothing_is_paid_before_the_payee_has_signed_ready():
    scene = Scene()
    scene.catch("Ready")
    scene.buy().find_virtual()
    scene.run(5)
    assert scene.payer().phase == "opened"
    with pytest.raises(LocalError, match=r"pay\.phase"):
        scene.device1.request(scene.a["payer1"], "pay", virtual_id=scene.virtual, amount=1)
    assert scene.payer().forward is None


@pytest.mark.parametrize("field", ["hub_signature", "member_signature", "payer_random", "nid"])
def test_R08_the_payee_device_checks_every_part_of_its_leg(field):
    scene = Scene()
    caught = scene.catch("VirtualOpened")
    scene.device2.request(scene.a["payer2"], "buy", payee=scene.a["seller"], capacity=CAPACITY, validity_s=3600)
    scene.settle()
    scene.let_through()
    for target, raw in caught:
        target.receive(raw)
    caught.clear()
    scene.world.filter = scene.catch("VirtualOpened") and scene.world.filter
    scene.world.queue = [entry for entry in scene.world.queue if decode(entry[2]).name == "VirtualOpened"]
    _, target, raw = next(entry for entry in scene.world.queue if entry[1] is scene.device3)
    message = decode(raw)
    body = {**message.body, field: 3 if field == "nid" else bytes(len(message[field]))}
    target.receive(encode(Message("VirtualOpened", body, message.request_id, message.to, message.sender)))
    assert refusals(scene.device3)[0] in ("leg.signature", "virtual.salt")
    assert not scene.device3.store.scan(b"s")


def test_R08_the_payee_device_wants_its_nonce_of_this_boot_its_channel_and_its_terms():
    scene = Scene()
    scene.device2.request(scene.a["payer2"], "buy", payee=scene.a["seller"], capacity=CAPACITY, validity_s=3600)
    scene.world.filter = lambda _s, target, raw: [raw]
    taken = []
    scene.world.filter = lambda _s, target, raw: (
        (taken.append(raw), [])[1] if target is scene.device3 and decode(raw).name == "VirtualOpened" else [raw]
    )
    scene.settle()
    message = decode(taken[0])
    params = message["params"]

    def told(**changes):
        body = {**message.body, "params": params.replace(**changes)}
        scene.device3.notices.clear()
        scene.device3.receive(encode(Message("VirtualOpened", body, message.request_id, message.to, message.sender)))
        return refusals(scene.device3)

    policy = scene.device3.party.endpoints[scene.a["seller"]].policy
    assert told(payee=scene.a["meter"]) == ["virtual.payee"]
    assert told(payee_channel=bytes(32)) == ["virtual.payee"]
    assert told(window=policy.min_window_s - 1) == ["virtual.terms"]
    assert told(payer_capacity=policy.min_capacity - 1) == ["virtual.terms"]
    assert told(validity=scene.now_ms // 1000 + policy.max_validity_s + 1) == ["virtual.validity"]
    assert told(payer=scene.a["seller"]) == ["virtual.parties"]
    assert told(window=params.window + 1) == ["leg.signature"]
    scene.device3.restart()
    assert told() == ["virtual.nonce"]


def test_R09_no_voucher_no_signature():
    scene = Scene().open().pay(3)
    nano = scene.nano(scene.device1, ID, 2)
    second = Version(2, *leg_final(nano.app, 300), None, None)
    hub = scene.keys["hub"].sign(digest_of(context(scene, scene.device1), nano, second))
    thief = sign_voucher(DOMAIN, scene.keys["owner"], scene.virtual, 300)
    for forward, code in ((None, "leg.signature"), (thief, "voucher.signer")):
        scene.device1.notices.clear()
        body = {"virtual": scene.virtual, "nid": 2, "signature": hub, "forward": forward}
        deliver(scene, scene.device1, "Collect", body, ID, "hub")
        assert refusals(scene.device1) == [code]
    assert scene.fund(PAYER_MEMBER).phase == "open"


def test_R09_the_hub_pays_for_vouchers_only():
    scene = Scene().open().pay(3)
    nano = scene.nano(scene.shop, "shop", 1)
    for amount, evidence, code in (
        (300, sign_voucher(DOMAIN, scene.keys["owner"], scene.virtual, 300), "voucher.signer"),
        (300, None, "leg.signature"),
        (400, scene.payee().forward, "leg.signature"),
        (CAPACITY + 1, sign_voucher(DOMAIN, scene.keys["payer1"], scene.virtual, CAPACITY + 1), "voucher.capacity"),
    ):
        second = Version(2, *leg_final(PAYEE_LEG, amount), None, None)
        signature = scene.keys["shop"].sign(digest_of(context(scene, scene.shop), nano, second))
        scene.hub.notices.clear()
        body = {"virtual": scene.virtual, "signature": signature, "forward": evidence}
        deliver(scene, scene.hub, "CloseLeg", body, "hub", "shop")
        assert refusals(scene.hub) == [code]
    assert scene.fund(HUB).phase == "open"


def test_R09_only_the_payee_key_ends_its_channel():
    scene = Scene().open().pay(3)
    thief = scene.keys["owner"].sign(Finish(scene.virtual).digest(DOMAIN))
    deliver(scene, scene.shop, "CloseLeg", {"virtual": scene.virtual, "signature": thief}, "shop", "owner")
    assert refusals(scene.shop) == ["close.signature"]
    assert scene.fund(PAYEE_MEMBER).phase == "open"


def test_R09_the_payee_believes_only_the_hubs_signature_on_its_amount():
    scene = Scene().open().pay(3)
    scene.drop("CloseLeg", 99)
    scene.shop.request(scene.a["meter"], "close", virtual=scene.virtual)
    nano = scene.nano(scene.shop, "shop", 1)
    less = Version(2, *leg_final(PAYEE_LEG, 200), None, None)
    signature = scene.keys["hub"].sign(digest_of(context(scene, scene.shop), nano, less))
    body = {"channel": scene.ids["shop"], "nid": 1, "version": 2, "signature": signature, "virtual": scene.virtual}
    deliver(scene, scene.shop, "LegClosed", body, "meter", "shop")
    assert refusals(scene.shop) == ["close.amount"]
    assert scene.payee().phase == "stopped"


def test_R10_two_way_the_hub_signs_neither_leg_before_both_members_signed_the_same_net():
    scene = Scene().open(payee_capacity=2000).pay(5)
    scene.shop.request(scene.a["meter"], "refund", virtual=scene.virtual, amount=100)
    scene.settle()
    caught = scene.catch("Collected")
    scene.close()
    a, b = (scene.nano(scene.hub, name, nid).find(2) for name, nid in ((ID, 2), ("shop", 1)))
    assert (a.bob, b.bob) == (None, None)
    assert a.blocked_alice == b.blocked_bob == 400
    scene.let_through()
    caught[0][0].receive(caught[0][1])
    scene.settle()
    a, b = (scene.nano(scene.hub, name, nid).final() for name, nid in ((ID, 2), ("shop", 1)))
    assert a is not None
    assert b is not None


def test_R10_a_refund_beyond_what_was_paid_and_in_a_one_way_channel_is_refused():
    scene = Scene().open(payee_capacity=2000).pay(1)
    evidence = sign_voucher(DOMAIN, scene.keys["meter"], scene.virtual, 2101)
    body = {"id": scene.payer().ready.handle, "amount": 2101, "signature": evidence.signature}
    scene.device1.receive(encode(Message("Voucher", body)))
    one_way = Scene().open().pay(1)
    evidence = sign_voucher(DOMAIN, one_way.keys["meter"], one_way.virtual, 1)
    body = {"id": one_way.payer().ready.handle, "amount": 1, "signature": evidence.signature}
    one_way.device1.receive(encode(Message("Voucher", body)))
    assert (refusals(scene.device1), refusals(one_way.device1)) == (["voucher.capacity"], ["virtual.one_way"])
    with pytest.raises(LocalError, match=r"refund\.capacity"):
        one_way.shop.request(one_way.a["meter"], "refund", virtual=one_way.virtual, amount=1)


def test_R11_nothing_is_paid_early_while_the_chain_resolves_the_channel():
    scene = Scene().open().pay(3)
    scene.hub.request(scene.a["hub"], "started", virtual_id=scene.virtual)
    scene.close(20)
    assert "virtual.on_chain" in refusals(scene.hub)
    assert scene.fund(HUB).phase == "open"


def test_R11_nothing_is_paid_early_when_the_payers_channel_is_not_open():
    scene = Scene().open().pay(3)
    scene.blocks = False
    scene.chain(scene.hub, ID, status=DISPUTE)
    scene.close(20)
    assert "channel.not_open" in refusals(scene.hub)
    assert scene.fund(HUB).phase == "open"


def test_R16_a_chain_longer_than_1024_ticks_is_refused():
    scene = Scene().open()
    root = sha256(bytes(32))
    chain = TickChain(scene.virtual, 0, 1, 1025, root)
    body = {"id": scene.payee().ready.handle, "base": 0, "unit": 1, "length": 1025, "root": root}
    scene.shop.receive(
        encode(Message("TickChain", {**body, "signature": scene.keys["payer1"].sign(chain.digest(DOMAIN))}))
    )
    assert refusals(scene.shop) == ["tick.length"]


def test_R16_a_whole_chain_stays_within_the_capacity():
    scene = Scene().open()
    root = sha256(bytes(32))
    chain = TickChain(scene.virtual, 0, 11, 1000, root)
    body = {"id": scene.payee().ready.handle, "base": 0, "unit": 11, "length": 1000, "root": root}
    scene.shop.receive(
        encode(Message("TickChain", {**body, "signature": scene.keys["payer1"].sign(chain.digest(DOMAIN))}))
    )
    assert refusals(scene.shop) == ["voucher.capacity"]


def test_R17_a_budget_is_an_absolute_amount():
    scene = Scene().open()
    payer = scene.device1.party.endpoints[scene.a["payer1"]]
    payer.policy = payer.policy.replace(max_total=450)
    scene.pay(4)
    scene.run(3)
    assert scene.payer().paid() == 450
    scene.run(3)
    assert scene.device1.seen("exhausted")


def test_R17_the_owners_allowance_counts_everything_that_was_ever_spent():
    scene = Scene()
    scene.owner.request(scene.a["owner"], "allow", payer=scene.a["payer2"], limit=2500, max_fee=10**15)
    for capacity, kind in ((1000, "paying"), (1500, "paying"), (1000, "refused")):
        scene.device2.request(scene.a["payer2"], "buy", payee=scene.a["seller"], capacity=capacity, validity_s=600)
        scene.settle()
        assert scene.device2.seen(kind)
    assert scene.device2.last("refused")["code"] == "allowance.spent"


def test_R18_after_finish_the_payee_accepts_and_the_payer_pays_nothing_more():
    scene = Scene().open(payee_capacity=500).pay(3)
    scene.drop("CloseLeg", 99)
    scene.shop.request(scene.a["meter"], "close", virtual=scene.virtual)
    scene.settle()
    signature = scene.keys["payer1"].sign(Voucher(scene.virtual, 400).digest(DOMAIN))
    body = {"id": scene.payee().ready.handle, "amount": 400, "signature": signature}
    scene.shop.receive(encode(Message("Voucher", body)))
    assert refusals(scene.shop) == ["virtual.closed"]
    assert scene.payee().paid() == 300
    with pytest.raises(LocalError, match=r"refund\.phase"):
        scene.shop.request(scene.a["meter"], "refund", virtual=scene.virtual, amount=1)
    assert scene.payer().phase == "closing"
    with pytest.raises(LocalError, match=r"pay\.phase"):
        scene.device1.request(scene.a["payer1"], "pay", virtual_id=scene.virtual, amount=PRICE)


def test_R18_finish_counts_only_from_the_payee():
    scene = Scene().open().pay(1)
    finish = Finish(scene.virtual)
    body = {"finish": finish, "signature": scene.keys["owner"].sign(finish.digest(DOMAIN))}
    deliver(scene, scene.device1, "Finish", body, "payer1", "meter")
    assert refusals(scene.device1) == ["close.signature"]
    assert scene.payer().phase == "paying"


def test_R19_channels_that_wait_to_be_collected_are_counted_and_bounded():
    scene = Scene(max_uncollected=1).open().pay(1)
    first = scene.virtual
    scene.open().pay(1)
    scene.catch("Collect")
    for virtual in (first, scene.virtual):
        scene.shop.request(scene.a["meter"], "close", virtual=virtual)
        scene.settle()
    assert scene.fund(HUB).phase == "netting"  # beyond the bound it is collected first and paid then
    scene.buy()
    assert scene.device1.last("refused")["code"] == "hub.busy"
    scene.let_through().run(60)
    assert scene.phases() == ("closed", "paid", "collected", "paid", "collected")


def test_R19_the_bound_follows_from_gas():
    assert max_uncollected(50, 30_000_000, 172_800, 12) == 30_000_000 * 172_800 // 12 // 4 // 146_000


def test_R20_each_role_has_a_key_of_its_own():
    scene = Scene()
    key = scene.keys["owner"]
    with pytest.raises(LocalError, match=r"party\.keys"):
        Party(DOMAIN, [Member(key, None), Payer(key, None)])
    with pytest.raises(LocalError, match=r"party\.keys"):
        scene.shop.request(scene.a["shop"], "serve payee", payee=scene.a["shop"])
    with pytest.raises(PeerError, match=r"virtual\.parties"):
        member_as_payer(scene)


def member_as_payer(scene):
    """Let the owner's member key ask its own member for a channel."""
    caught = scene.catch("AllowanceRequest")
    scene.device2.request(scene.a["payer2"], "buy", payee=scene.a["seller"], capacity=CAPACITY, validity_s=600)
    scene.settle()
    message = decode(caught[0][1])
    params = message["params"].replace(payer=scene.a["owner"])
    scene.owner.request(scene.a["owner"], "allow", payer=scene.a["owner"], limit=10**6, max_fee=10**6)
    body = {**message.body, "params": params, "signature": scene.keys["owner"].sign(params.digest(DOMAIN))}
    scene.owner.receive(encode(Message("AllowanceRequest", body, message.request_id, message.to, message.sender)))
    refused = decode(scene.world.queue.pop()[2])
    raise PeerError(refused["code"], refused["text"])
