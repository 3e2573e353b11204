"""Signer rules R1 to R6, R12 to R15 of the protocol: what everybody keeps, in every channel.

Every test here fails when the code of its rule is removed; test_mutants.py removes it and looks.
"""

import pytest

from perunika import cbor
from perunika.basic import pay_basic
from perunika.context import Context
from perunika.errors import ChainError, LocalError, PeerError
from perunika.ledger import digest_of, free_cash, leg_blocked, put_version
from perunika.messages import Message, decode, encode
from perunika.records import (
    CLOSED,
    DISPUTE,
    HUB,
    OPEN,
    PAYEE_MEMBER,
    PAYER_MEMBER,
    Nano,
    Version,
    basic_key,
    scan,
)
from perunika.store import Overlay
from perunika.structs import PAYER_LEG, Checkpoint, Proposal, Voucher
from tests.protocol.scenes import CAPACITY, Scene, refusals
from tests.support.network import DOMAIN

ID = "device1"


def context(scene, node):
    return Context(Overlay(node.store), DOMAIN, scene.now_ms)


def deliver(scene, node, name, body, to, sender):
    node.receive(encode(Message(name, body, b"12345678", scene.a[to], scene.a[sender])))


def test_R01_one_content_per_version_and_repetitions_are_the_same_bytes():
    scene = Scene()
    sent = []
    scene.world.filter = lambda _s, _t, raw: (sent.append(raw), [] if decode(raw).name == "OfferLeg" else [raw])[1]
    scene.buy()
    scene.run(8)
    for name in ("OpenVirtual", "OfferLeg"):
        copies = [raw for raw in sent if decode(raw).name == name]
        assert len(copies) > (1 if name == "OfferLeg" else 0)
        assert len(set(copies)) == 1
    nano = scene.nano(scene.device1, ID, 2)
    with pytest.raises(PeerError, match=r"leg\.conflict"):
        put_version(
            context(scene, scene.device1), scene.basic(scene.device1, ID), nano, Version(1, CAPACITY - 1, 0, None, None)
        )


def test_R01_a_second_amount_for_version_2_is_not_signed():
    scene = Scene().open().pay(3).close()
    first = scene.nano(scene.device1, ID, 2).find(2)
    other = Version(2, 400, -400, None, None)
    nano = scene.nano(scene.device1, ID, 2)
    evidence = scene.payer().forward
    body = {
        "virtual": scene.virtual, "nid": 2, "forward": evidence,
        "signature": scene.keys["hub"].sign(digest_of(context(scene, scene.device1), nano, other)),
    }  # fmt: skip
    deliver(scene, scene.device1, "Collect", body, ID, "hub")
    assert scene.nano(scene.device1, ID, 2).find(2) == first


def test_R02_a_terminated_nanocontract_takes_no_later_version():
    scene = Scene().open().pay(1).close()
    nano = scene.nano(scene.hub, ID, 2)
    assert nano.final() is not None
    for version in (Version(3, 0, 0, None, None), Version(3, CAPACITY, 0, None, None)):
        with pytest.raises(PeerError, match=r"leg\.final"):
            put_version(context(scene, scene.hub), scene.basic(scene.hub, ID), nano, version)


def checkpoint_offered(scene, checkpoint):
    body = {"checkpoint": checkpoint, "signature": scene.keys["hub"].sign(checkpoint.digest(DOMAIN))}
    deliver(scene, scene.device1, "CheckpointOffer", body, ID, "hub")
    return refusals(scene.device1)


def test_R03_only_what_both_have_terminated_is_retired():
    scene = Scene().open()
    assert checkpoint_offered(scene, Checkpoint(scene.ids[ID], 1, 0, 3, b"")) == ["checkpoint.live"]


def test_R03_the_net_of_a_checkpoint_is_exactly_what_it_retires():
    scene = Scene().open().pay(3).close()
    assert checkpoint_offered(scene, Checkpoint(scene.ids[ID], 1, 301, 3, b"")) == ["checkpoint.net"]


def test_R03_a_checkpoint_retires_a_superset_of_every_one_before():
    scene = Scene().open()
    first = scene.virtual
    scene.open().pay(1).close()
    scene.hub.request(scene.a["hub"], "checkpoint", channel_id=scene.ids[ID])
    scene.settle()
    net = scene.basic(scene.device1, ID).checkpoint.net
    assert scene.basic(scene.device1, ID).checkpoint.retired == b"\x04"
    scene.virtual = first
    offered = Checkpoint(scene.ids[ID], 2, net, 2, b"")
    assert checkpoint_offered(scene, offered) == ["checkpoint.superset"]


def test_R03_an_unanswered_checkpoint_is_never_replaced_by_another():
    scene = Scene().open().pay(1).close()
    caught = scene.catch("CheckpointOffer")
    for _ in range(2):
        scene.hub.request(scene.a["hub"], "checkpoint", channel_id=scene.ids[ID])
        scene.settle()
        scene.open().pay(1).close()
    assert len({raw for _, raw in caught}) == 1


@pytest.mark.parametrize("nid", [3, 2, 0, 2**60], ids=["parity", "used", "overtaken", "gap"])
def test_R04_a_number_out_of_order_opens_nothing(nid):
    scene = Scene().open()
    caught = scene.catch("OpenVirtual")
    scene.buy()
    message = decode(caught[0][1])
    scene.let_through()
    virtual = message["params"].digest(DOMAIN)
    body = {**message.body, "nid": nid, "signature": signed_leg(scene, nid, message["params"])}
    scene.hub.receive(encode(Message("OpenVirtual", body, message.request_id, message.to, message.sender)))
    scene.virtual = virtual
    funding = scene.fund(HUB)
    assert (funding is None and "leg.number" in refusals(scene.hub)) or funding.phase == "refusing"
    assert scene.basic(scene.hub, ID).next_even == 4


def signed_leg(scene, nid, params):
    nano = Nano(scene.ids[ID], nid, PAYER_LEG, params.digest(DOMAIN), ())
    alice, bob = leg_blocked(params, PAYER_LEG)
    return scene.keys[ID].sign(digest_of(context(scene, scene.device1), nano, Version(1, alice, bob, None, None)))


def test_R04_an_offer_with_an_old_number_is_refused_by_the_payees_member():
    scene = Scene()
    caught = scene.catch("OfferLeg")
    scene.buy().find_virtual()
    old = caught[0]
    scene.world.filter = lambda _s, target, raw: [] if raw == old[1] else [raw]
    scene.open()
    old[0].receive(old[1])
    scene.settle()
    assert scene.basic(scene.shop, "shop").next_odd == 5
    assert [n.nid for n in nanos(scene, scene.shop)] != [1]
    scene.virtual = decode(old[1])["params"].digest(DOMAIN)
    assert scene.fund(PAYEE_MEMBER) is None


def nanos(scene, node):
    return scan(node.store, Nano, b"n")


def test_R04_a_checkpoint_about_unknown_numbers_is_refused():
    scene = Scene().open().pay(1).close()
    net = 100
    for checkpoint in (
        Checkpoint(scene.ids[ID], 1, net, 5, b""),  # the next number is 4
        Checkpoint(scene.ids[ID], 1, net, 4, b"\x01"),
    ):
        checkpoint_offered(scene, checkpoint)
    assert refusals(scene.device1) == ["checkpoint.range", "checkpoint.unknown"]


def test_R05_nothing_is_accepted_that_makes_the_others_free_cash_negative():
    scene = Scene().open()
    free = free_cash(scene.basic(scene.hub, ID))[0]
    paid = scene.basic(scene.hub, ID).ab
    for amount, wanted in ((paid + free + 1, ["voucher.overspend"]), (paid + free, [])):
        scene.hub.notices.clear()
        signature = scene.keys[ID].sign(Voucher(scene.ids[ID], amount).digest(DOMAIN))
        body = {"id": scene.ids[ID], "amount": amount, "signature": signature}
        deliver(scene, scene.hub, "Voucher", body, "hub", ID)
        assert refusals(scene.hub) == wanted
    assert free_cash(scene.basic(scene.hub, ID))[0] == 0


def test_R05_a_leg_counts_from_its_first_signature():
    scene = Scene()
    scene.catch("OpenVirtual")
    scene.buy()
    assert free_cash(scene.basic(scene.device1, ID))[0] == 10**6 - CAPACITY
    with pytest.raises(PeerError, match=r"withdraw\.funds"):
        scene.device1.request(
            scene.a[ID], "withdraw", channel_id=scene.ids[ID], to_alice=10**6 - CAPACITY + 1, to_bob=0
        )


def test_R05_we_pay_no_more_than_our_own_free_cash():
    scene = Scene()
    basic = scene.basic(scene.device1, ID)
    with pytest.raises(LocalError, match=r"channel\.funds"):
        pay_basic(context(scene, scene.device1), scene.keys[ID], basic, 10**6 + 1)


def test_R06_after_a_close_nothing_else_is_signed_or_accepted():
    scene = Scene().open().pay(1).close().drop("CloseOffer", 99)
    fee = scene.fund().fee
    scene.device1.request(scene.a[ID], "close", channel_id=scene.ids[ID])
    scene.settle()
    scene.buy()
    assert scene.device1.last("refused")["code"] == "channel.closing"
    with pytest.raises(LocalError, match=r"channel\.closing"):
        pay_basic(context(scene, scene.device1), scene.keys[ID], scene.basic(scene.device1, ID), 1)
    with pytest.raises(PeerError, match=r"channel\.closing"):
        scene.device1.request(scene.a[ID], "withdraw", channel_id=scene.ids[ID], to_alice=1, to_bob=0)
    scene.let_through()
    scene.hub.request(scene.a["hub"], "close", channel_id=scene.ids[ID])
    scene.settle()
    signature = scene.keys[ID].sign(Voucher(scene.ids[ID], fee + 5).digest(DOMAIN))
    deliver(scene, scene.hub, "Voucher", {"id": scene.ids[ID], "amount": fee + 5, "signature": signature}, "hub", ID)
    assert "channel.closing" in refusals(scene.hub)
    assert scene.basic(scene.hub, ID).ab == fee


def test_R12_everything_that_a_dispute_needs_is_on_record():
    """The dispute itself is the watchtower's and the hub's settlement; here: nothing that must be posted is missing."""
    scene = Scene().open().pay(3)
    first = scene.nano(scene.shop, "shop", 1).find(1)
    assert first.complete()
    evidence = scene.payee().forward
    scene.shop.request(scene.a["shop"], "keep evidence", virtual=scene.virtual, evidence=evidence)
    assert scene.fund(PAYEE_MEMBER).forward == evidence
    scene.hub.online = False
    scene.shop.request(scene.a["meter"], "close", virtual=scene.virtual)
    scene.run(5)
    nano = scene.nano(scene.shop, "shop", 1)
    assert (nano.find(1), nano.find(2).bob) == (first, None)  # version 1 stays until version 2 is complete
    assert scene.fund(PAYEE_MEMBER).finish is not None
    assert scene.basic(scene.hub, ID).ab_signature is not None


def test_R12_forged_or_smaller_evidence_replaces_nothing():
    scene = Scene().open().pay(3)
    evidence = scene.payee().forward
    scene.shop.request(scene.a["shop"], "keep evidence", virtual=scene.virtual, evidence=evidence)
    with pytest.raises(PeerError, match=r"voucher\.signer"):
        forged = evidence.replace(amount=301)
        scene.shop.request(scene.a["shop"], "keep evidence", virtual=scene.virtual, evidence=forged)
    assert scene.fund(PAYEE_MEMBER).forward == evidence


@pytest.mark.parametrize("who", ["device1", "hub"])
def test_R13_an_old_view_of_the_chain_is_no_ground_to_accept_anything(who):
    scene = Scene().open().pay(1)
    scene.blocks = False
    fee = scene.fund().fee
    scene.world.now_ms += 1801_000  # half of the challenge duration of an hour
    node = getattr(scene, who)
    if who == "hub":
        signature = scene.keys[ID].sign(Voucher(scene.ids[ID], fee + 5).digest(DOMAIN))
        body = {"id": scene.ids[ID], "amount": fee + 5, "signature": signature}
        deliver(scene, node, "Voucher", body, "hub", ID)
        assert "chain.stale" in refusals(node)
    with pytest.raises(ChainError, match=r"chain\.stale"):
        node.request(scene.a[who], "withdraw", channel_id=scene.ids[ID], to_alice=1, to_bob=0)


def test_R13_the_window_of_the_virtual_channel_counts_too():
    scene = Scene().open().pay(3)
    scene.blocks = False
    scene.device1.online = False
    scene.world.now_ms += 301_000  # half of the window of 600 s, long before half of the challenge duration
    scene.chain(scene.shop, "shop")
    scene.shop.request(scene.a["meter"], "close", virtual=scene.virtual)
    scene.settle()
    assert "chain.stale" in refusals(scene.hub)
    assert scene.fund(HUB).phase == "open"
    scene.refresh_chain()
    scene.run(40)
    assert scene.fund(HUB).phase == "paid"


@pytest.mark.parametrize("status", [DISPUTE, CLOSED])
def test_R13_nothing_is_accepted_in_a_channel_that_is_not_open(status):
    scene = Scene()
    scene.blocks = False
    scene.chain(scene.hub, ID, status=status)
    scene.buy().find_virtual()
    assert scene.device1.last("refused")["code"] == "channel.not_open"
    assert scene.basic(scene.device1, ID).status == OPEN


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"status": DISPUTE}, "view.status"),
        ({"hub_free": CAPACITY - 1}, "view.funds"),
        ({"time": -301}, "view.stale"),
        ({"nonce": bytes(32)}, "view.nonce"),
        ({"channel_id": bytes(32)}, "view.nonce"),
    ],
)
def test_R13_a_payee_device_serves_only_on_a_fresh_good_view_with_its_nonce(changes, code):
    scene = seller_waiting()
    target, raw = scene.caught[0]
    message = decode(raw)
    view = message["view"]
    if "time" in changes:
        changes = {"time": scene.now_ms // 1000 + changes["time"]}
    view = view.replace(**changes)
    body = {"view": view, "signature": scene.keys["shop"].sign(view.digest(DOMAIN))}
    scene.let_through()
    target.receive(encode(Message("ChainView", body, message.request_id, message.to, message.sender)))
    assert refusals(scene.device3) == [code]
    assert not scene.device3.seen("serving")
    target.receive(raw)
    assert scene.device3.seen("serving")


def seller_waiting():
    """Device 2 has opened a channel to the seller, whose view of the chain is under way."""
    scene = Scene()
    scene.caught = scene.catch("ChainView")
    scene.device2.request(scene.a["payer2"], "buy", payee=scene.a["seller"], capacity=CAPACITY, validity_s=3600)
    scene.settle()
    return scene


def test_R13_a_view_signed_by_somebody_else_is_none():
    scene = seller_waiting()
    target, raw = scene.caught[0]
    message = decode(raw)
    body = {"view": message["view"], "signature": scene.keys["owner"].sign(message["view"].digest(DOMAIN))}
    target.receive(encode(Message("ChainView", body, message.request_id, message.to, message.sender)))
    assert refusals(scene.device3) == ["view.signature"]


def test_R13_a_channel_that_the_chain_resolves_is_shown_as_disputed():
    scene = seller_waiting()
    virtual = decode(scene.caught[0][1])["view"].virtual_id
    scene.shop.request(scene.a["shop"], "started", virtual_id=virtual)
    scene.let_through().run(5)
    assert "view.status" in refusals(scene.device3)
    assert not scene.device3.seen("serving")


def test_R14_after_validity_no_voucher_is_signed_or_accepted():
    scene = Scene().open(validity_s=60).pay(1)
    for node in (scene.device1, scene.shop):
        node.online = False
    scene.run(70)
    evidence = scene.keys["payer1"].sign(Voucher(scene.virtual, 200).digest(DOMAIN))
    body = {"id": scene.payee().ready.handle, "amount": 200, "signature": evidence}
    scene.shop.receive(encode(Message("Voucher", body)))
    assert refusals(scene.shop) == ["virtual.expired"]
    with pytest.raises(LocalError, match="expired"):
        scene.shop.request(scene.a["meter"], "serve", virtual=scene.virtual)
    scene.device1.online = True
    scene.device1.tick()
    assert (scene.payer().phase, scene.payer().paid()) == ("closing", 100)


def test_R14_a_payer_asked_to_pay_after_validity_does_not():
    scene = Scene().open(validity_s=60).pay(1)
    scene.world.now_ms += 61_000
    with pytest.raises(LocalError, match="expired"):
        scene.device1.request(scene.a["payer1"], "pay", virtual_id=scene.virtual, amount=100)
    assert scene.payer().paid() == 100


def test_R15_a_member_without_memory_signs_nothing():
    scene = Scene(early_floor=10**6).open().pay(2)
    scene.device1.request(scene.a[ID], "freeze", channel_id=scene.ids[ID])
    scene.close(20)
    assert scene.nano(scene.device1, ID, 2).find(2) is None
    assert "channel.frozen" in refusals(scene.device1)
    scene.buy()
    for name, fields in (("close", {}), ("withdraw", {"to_alice": 1, "to_bob": 0})):
        with pytest.raises(LocalError, match=r"channel\.frozen"):
            scene.device1.request(scene.a[ID], name, channel_id=scene.ids[ID], **fields)
    assert scene.basic(scene.device1, ID).next_even == 4
    assert scene.fund(PAYER_MEMBER).phase == "open"


def test_R15_a_frozen_hub_takes_no_opening():
    scene = Scene()
    hubs = scene.basic(scene.hub, ID).replace(frozen=1)
    scene.hub.store.commit({basic_key(scene.ids[ID]): packed(hubs)})
    scene.buy()
    assert "channel.frozen" in refusals(scene.hub)
    assert scene.basic(scene.hub, ID).next_even == 2


def packed(record):
    return cbor.encode(record.pack())


def test_R15_proposals_are_the_hubs():
    scene = Scene(early_floor=10**6).open().pay(2)
    caught = scene.catch("Collect")
    scene.close()
    target, raw = caught[0]
    message = decode(raw)
    proposal = Proposal(scene.ids[ID], 2, 2, scene.virtual, 100)
    for changed in (
        {"proposal": None},
        {"proposal": scene.keys["owner"].sign(proposal.replace(net=200).digest(DOMAIN))},
        {"forward": None},
    ):
        body = {**message.body, **changed}
        target.receive(encode(Message("Collect", body, message.request_id, message.to, message.sender)))
    assert refusals(scene.device1) == ["leg.proposal"] * 3
    assert scene.nano(scene.device1, ID, 2).find(2) is None
