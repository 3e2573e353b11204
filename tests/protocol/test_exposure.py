"""Exposure is what the others could still take: it follows each payment and each unit served."""

from perunika.exposure import exposure_hub, exposure_member, exposure_payee, exposure_payer, lasts_s
from perunika.records import HUB, PAYEE, PAYEE_MEMBER, PAYER, PAYER_MEMBER, Funding, Stream, scan
from tests.support.network import NOW_S, World

PRICE = 100


def records(node, cls, role):
    prefix = b"s" if cls is Stream else b"f"
    return scan(node.store, cls, prefix + bytes((role,)))


def opened(world):
    world.device1.request(world.a["payer1"], "buy", payee=world.a["meter"], capacity=10_000, validity_s=3600)
    world.settle()
    (stream,) = records(world.shop, Stream, PAYEE)
    return stream.params.digest(world.hub.party.domain)


def payer(world):
    (stream,) = records(world.device1, Stream, PAYER)
    return exposure_payer(stream)


def payee(world):
    (stream,) = records(world.shop, Stream, PAYEE)
    policy = world.shop.party.endpoints[world.a["meter"]].policy
    return exposure_payee(stream, policy)


def test_payer_and_payee_exposure_follow_payment_and_service():
    world = World()
    virtual = opened(world)
    assert (payer(world), payee(world)) == (0, 0)
    world.shop.request(world.a["meter"], "serve", virtual=virtual)
    assert (payer(world), payee(world)) == (0, PRICE)
    world.run(1)
    assert (payer(world), payee(world)) == (0, 0)
    world.run(2)  # one unit served, three seconds gone: the payer stops LAG_UNITS ahead of what was served
    assert (payer(world), payee(world)) == (2 * PRICE, 0)


def test_payee_exposure_never_exceeds_the_policy():
    world = World()
    virtual = opened(world)
    world.shop.request(world.a["meter"], "serve", virtual=virtual)
    (stream,) = records(world.shop, Stream, PAYEE)
    policy = world.shop.party.endpoints[world.a["meter"]].policy
    assert exposure_payee(stream.replace(served=50), policy) == policy.exposure


def test_hub_is_exposed_from_early_payment_to_collection():
    world = World()
    virtual = opened(world)
    for _ in range(5):
        world.shop.request(world.a["meter"], "serve", virtual=virtual)
        world.run(1)
    assert exposure_member(records(world.device1, Funding, PAYER_MEMBER)) == 10_000
    assert exposure_hub(records(world.hub, Funding, HUB)) == 0
    world.device1.online = False
    world.shop.request(world.a["meter"], "close", virtual=virtual)
    world.settle()
    assert exposure_hub(records(world.hub, Funding, HUB)) == 500
    assert exposure_member(records(world.shop, Funding, PAYEE_MEMBER)) == 0
    assert payee(world) == 0
    world.device1.online = True
    world.run(60)
    assert exposure_hub(records(world.hub, Funding, HUB)) == 0
    assert exposure_member(records(world.device1, Funding, PAYER_MEMBER)) == 0


def test_a_member_that_is_not_yet_paid_is_exposed_to_its_evidence():
    world = World()
    virtual = opened(world)
    for _ in range(3):
        world.shop.request(world.a["meter"], "serve", virtual=virtual)
        world.run(1)
    world.hub.online = False
    world.shop.request(world.a["meter"], "close", virtual=virtual)
    world.settle()
    assert exposure_member(records(world.shop, Funding, PAYEE_MEMBER)) == 300


def test_exposure_ends_with_the_window_after_validity():
    world = World()
    opened(world)
    (stream,) = records(world.shop, Stream, PAYEE)
    assert lasts_s(stream.params, NOW_S) == 3600 + stream.params.window
    assert lasts_s(stream.params, NOW_S + 10**6) == 0
