"""Flows 1 and 5: adopting a basic channel, taking money out of it, closing it."""

import pytest

from perunika.crypto import verify
from perunika.errors import ChainError, LocalError, PeerError
from perunika.ledger import CLOSE_GRACE_S, free_cash
from perunika.messages import Message, decode, encode
from perunika.records import CLOSED, DISPUTE, Basic
from perunika.structs import Close, Withdraw
from tests.protocol.invariants import agree
from tests.protocol.scenes import Scene, refusals
from tests.support.network import DOMAIN

ID = "device1"


def ask(scene, node, name, **fields):
    address = scene.a["hub"] if node is scene.hub else scene.a[ID]
    node.request(address, name, channel_id=scene.ids[ID], **fields)
    scene.settle()
    return scene


def submitted(scene, name):
    return [effect.fields for node, effect in scene.submitted if effect.name == name and node == "hub"]


# Adopting


def test_a_member_keeps_its_channel_once_and_counts_on_it_only_when_the_chain_shows_it():
    scene = Scene()
    scene.device1.forget()
    scene.device1.request(scene.a[ID], "adopt", params=scene.channels[ID])
    assert free_cash(scene.basic(scene.device1, ID)) == (0, 0)
    with pytest.raises(ChainError, match=r"channel\.not_open"):
        ask(scene, scene.device1, "withdraw", to_alice=1, to_bob=0)
    scene.chain(scene.device1, ID)
    scene.device1.request(scene.a[ID], "adopt", params=scene.channels[ID])
    assert free_cash(scene.basic(scene.device1, ID)) == (10**6, 2 * 10**6)


@pytest.mark.parametrize("field", ["alice", "bob"])
def test_a_channel_of_others_is_not_adopted(field):
    scene = Scene()
    params = scene.channels[ID].replace(**{field: b"\x09" * 20})
    with pytest.raises(LocalError, match=r"channel\.parties"):
        scene.device1.request(scene.a[ID], "adopt", params=params)
    if field == "bob":
        with pytest.raises(PeerError, match=r"channel\.parties"):
            scene.hub.request(scene.a["hub"], "opened", params=params)


def test_an_older_block_changes_nothing():
    scene = Scene()
    scene.run(10)
    scene.chain(scene.device1, ID, base=5 * 10**5)
    scene.world.now_ms -= 5000
    scene.chain(scene.device1, ID, base=9 * 10**5)
    assert scene.basic(scene.device1, ID).base == 5 * 10**5


# Withdrawing


def test_a_withdrawal_is_signed_by_both_and_brought_on_chain_by_the_hub():
    scene = Scene()
    ask(scene, scene.device1, "withdraw", to_alice=300, to_bob=0)
    (fields,) = submitted(scene, "withdraw")
    withdraw = fields["withdraw"]
    assert (withdraw.nonce, withdraw.to_alice, withdraw.to_bob) == (0, 300, 0)
    digest = withdraw.digest(DOMAIN)
    assert verify(digest, fields["alice"], scene.a[ID])
    assert verify(digest, fields["bob"], scene.a["hub"])
    for node in (scene.device1, scene.hub):
        assert free_cash(scene.basic(node, ID))[0] == 10**6 - 300
    for node in (scene.device1, scene.hub):
        scene.chain(node, ID, base=10**6 - 300, total=3 * 10**6 - 300, withdraw_nonce=1)
        assert free_cash(scene.basic(node, ID)) == (10**6 - 300, 2 * 10**6)
        assert scene.basic(node, ID).withdraws == ()


def test_a_lost_withdrawal_can_be_asked_again_and_is_the_same():
    scene = Scene().drop("WithdrawOffer")
    ask(scene, scene.device1, "withdraw", to_alice=300, to_bob=0)
    assert not submitted(scene, "withdraw")
    ask(scene, scene.device1, "withdraw", to_alice=300, to_bob=0)
    assert len(submitted(scene, "withdraw")) == 1
    assert len(scene.basic(scene.device1, ID).withdraws) == 1
    with pytest.raises(LocalError, match=r"withdraw\.pending"):
        ask(scene, scene.device1, "withdraw", to_alice=301, to_bob=0)


def test_an_expired_withdrawal_frees_the_cash():
    scene = Scene().drop("WithdrawOffer")
    ask(scene, scene.device1, "withdraw", to_alice=300, to_bob=0)
    scene.world.now_ms += 3601_000
    scene.chain(scene.device1, ID)
    assert scene.basic(scene.device1, ID).withdraws == ()


def test_more_than_free_cash_is_not_paid_out():
    scene = Scene().open()
    free = free_cash(scene.basic(scene.device1, ID))
    for to_alice, to_bob in ((free[0] + 1, 0), (0, free[1] + 1)):
        with pytest.raises(PeerError, match=r"withdraw\.funds"):
            ask(scene, scene.device1, "withdraw", to_alice=to_alice, to_bob=to_bob)
    withdraw = Withdraw(scene.ids[ID], 0, free[0] + 1, 0, scene.now_ms // 1000 + 60)
    send(scene, "WithdrawOffer", {"withdraw": withdraw}, withdraw)
    assert refusals(scene.hub) == ["withdraw.funds"]


def send(scene, name, body, signed, signer=ID):
    body = {**body, "signature": scene.keys[signer].sign(signed.digest(DOMAIN))}
    scene.hub.receive(encode(Message(name, body, b"12345678", scene.a["hub"], scene.a[ID])))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"nonce": 1}, "withdraw.nonce"),
        ({"valid_until": 0}, "withdraw.time"),
        ({"valid_until": 2**40}, "withdraw.time"),
    ],
)
def test_a_withdrawal_out_of_turn_or_time_is_refused(changes, code):
    scene = Scene()
    withdraw = Withdraw(scene.ids[ID], 0, 5, 0, scene.now_ms // 1000 + 60).replace(**changes)
    send(scene, "WithdrawOffer", {"withdraw": withdraw}, withdraw)
    assert refusals(scene.hub) == [code]


def test_a_withdrawal_that_the_other_side_did_not_sign_is_refused():
    scene = Scene()
    withdraw = Withdraw(scene.ids[ID], 0, 5, 0, scene.now_ms // 1000 + 60)
    send(scene, "WithdrawOffer", {"withdraw": withdraw}, withdraw, signer="owner")
    assert refusals(scene.hub) == ["withdraw.signature"]


def test_two_withdrawals_that_cross_end_in_one():
    scene = Scene()
    scene.device1.request(scene.a[ID], "withdraw", channel_id=scene.ids[ID], to_alice=300, to_bob=0)
    scene.hub.request(scene.a["hub"], "withdraw", channel_id=scene.ids[ID], to_alice=0, to_bob=500)
    scene.settle()
    assert [fields["withdraw"].to_bob for fields in submitted(scene, "withdraw")] == [500]
    assert free_cash(scene.basic(scene.device1, ID)) == (10**6 - 300, 2 * 10**6 - 500)  # both count until one is gone
    for node in (scene.device1, scene.hub):
        scene.chain(node, ID, total=3 * 10**6 - 500, withdraw_nonce=1)
    agree(scene.world)


# Closing


def test_a_close_moves_what_all_registers_say():
    scene = Scene().open().pay(4).close()
    fee = scene.fund().fee
    ask(scene, scene.device1, "close")
    (fields,) = submitted(scene, "close")
    close = fields["close"]
    assert close.net == 400 + fee
    assert verify(close.digest(DOMAIN), fields["alice"], scene.a[ID])
    assert verify(close.digest(DOMAIN), fields["bob"], scene.a["hub"])


@pytest.mark.parametrize("asker", ["device1", "hub"])
def test_either_side_may_ask_and_a_lost_message_is_asked_again(asker):
    for lost in ("CloseOffer", "CloseSigned"):
        scene = Scene().open().pay(1).close().drop(lost)
        ask(scene, getattr(scene, asker), "close")
        ask(scene, getattr(scene, asker), "close")
        assert {fields["close"].net for fields in submitted(scene, "close")} == {100 + scene.fund().fee}


def test_a_channel_with_an_open_leg_is_not_closed():
    scene = Scene().open()
    with pytest.raises(PeerError, match=r"channel\.live"):
        ask(scene, scene.device1, "close")
    net = 0
    close = Close(scene.ids[ID], net, scene.now_ms // 1000 + 60)
    send(scene, "CloseOffer", {"close": close}, close)
    assert refusals(scene.hub) == ["channel.live"]


def test_a_lost_fee_does_not_keep_a_channel_from_closing():
    scene = Scene().drop("Voucher")
    scene.buy().find_virtual().let_through()
    scene.world.filter = lambda _s, target, raw: [] if decode(raw).name == "Voucher" and target is scene.hub else [raw]
    scene.pay(2).close()
    scene.let_through()
    ask(scene, scene.device1, "close")
    assert submitted(scene, "close")[0]["close"].net == 200 + scene.fund().fee


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"net": 99}, "close.net"), ({"valid_until": 0}, "close.time"), ({"valid_until": 2**40}, "close.time")],
)
def test_the_hub_refuses_a_close_that_is_worse_for_it_or_too_long(changes, code):
    scene = Scene().open().pay(1).close()
    net = 100 + scene.fund().fee
    close = Close(scene.ids[ID], net, scene.now_ms // 1000 + 60)
    close = close.replace(net=close.net - 1) if "net" in changes else close.replace(**changes)
    send(scene, "CloseOffer", {"close": close}, close)
    assert refusals(scene.hub) == [code]
    assert scene.basic(scene.hub, ID).close is None


def test_a_close_that_the_other_side_did_not_sign_is_refused():
    scene = Scene()
    close = Close(scene.ids[ID], 0, scene.now_ms // 1000 + 60)
    send(scene, "CloseOffer", {"close": close}, close, signer="owner")
    assert refusals(scene.hub) == ["close.signature"]
    assert scene.basic(scene.hub, ID).close is None


def test_two_closes_that_cross_end_in_the_hubs():
    scene = Scene().open().pay(1).close()
    scene.device1.request(scene.a[ID], "close", channel_id=scene.ids[ID])
    scene.hub.request(scene.a["hub"], "close", channel_id=scene.ids[ID])
    scene.settle()
    closes = {fields["close"] for fields in submitted(scene, "close")}
    assert len(closes) == 1
    assert scene.basic(scene.device1, ID).close in closes


def test_crossing_closes_of_different_seconds_end_too():
    scene = Scene().open().pay(1).close()
    scene.catch("CloseOffer")
    scene.device1.request(scene.a[ID], "close", channel_id=scene.ids[ID])
    scene.run(2)
    scene.hub.request(scene.a["hub"], "close", channel_id=scene.ids[ID])
    scene.settle()
    scene.let_through()
    for asker in (scene.device1, scene.hub):
        scene.run(1)
        ask(scene, asker, "close")
    hubs = scene.basic(scene.hub, ID).close
    assert {fields["close"] for fields in submitted(scene, "close")} == {hubs}


def test_after_the_close_expired_with_a_day_of_grace_the_channel_goes_on():
    scene = Scene().open().pay(1).close().drop("CloseOffer", 100)
    ask(scene, scene.device1, "close")
    until = scene.basic(scene.device1, ID).close.valid_until
    scene.let_through()
    scene.world.now_ms = (until + CLOSE_GRACE_S) * 1000
    scene.refresh_chain()
    scene.buy(validity_s=600)
    assert scene.device1.last("refused")["code"] == "channel.closing"
    scene.find_virtual()
    scene.world.now_ms += 1000
    scene.refresh_chain()
    scene.buy(validity_s=600)
    assert scene.find_virtual().payer().phase == "paying"


@pytest.mark.parametrize("status", [DISPUTE, CLOSED])
def test_nothing_is_signed_in_a_channel_that_is_not_open_on_chain(status):
    scene = Scene()
    scene.blocks = False
    scene.chain(scene.device1, ID, status=status)
    for name, fields in (("close", {}), ("withdraw", {"to_alice": 1, "to_bob": 0})):
        with pytest.raises(ChainError, match=r"channel\.not_open"):
            ask(scene, scene.device1, name, **fields)
    assert isinstance(scene.basic(scene.device1, ID), Basic)
