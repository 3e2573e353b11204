"""The payout of a dispute (onchain.md "Payout formula"): partial is whole, nothing is made or lost, one clamp."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perunika.crypto import PrivateKey
from perunika.eip712 import Domain
from perunika.evidence import sign_voucher
from perunika.leaving import agreed_net
from perunika.ledger import leg_blocked
from perunika.records import Nano, Version, scan
from perunika.settlement import effect, first_claim, leg_effect, payout, settle, split
from perunika.structs import PAYEE_LEG, PAYER_LEG, BasicParams, Checkpoint, Open, VirtualParams
from perunika.value import AMOUNT_MAX
from perunika_host.chain import Chain
from perunika_host.chain_actions import ChainActions, deploy
from perunika_host.chain_calls import CheckpointPost, Opening, voucher
from perunika_host.chain_events import decode_log
from perunika_host.rpc import Rpc
from tests.protocol.scenes import Scene
from tests.protocol.test_rules_everybody import context
from tests.support.node import Node

amounts = st.integers(0, 1000) | st.integers(0, AMOUNT_MAX)
nets = st.integers(-1000, 1000) | st.integers(-AMOUNT_MAX, AMOUNT_MAX)


def params(payer_capacity, payee_capacity):
    return VirtualParams(
        bytes(32), b"\x01" * 32, b"\x02" * 20, b"\x03" * 20, payer_capacity, payee_capacity, 0, 60, bytes(32)
    )


@st.composite
def legs(draw):
    """Return (virtual params, app, forward, backward) of one leg."""
    capacity = draw(amounts)
    refund = draw(st.integers(0, capacity))
    return params(capacity, refund), draw(st.sampled_from([PAYER_LEG, PAYEE_LEG])), draw(amounts), draw(amounts)


@given(nets, amounts)
def test_the_two_sides_always_get_the_whole(claim, total):
    to_alice, to_bob = split(claim, total)
    assert to_alice >= 0
    assert to_bob >= 0
    assert to_alice + to_bob == total
    assert to_alice == claim or claim < 0 or claim > total


@given(amounts, amounts, nets, st.lists(legs(), max_size=5), st.integers(0, 2**32))
def test_partial_settling_pays_what_settling_at_once_pays(total, base, net, channels, seed):
    """Whatever order the virtual channels become final in, and however often somebody settles in between."""
    chance = random.Random(seed)
    claim = first_claim(base, 0, 0, net)
    moved = [leg_effect(app, virtual, forward, backward) for virtual, app, forward, backward in channels]
    blocked = [leg_blocked(virtual, app) for virtual, app, _, _ in channels]
    whole = settle(claim, total, moved, [])[:2]
    waiting, paid = list(range(len(channels))), [0, 0]
    while waiting:
        final = [index for index in waiting if chance.random() < 0.5]
        waiting = [index for index in waiting if index not in final]
        held = [blocked[index] for index in waiting] if chance.random() < 0.8 else None
        if not waiting:
            held = []
        to_alice, to_bob, claim, total = settle(claim, total, [moved[index] for index in final], held)
        paid = [paid[0] + to_alice, paid[1] + to_bob]
    if channels:
        assert tuple(paid) == whole
        assert total == 0


@given(legs())
def test_both_legs_of_a_virtual_channel_move_the_same_the_other_way(leg):
    virtual, _, forward, backward = leg
    there = leg_effect(PAYER_LEG, virtual, forward, backward)
    assert there == -leg_effect(PAYEE_LEG, virtual, forward, backward)
    assert -virtual.payee_capacity <= there <= virtual.payer_capacity


@given(amounts, amounts, amounts, amounts, amounts, nets)
def test_one_more_voucher_never_lowers_what_its_receiver_gets(total, base, ab, ba, more, net):
    before = split(first_claim(base, ab, ba, net), total)
    assert split(first_claim(base, ab + more, ba, net), total)[1] >= before[1]
    assert split(first_claim(base, ab, ba + more, net), total)[0] >= before[0]


@given(legs(), st.integers(0, 50), st.integers(0, 40))
def test_what_a_checkpoint_retires_moves_nothing_more(leg, nid, floor):
    virtual, app, forward, backward = leg
    version = Version(1, *leg_blocked(virtual, app), None, None)
    checkpoint = Checkpoint(bytes(32), 1, 0, floor, b"\x55")
    moved = effect(nid, version, app, checkpoint, (virtual, forward, backward))
    retired = nid < floor or (floor <= nid < floor + 8 and (nid - floor) % 2 == 0)
    if retired:
        assert moved == 0
    elif not version.terminal():
        assert moved == leg_effect(app, virtual, forward, backward)


def test_an_unresolved_leg_is_held_and_a_terminated_one_says_what_it_moves():
    virtual = params(100, 0)
    live = Version(1, *leg_blocked(virtual, PAYER_LEG), None, None)
    assert effect(2, live, PAYER_LEG, None, None) is None
    assert effect(2, Version(2, 30, -30, None, None), PAYER_LEG, None, None) == 30
    assert settle(500, 1000, [], [(100, 0)]) == (400, 500, 100, 100)
    assert settle(500, 1000, [], None) == (0, 0, 500, 1000)


def outcomes(scene):
    """Return the outcome that the chain would find for the scene's virtual channel, from the payee's evidence."""
    stream = scene.payee()
    return {scene.virtual: (stream.params, stream.paid(), stream.backward.amount if stream.backward else 0)}


def disputed(scene, node, channel):
    basic = scene.basic(node, channel)
    return payout(basic, scan(node.store, Nano, b"n" + scene.ids[channel]), outcomes(scene))


def test_the_chain_would_pay_what_the_parties_agree_to():
    """An honest end and a dispute give both sides the same, before and after the checkpoint (hub neutrality)."""
    scene = Scene().open().pay(6)
    for name, node in (("device1", scene.device1), ("shop", scene.shop)):
        assert disputed(scene, node, name) == disputed(scene, scene.hub, name)
    before = {name: disputed(scene, scene.hub, name) for name in ("device1", "shop")}
    scene.close()
    for _ in range(2):
        for name in ("device1", "shop"):
            basic = scene.basic(scene.hub, name)
            agreed = split(basic.base - agreed_net(context(scene, scene.hub), basic), basic.total)
            assert before[name] == disputed(scene, scene.hub, name) == agreed
            scene.hub.request(scene.a["hub"], "checkpoint", channel_id=scene.ids[name])
            scene.settle()


def test_the_hub_neither_gains_nor_loses_when_both_legs_go_to_the_chain():
    scene = Scene().open().pay(6)
    total = sum(disputed(scene, scene.hub, name)[1] for name in ("device1", "shop"))
    assert total == 2 * 2 * 10**6 + scene.fund().fee


# Against the contract

MEMBER, HUB = PrivateKey(b"\x01" * 32), PrivateKey(b"\x02" * 32)
TOTAL = 1500
CASES = [
    # deposit of Alice, voucher A to B, voucher B to A, net of the checkpoint
    (1000, 0, 0, 0), (1000, 400, 25, 0), (1000, 0, 0, 300), (1000, 250, 100, -77), (0, 0, 900, 0),
    (1500, 10**6, 0, 0), (200, 0, 10**9, 0), (700, 5, 5, 10**20), (700, 5, 5, -(10**20)), (1500, AMOUNT_MAX, 1, 0),
]  # fmt: skip


@pytest.fixture(scope="module")
def node():
    with Node() as running:
        yield running


def test_the_contract_pays_what_the_formula_says(node):
    async def compare():
        async with Rpc(node.url) as rpc:
            contract, _ = await deploy(rpc, node.accounts[0], 60, 86400)
        async with await Chain.connect(node.url, contract, node.chain_id) as chain:
            owner, hub_owner = (ChainActions(chain, account, 20) for account in node.accounts[1:3])
            await hub_owner.deposit(hub_owner.sender.address, TOTAL * len(CASES))
            await hub_owner.set_operator(HUB.address)
            disputes = [await dispute(chain, owner, hub_owner, number) for number in range(len(CASES))]
            node.advance(200)
            for (channel, checkpoint), case in zip(disputes, CASES, strict=True):
                receipt = await hub_owner.settle(channel, checkpoint)
                base, ab, ba, net = case
                assert paid(receipt) == split(first_claim(base, ab, ba, net), TOTAL), case

    asyncio.run(asyncio.wait_for(compare(), 60))


async def dispute(chain, owner, hub_owner, number):
    """Open a channel, start its dispute with the case's registers; returns (params, posted checkpoint)."""
    base, ab, ba, net = CASES[number]
    domain = Domain(chain.chain_id, chain.contract)
    parties = (MEMBER.address, HUB.address, owner.sender.address, hub_owner.sender.address)
    channel = BasicParams(*parties, bytes(20), 60, 2**39, number.to_bytes(32, "big"))
    channel_id = channel.digest(domain)
    offer = Open(channel_id, base, TOTAL - base, 2**40)
    await owner.open(Opening(channel, base, TOTAL - base, 2**40, HUB.sign(offer.digest(domain))))
    checkpoint = CheckpointPost()
    if net:
        digest = Checkpoint(channel_id, 1, net, 4, b"\x01").digest(domain)
        checkpoint = CheckpointPost(1, net, 4, b"\x01", MEMBER.sign(digest), HUB.sign(digest))
    there = sign_voucher(domain, MEMBER, channel_id, ab)
    back = sign_voucher(domain, HUB, channel_id, ba)
    await owner.challenge(
        channel,
        voucher(ab, there.signature) if ab else None,
        voucher(ba, back.signature) if ba else None,
        checkpoint if net else None,
    )
    return channel, checkpoint


def paid(receipt):
    settled = decode_log(receipt.logs[-1])
    return settled.to_alice, settled.to_bob
