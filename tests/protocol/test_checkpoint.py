"""Folding (Paper §4.2.10): a checkpoint retires what is terminated, with exactly its net, never less than before."""

import pytest

from perunika import cbor
from perunika.basic import compose_checkpoint, offer_checkpoint
from perunika.context import Context
from perunika.errors import LocalError
from perunika.ledger import covered, free_cash
from perunika.messages import Message, decode, encode
from perunika.records import ALICE, Nano, Version, basic_key, nano_key, scan
from perunika.structs import PAYER_LEG, Checkpoint
from tests.protocol.invariants import agree
from tests.protocol.scenes import Scene, refusals
from tests.support.network import DOMAIN


def closed(channels=1):
    scene = Scene()
    for _ in range(channels):
        scene.open().pay(3).close()
    return scene


def fold(scene, channel):
    scene.hub.request(scene.a["hub"], "checkpoint", channel_id=scene.ids[channel])
    scene.settle()
    return scene


def nids(node, channel_id):
    return [nano.nid for nano in scan(node.store, Nano, b"n" + channel_id)]


def test_both_sides_forget_what_is_retired_and_count_the_same():
    scene = closed(2)
    before = free_cash(scene.basic(scene.hub, "device1"))
    assert nids(scene.hub, scene.ids["device1"]) == [2, 4]
    fold(scene, "device1")
    for node in (scene.hub, scene.device1):
        assert nids(node, scene.ids["device1"]) == []
        checkpoint = scene.basic(node, "device1").checkpoint
        assert (checkpoint.version, checkpoint.net, checkpoint.retired) == (1, 600, b"")
    assert free_cash(scene.basic(scene.hub, "device1")) == before
    agree(scene.world)


def test_an_open_leg_stays_and_later_ones_are_retired_by_bits():
    scene = Scene().open()
    first = scene.virtual
    scene.open().pay(2).close()
    fold(scene, "device1")
    checkpoint = scene.basic(scene.hub, "device1").checkpoint
    assert (checkpoint.floor, checkpoint.retired) == (2, b"\x04")  # bit 2: nanocontract 4
    assert nids(scene.device1, scene.ids["device1"]) == [2]
    second, scene.virtual = scene.payee().paid(), first
    scene.pay(1).close()
    fold(scene, "device1")
    checkpoint = scene.basic(scene.hub, "device1").checkpoint
    assert checkpoint.version == 2
    assert checkpoint.net == second + scene.payee().paid()
    assert covered(checkpoint, 2)
    assert covered(checkpoint, 4)
    agree(scene.world)


def test_the_hub_folds_by_itself_when_enough_is_terminated():
    scene = closed(4)
    assert scene.basic(scene.device1, "device1").checkpoint.version == 1
    assert scene.basic(scene.shop, "shop").checkpoint.net == -1200


def test_an_unanswered_checkpoint_is_repeated_and_not_replaced():
    scene = closed(1)
    lost = scene.catch("CheckpointOffer")
    fold(scene, "device1")
    scene.open().pay(1).close()
    scene.world.filter = None
    offered = scene.basic(scene.hub, "device1").offered
    fold(scene, "device1")
    assert scene.basic(scene.device1, "device1").checkpoint == offered == decode(lost[0][1])["checkpoint"]
    fold(scene, "device1")
    assert scene.basic(scene.device1, "device1").checkpoint.version == 2
    agree(scene.world)


def test_the_hub_repeats_what_it_waits_for_when_a_member_is_back():
    scene = closed(1)
    scene.catch("CheckpointOffer")
    fold(scene, "device1")
    scene.world.filter = None
    hello = Message("Resume", {"id": scene.ids["device1"]}, b"12345678", scene.a["hub"], scene.a["device1"])
    scene.hub.receive(encode(hello))
    scene.settle()
    assert scene.basic(scene.device1, "device1").checkpoint is not None


def test_only_the_hub_proposes():
    scene = closed(1)
    endpoint = scene.device1.party.endpoints[scene.a["device1"]]
    assert "checkpoint" not in endpoint.REQUESTS
    ctx = Context(scene.device1.store, DOMAIN, scene.now_ms)
    with pytest.raises(LocalError, match=r"checkpoint\.side"):
        offer_checkpoint(ctx, endpoint, scene.ids["device1"])


def offer(scene, **changes):
    """Let the hub's key sign a checkpoint that is right but for ``changes``, and deliver it to device 1."""
    ctx = Context(scene.hub.store, DOMAIN, scene.now_ms)
    checkpoint = compose_checkpoint(ctx, scene.basic(scene.hub, "device1")).replace(**changes)
    body = {"checkpoint": checkpoint, "signature": scene.keys["hub"].sign(checkpoint.digest(DOMAIN))}
    scene.device1.receive(encode(Message("CheckpointOffer", body, b"12345678", scene.a["device1"], scene.a["hub"])))
    return scene.basic(scene.device1, "device1").checkpoint


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"version": 2}, "checkpoint.version"),
        ({"net": 299}, "checkpoint.net"),
        ({"net": 301}, "checkpoint.net"),
        ({"floor": 100}, "checkpoint.range"),
        ({"retired": b"\x01\x00"}, "checkpoint.range"),
        ({"retired": b"\x01"}, "checkpoint.unknown"),
    ],
)
def test_a_checkpoint_that_is_not_exactly_right_is_refused(changes, code):
    scene = closed(1)
    assert offer(scene, **changes) is None
    assert refusals(scene.device1) == [code]


def test_a_checkpoint_that_retires_a_live_leg_is_refused():
    scene = closed(1).open()
    assert offer(scene, floor=6, retired=b"") is None
    assert refusals(scene.device1) == ["checkpoint.live"]


def test_a_checkpoint_of_another_hub_is_refused():
    scene = closed(1)
    scene.keys["hub"] = scene.keys["owner"]
    assert offer(scene) is None
    assert refusals(scene.device1) == ["checkpoint.signature"]


def test_a_checkpoint_that_retires_less_than_the_last_one_is_refused():
    scene = Scene().open()
    first = scene.virtual
    scene.open().pay(2).close()
    fold(scene, "device1")
    assert scene.basic(scene.device1, "device1").checkpoint.retired == b"\x04"
    scene.virtual = first
    scene.pay(1).close()
    assert offer(scene, floor=3, retired=b"").version == 1
    assert offer(scene, floor=1, retired=b"\x02").version == 1
    assert refusals(scene.device1) == ["checkpoint.superset", "checkpoint.superset"]


def test_a_checkpoint_beyond_the_bitmap_says_which_leg_is_open_too_long():
    scene = Scene().open().pay(1)
    basic = scene.basic(scene.hub, "device1").replace(next_even=9000)
    done = Nano(scene.ids["device1"], 8998, PAYER_LEG, b"\x07" * 32, (Version(2, 0, 0, bytes(65), bytes(65)),))
    store = Context(scene.hub.store, DOMAIN, scene.now_ms)
    scene.hub.store.commit(
        {nano_key(done.channel_id, done.nid): packed(done), basic_key(done.channel_id): packed(basic)}
    )
    with pytest.raises(LocalError, match="nanocontract 2 is open for too long"):
        compose_checkpoint(store, basic)


def packed(record):
    return cbor.encode(record.pack())


def test_an_opening_that_crosses_a_checkpoint_is_refused_and_both_end():
    """The hub offers a floor that covers the number which the member has just used: the opening gives way (R4)."""
    scene = closed(1)
    for _ in range(3):  # the member has used fewer numbers than the hub: the floor passes its next one
        scene.device2.request(scene.a["payer2"], "buy", payee=scene.a["meter"], capacity=1000, validity_s=600)
        scene.settle()
    assert scene.basic(scene.hub, "device1").next_even == 4
    hubs = scene.basic(scene.hub, "device1")
    scene.hub.store.commit({basic_key(scene.ids["device1"]): packed(hubs.replace(next_odd=9))})
    basic = scene.basic(scene.device1, "device1")
    scene.device1.store.commit({basic_key(scene.ids["device1"]): packed(basic.replace(next_odd=9))})
    caught = scene.catch("CheckpointOffer")
    fold(scene, "device1")
    assert decode(caught[0][1])["checkpoint"].floor == 9
    scene.let_through().buy()
    scene.run(3)
    scene.find_virtual()
    assert scene.payer().phase == "refused"
    fold(scene, "device1")
    assert scene.basic(scene.device1, "device1").checkpoint.floor == 9
    scene.open()
    assert scene.fund().nid_a == 10
    agree(scene.world)


def test_a_checkpoint_answered_before_the_refusal_ends_both():
    scene = closed(1)
    for node in (scene.hub, scene.device1):
        basic = scene.basic(node, "device1")
        node.store.commit({basic_key(scene.ids["device1"]): packed(basic.replace(next_odd=9))})
    scene.catch("CheckpointOffer")
    fold(scene, "device1")
    scene.drop("LegSigned", 1)
    scene.buy()
    scene.world.filter = lambda _s, target, raw: (
        [] if decode(raw).name == "LegSigned" and target is scene.hub and decode(raw)["version"] == 2 else [raw]
    )
    scene.run(3)
    fold(scene, "device1")
    scene.let_through().run(40)
    assert scene.basic(scene.hub, "device1").checkpoint.floor == 9
    assert scene.find_virtual().fund().phase == "refused"
    agree(scene.world)


def test_an_opening_towards_a_member_that_owes_a_checkpoint_uses_a_number_above_it():
    scene = closed(1)
    for node in (scene.hub, scene.shop):
        basic = scene.basic(node, "shop")
        node.store.commit({basic_key(scene.ids["shop"]): packed(basic.replace(next_even=12))})
    scene.catch("CheckpointOffer")
    fold(scene, "shop")
    assert scene.basic(scene.hub, "shop").offered.floor == 12
    scene.let_through().open()
    assert scene.fund().nid_b == 13
    fold(scene, "shop")
    scene.pay(1).close()
    agree(scene.world)


def test_the_checkpoint_is_signed_by_both_and_the_same_bytes_every_time():
    scene = closed(1)
    seen = []
    scene.world.filter = lambda _s, _t, raw: (seen.append(raw), [raw, raw])[1]
    fold(scene, "device1")
    basic = scene.basic(scene.device1, "device1")
    assert isinstance(basic.checkpoint, Checkpoint)
    assert basic.side == ALICE
    hubs = scene.basic(scene.hub, "device1")
    assert (hubs.checkpoint_alice, hubs.checkpoint_bob) == (basic.checkpoint_alice, basic.checkpoint_bob)
    assert len({raw for raw in seen if decode(raw).name == "CheckpointSigned"}) == 1
