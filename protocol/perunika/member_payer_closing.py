"""The payer's member at the close: it countersigns what its payer key has paid, no more and no less (R9, R10)."""

from perunika.allowances import change_allowance, pay_fees
from perunika.context import request_id
from perunika.crypto import verify
from perunika.errors import PeerError
from perunika.evidence import check_evidence
from perunika.ledger import (
    check_signature,
    clamp_net,
    digest_of,
    leg_final,
    load_basic,
    put_version,
    require_memory,
)
from perunika.phases import advance
from perunika.records import (
    BOB,
    PAYER_MEMBER,
    Funding,
    Nano,
    Version,
    funding_key,
    nano_key,
)
from perunika.structs import PAYER_LEG, Proposal
from perunika.value import AMOUNT_MAX


def repeat_collected(ctx, me, virtual_id, funding):
    nano = ctx.load(Nano, nano_key(funding.params.payer_channel, funding.nid_a))
    body = {"virtual": virtual_id, "signature": nano.find(2).alice}
    me.send(ctx, me.policy.hub, "Collected", body, request_id("Collect", virtual_id))


def on_collect(ctx, me, message):
    """The hub shows our payer's voucher and asks for νa version 2: no voucher, no signature (R9)."""
    virtual_id = message["virtual"]
    funding = ctx.load(Funding, funding_key(PAYER_MEMBER, virtual_id))
    if funding is None:
        raise PeerError("virtual.unknown", "no virtual channel " + virtual_id.hex()[:8])
    params = funding.params
    nano = ctx.load(Nano, nano_key(params.payer_channel, funding.nid_a))
    if funding.phase in ("collected", "netting"):
        version = nano.find(2) if nano is not None else None
        if version is not None:
            me.reply(ctx, message, "Collected", {"virtual": virtual_id, "signature": version.alice})
        return
    later = message["signature"] is None  # two-way, or below the hub's floor: the hub signs after both members (R10)
    if later and message["proposal"] is None:
        raise PeerError("leg.proposal", "this request is not signed by our hub")
    phase = advance(PAYER_MEMBER, funding.phase, "CollectLater" if later else "Collect")
    basic = load_basic(ctx, params.payer_channel)
    net = _collect_net(ctx, params, virtual_id, message, funding)
    alice, bob = leg_final(PAYER_LEG, net)
    second = Version(2, alice, bob, None, None)
    if later:
        proposal = Proposal(nano.channel_id, nano.nid, 2, virtual_id, net)
        if not verify(proposal.digest(ctx.domain), message["proposal"], basic.params.bob):
            raise PeerError("leg.proposal", "this request is not signed by our hub")
    else:
        check_signature(ctx, basic, nano, second, BOB, message["signature"])
        second = second.replace(bob=message["signature"])
    require_memory(basic)
    second = second.replace(alice=me.key.sign(digest_of(ctx, nano, second)))
    basic, _ = put_version(ctx, basic, nano, second)
    if basic.ab < basic.due:
        pay_fees(ctx, me, basic)
    ctx.save(
        funding_key(PAYER_MEMBER, virtual_id),
        funding.replace(phase=phase, forward=message["forward"], backward=message["backward"]),
    )
    change_allowance(ctx, params.payer, net - params.payer_capacity)
    me.reply(ctx, message, "Collected", {"virtual": virtual_id, "signature": second.alice})
    if later:
        ctx.later(PAYER_MEMBER, virtual_id)
    ctx.notify("collected", virtual=virtual_id, amount=net)


def keep_refund(ctx, virtual_id, evidence):
    """Keep a payment from payee to payer: at the close it may not be left out (R10)."""
    funding = ctx.load(Funding, funding_key(PAYER_MEMBER, virtual_id))
    if funding is None or funding.phase != "open" or not funding.params.payee_capacity:
        return
    if evidence.amount > (funding.backward.amount if funding.backward is not None else 0):
        check_evidence(ctx.domain, funding.params.payee, virtual_id, evidence)
        ctx.save(funding_key(PAYER_MEMBER, virtual_id), funding.replace(backward=evidence))


def _collect_net(ctx, params, virtual_id, message, funding):
    """Return the net in wei that the shown evidence proves; the refunds we know of may not be left out (R10)."""
    forward = backward = 0
    if message["forward"] is not None:
        forward = check_evidence(ctx.domain, params.payer, virtual_id, message["forward"])
    if message["backward"] is not None:
        backward = check_evidence(ctx.domain, params.payee, virtual_id, message["backward"])
    if backward and not params.payee_capacity:
        raise PeerError("virtual.one_way", "this channel has no payments from payee to payer")
    if forward > min(params.payer_capacity + backward, AMOUNT_MAX):
        raise PeerError("voucher.capacity", "the voucher exceeds the channel's capacity")
    known = funding.backward.amount if funding.backward is not None else 0
    if backward < known:
        raise PeerError("collect.backward", "a refund of %d wei is left out" % known)
    return clamp_net(params, forward, backward)


def on_leg_closed(ctx, me, message):
    """The hub countersigns νa version 2 after both members have (R10)."""
    nano = ctx.load(Nano, nano_key(message["channel"], message["nid"]))
    if nano is None:
        return
    funding = ctx.load(Funding, funding_key(PAYER_MEMBER, nano.state))
    if funding is None or funding.phase == "collected":
        return
    phase = advance(PAYER_MEMBER, funding.phase, "LegClosed")
    basic = load_basic(ctx, nano.channel_id)
    second = nano.find(2)
    check_signature(ctx, basic, nano, second, BOB, message["signature"])
    put_version(ctx, basic, nano, second.replace(bob=message["signature"]))
    ctx.save(funding_key(PAYER_MEMBER, nano.state), funding.replace(phase=phase))
    ctx.settled(PAYER_MEMBER, nano.state)
