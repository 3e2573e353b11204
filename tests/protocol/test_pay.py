"""Flow 3: paying. One message and one signature per payment; limits of payer and payee; nothing but larger counts."""

import pytest

from perunika.errors import LocalError
from perunika.evidence import sign_voucher
from perunika.messages import Message, decode, encode
from perunika.payer import LAG_UNITS
from perunika.records import PAYEE, Stream, stream_key
from perunika.structs import Ready
from tests.protocol.scenes import CAPACITY, PRICE, Scene, refusals
from tests.support.network import DOMAIN, key


def voucher(scene, amount, signer="payer1", domain=DOMAIN, virtual=None, route=None):
    evidence = sign_voucher(domain, scene.keys[signer], virtual or scene.virtual, amount)
    route = scene.payee().ready.handle if route is None else route
    return encode(Message("Voucher", {"id": route, "amount": amount, "signature": evidence.signature}))


def test_one_voucher_a_second_and_one_unsigned_answer():
    scene = Scene().open()
    start = len(scene.log)
    scene.pay(5)
    names = [name for _, _, name in scene.log[start:]]
    assert names.count("Voucher") == 5
    assert set(names) == {"Voucher", "Ack"}
    assert (scene.payer().paid(), scene.payer().acked, scene.payee().paid(), scene.payee().served) == (
        5 * PRICE, 5 * PRICE, 5 * PRICE, 5,
    )  # fmt: skip


def test_a_voucher_is_stored_before_it_is_sent_and_before_it_is_acknowledged():
    scene = Scene().open()
    order = []
    for name, node in (("payer", scene.device1), ("payee", scene.shop)):
        commit = node.store.commit
        node.store.commit = lambda writes, commit=commit, name=name: (order.append("store " + name), commit(writes))
    scene.world.filter = lambda _s, _t, raw: (order.append(decode(raw).name), [raw])[1]
    scene.pay(1)
    voucher_at, ack_at = order.index("Voucher"), len(order) - order[::-1].index("Ack") - 1
    assert "store payer" in order[:voucher_at]
    assert "store payee" in order[voucher_at:ack_at]


def test_the_payer_stays_within_two_units_of_what_is_served():
    scene = Scene().open().pay(1)
    scene.run(20)
    assert scene.payer().paid() == (1 + LAG_UNITS) * PRICE


def test_the_payee_serves_no_unit_that_is_not_paid():
    scene = Scene().open()
    scene.world.filter = lambda _s, _t, raw: [] if decode(raw).name == "Voucher" else [raw]
    scene.shop.request(scene.a["meter"], "serve", virtual=scene.virtual)  # its exposure is one unit
    with pytest.raises(LocalError, match="unpaid"):
        scene.shop.request(scene.a["meter"], "serve", virtual=scene.virtual)
    assert scene.payee().served == 1
    with pytest.raises(LocalError, match="counted from 1"):
        scene.shop.request(scene.a["meter"], "serve", virtual=scene.virtual, units=-1)


def test_lower_equal_and_repeated_vouchers_change_nothing():
    scene = Scene().open().pay(3)
    for amount in (300, 300, 200, 1):
        scene.shop.receive(voucher(scene, amount))
        assert scene.payee().paid() == 300
    assert not refusals(scene.shop)


def test_a_voucher_beyond_the_capacity_is_refused_and_changes_nothing():
    scene = Scene().open().pay(3)
    scene.shop.receive(voucher(scene, CAPACITY + 1))
    assert refusals(scene.shop) == ["voucher.capacity"]
    assert scene.payee().paid() == 300


@pytest.mark.parametrize(
    "forged",
    [
        {"signer": "payer2"},
        {"domain": type(DOMAIN)(31338, b"\xc0\xde" * 10)},
        {"domain": type(DOMAIN)(31337, b"\xc0\xdf" * 10)},
        {"virtual": b"\x01" * 32},
    ],
    ids=["signer", "chain", "contract", "channel"],
)
def test_a_voucher_of_another_signer_chain_contract_or_channel_is_refused(forged):
    scene = Scene().open().pay(3)
    scene.shop.receive(voucher(scene, 400, **forged))
    assert refusals(scene.shop) == ["voucher.signer"]
    assert scene.payee().paid() == 300


def test_an_unknown_handle_is_refused():
    scene = Scene().open()
    scene.shop.receive(voucher(scene, 100, route=(scene.payee().ready.handle + 1) & 0xFFFFFFFF))
    assert refusals(scene.shop) == ["message.to"]


def test_an_acknowledgement_says_no_more_than_was_paid():
    scene = Scene().open().pay(2)
    scene.device1.receive(encode(Message("Ack", {"id": scene.payer().ready.handle, "amount": 10**6})))
    assert scene.payer().acked == 200


def test_a_forged_acknowledgement_of_service_cannot_pass_the_capacity():
    scene = Scene().open(capacity=1000)
    scene.device1.receive(encode(Message("Ack", {"id": scene.payer().ready.handle, "amount": 0, "served": 10**9})))
    scene.run(20)
    assert scene.payer().paid() == 1000
    assert scene.device1.seen("exhausted")


def test_the_payer_waits_when_nothing_is_acknowledged():
    scene = Scene().open()
    payer = scene.device1.party.endpoints[scene.a["payer1"]]
    payer.policy = payer.policy.replace(max_unacked=150)
    scene.world.filter = lambda _s, _t, raw: [] if decode(raw).name == "Ack" else [raw]
    scene.pay(2)
    scene.run(5)
    assert scene.payer().paid() == 150


def test_a_used_up_channel_closes_itself():
    scene = Scene().open(capacity=1000).pay(10)
    assert scene.payer().paid() == 1000
    scene.run(5)
    assert scene.phases() == ("closed", "paid", "collected", "paid", "collected")


def test_a_payer_pays_on_request_within_its_limits():
    scene = Scene(unit_price=50, unit_millis=0)
    scene.device1.request(scene.a["payer1"], "buy", payee=scene.a["meter"], capacity=1000, validity_s=600)
    scene.settle()
    scene.find_virtual()
    scene.device1.request(scene.a["payer1"], "pay", virtual_id=scene.virtual, amount=50)
    scene.settle()
    assert scene.payee().paid() == 50
    with pytest.raises(LocalError, match="refused|phase"):
        scene.close()
        scene.device1.request(scene.a["payer1"], "pay", virtual_id=scene.virtual, amount=50)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"max_unit_price": PRICE - 1}, "terms.price"),
        ({"max_rate": PRICE - 1}, "terms.rate"),
        ({"max_window_s": 599}, "terms.window"),
    ],
)
def test_terms_above_the_payers_limits_are_refused(changes, code):
    scene = Scene()
    payer = scene.device1.party.endpoints[scene.a["payer1"]]
    payer.policy = payer.policy.replace(**changes)
    scene.buy()
    assert refusals(scene.device1) == [code]


def test_a_purchase_beyond_the_budget_is_our_own_mistake():
    scene = Scene()
    with pytest.raises(LocalError, match=r"budget\.total"):
        scene.buy(capacity=10**18 + 1)


def test_terms_signed_by_somebody_else_are_refused():
    scene = Scene()
    caught = scene.catch("Terms")
    scene.buy()
    target, raw = caught[0]
    message = decode(raw)
    forged = {**message.body, "signature": key("thief").sign(message["terms"].digest(DOMAIN))}
    target.receive(encode(Message("Terms", forged, message.request_id, message.to, message.sender)))
    assert refusals(scene.device1) == ["terms.signature"]


def test_a_readiness_signed_by_somebody_else_is_refused():
    scene = Scene()
    caught = scene.catch("Ready")
    scene.buy().find_virtual()
    target, raw = caught[0]
    message = decode(raw)
    ready = Ready(scene.virtual, 7, 10**9)
    body = {"ready": ready, "signature": key("thief").sign(ready.digest(DOMAIN))}
    target.receive(encode(Message("Ready", body, message.request_id, message.to, message.sender)))
    assert refusals(scene.device1) == ["ready.signature"]
    assert scene.payer().phase == "opened"


def test_a_seller_behind_a_gateway_is_paid_by_a_device_on_an_allowance():
    scene = Scene()
    scene.device2.request(scene.a["payer2"], "buy", payee=scene.a["seller"], capacity=1000, validity_s=600)
    scene.settle()
    (stream,) = [scene.device3.load(Stream, k) for k, _ in scene.device3.store.scan(b"s")]
    virtual = stream.params.digest(DOMAIN)
    for paid in (50, 100):
        scene.device2.request(scene.a["payer2"], "pay", virtual_id=virtual, amount=50)
        scene.settle()
        scene.device3.request(scene.a["seller"], "serve", virtual=virtual)
        assert scene.device3.load(Stream, stream_key(PAYEE, virtual)).paid() == paid
    with pytest.raises(LocalError, match="unpaid"):
        for _ in range(2):
            scene.device3.request(scene.a["seller"], "serve", virtual=virtual)
