"""The hub closes a virtual channel: pays the payee's member, collects from the payer's (Paper Fig. 29; R9 to R11)."""

from perunika.basic import offer_checkpoint
from perunika.chain_views import started_key
from perunika.context import request_id
from perunika.errors import PeerError, PerunikaError
from perunika.evidence import check_evidence
from perunika.hub_opening import may_pay_early, uncollected
from perunika.ledger import check_signature, clamp_net, digest_of, leg_final, load_basic, put_version, require_usable
from perunika.phases import advance
from perunika.records import ALICE, HUB, Funding, Nano, Version, funding_key, nano_key
from perunika.structs import PAYEE_LEG, PAYER_LEG, Proposal


def _load(ctx, virtual_id):
    funding = ctx.load(Funding, funding_key(HUB, virtual_id))
    if funding is None:
        raise PeerError("virtual.unknown", "no virtual channel " + virtual_id.hex()[:8])
    return funding


def on_close_leg(ctx, me, message):
    """The payee's member shows the best voucher and νb v2: the hub pays now and collects later (R9).

    Two-way channels, amounts below the floor of R11 and what is beyond R19 are collected first and paid then (R10).
    """
    virtual_id = message["virtual"]
    funding = _load(ctx, virtual_id)
    if funding.phase in ("paid", "netting", "collected"):
        _tell_closed(ctx, me, virtual_id, funding)
        return
    params = funding.params
    _check_chain(ctx, params, virtual_id)
    funding = funding.replace(forward=message["forward"], backward=message["backward"])
    net = _check_net(ctx, virtual_id, funding)
    early = not params.payee_capacity and net >= me.policy.early_floor and may_pay_early(ctx, me, params.payer_channel)
    funding = funding.replace(phase=advance(HUB, funding.phase, "CloseLeg" if early else "CloseLegLater"))
    basic = load_basic(ctx, params.payee_channel)
    nano = ctx.load(Nano, nano_key(params.payee_channel, funding.nid_b))
    alice, bob = leg_final(PAYEE_LEG, net)
    second = Version(2, alice, bob, message["signature"], None)
    check_signature(ctx, basic, nano, second, ALICE, message["signature"])
    if early:
        second = second.replace(bob=me.key.sign(digest_of(ctx, nano, second)))
        _count_uncollected(ctx, 1)
    put_version(ctx, basic, nano, second)
    _propose_collect(ctx, me, funding, net, early)
    ctx.save(funding_key(HUB, virtual_id), funding)
    _tell_closed(ctx, me, virtual_id, funding)
    repeat(ctx, me, virtual_id, funding)
    ctx.later(HUB, virtual_id)
    if early:
        ctx.notify("paid early", virtual=virtual_id, amount=net)


def _check_chain(ctx, params, virtual_id):
    """R11, R13: sign only while both channels are open in a fresh view and the virtual channel is not on chain."""
    require_usable(ctx, load_basic(ctx, params.payer_channel), params.window)
    require_usable(ctx, load_basic(ctx, params.payee_channel), params.window)
    if ctx.view.get(started_key(virtual_id)) is not None:
        raise PeerError("virtual.on_chain", "this virtual channel is being resolved on chain", "post the voucher there")


def _check_net(ctx, virtual_id, funding):
    """Return the net in wei that the evidence proves; raises ``PeerError`` for wrong, missing or too large evidence."""
    params = funding.params
    forward = backward = 0
    if funding.forward is not None:
        forward = check_evidence(ctx.domain, params.payer, virtual_id, funding.forward)
    if funding.backward is not None:
        if not params.payee_capacity:
            raise PeerError("virtual.one_way", "this channel has no payments from payee to payer")
        backward = check_evidence(ctx.domain, params.payee, virtual_id, funding.backward)
    if forward > params.payer_capacity + backward:
        raise PeerError("voucher.capacity", "the voucher exceeds the channel's capacity")
    return clamp_net(params, forward, backward)


def _propose_collect(ctx, me, funding, net, early):
    """Put νa v2 on record: with our signature when we have paid already, without it when both legs wait (R10)."""
    params = funding.params
    basic = load_basic(ctx, params.payer_channel)
    nano = ctx.load(Nano, nano_key(params.payer_channel, funding.nid_a))
    alice, bob = leg_final(PAYER_LEG, net)
    second = Version(2, alice, bob, None, None)
    if early:
        second = second.replace(bob=me.key.sign(digest_of(ctx, nano, second)))
    put_version(ctx, basic, nano, second)


def _count_uncollected(ctx, difference):
    ctx.view.put(b"u", (uncollected(ctx) + difference).to_bytes(4, "big"))


def _tell_closed(ctx, me, virtual_id, funding):
    """Send our signatures on the terminal versions that are co-signed."""
    for channel_id, nid in (
        (funding.params.payee_channel, funding.nid_b), (funding.params.payer_channel, funding.nid_a),
    ):  # fmt: skip
        nano = ctx.load(Nano, nano_key(channel_id, nid))
        final = nano.final() if nano is not None else None
        if final is None:
            continue
        body = {
            "channel": channel_id, "nid": nid, "version": 2, "signature": final.bob, "virtual": virtual_id,
        }  # fmt: skip
        member = load_basic(ctx, channel_id).params.alice
        me.send(ctx, member, "LegClosed", body, request_id("CloseLeg", virtual_id))


def repeat(ctx, me, virtual_id, funding):
    """Ask the payer's member (again) to sign νa v2; it may be away for days."""
    if funding.phase not in ("paid", "netting"):
        return
    params = funding.params
    nano = ctx.load(Nano, nano_key(params.payer_channel, funding.nid_a))
    second = nano.find(2) if nano is not None else None
    if second is None:
        return
    body = {
        "virtual": virtual_id, "nid": nano.nid, "signature": second.bob, "forward": funding.forward,
        "backward": funding.backward,
    }  # fmt: skip
    if second.bob is None:
        proposal = Proposal(nano.channel_id, nano.nid, 2, virtual_id, second.blocked_alice)
        body["proposal"] = me.key.sign(proposal.digest(ctx.domain))
    member = load_basic(ctx, params.payer_channel).params.alice
    me.send(ctx, member, "Collect", body, request_id("Collect", virtual_id))


def on_collected(ctx, me, message):
    """The payer's member signed νa v2; if we have not paid yet, sign both legs now with the same net (R10)."""
    virtual_id = message["virtual"]
    funding = _load(ctx, virtual_id)
    if funding.phase == "collected":
        _tell_closed(ctx, me, virtual_id, funding)
        return
    phase = advance(HUB, funding.phase, "Collected")
    params = funding.params
    basic = load_basic(ctx, params.payer_channel)
    nano = ctx.load(Nano, nano_key(params.payer_channel, funding.nid_a))
    second = nano.find(2)
    check_signature(ctx, basic, nano, second, ALICE, message["signature"])
    second = second.replace(alice=message["signature"])
    netting = funding.phase == "netting"
    if netting:
        _check_chain(ctx, params, virtual_id)
        second = second.replace(bob=me.key.sign(digest_of(ctx, nano, second)))
        payee_basic = load_basic(ctx, params.payee_channel)
        other = ctx.load(Nano, nano_key(params.payee_channel, funding.nid_b))
        last = other.find(2)
        last = last.replace(bob=me.key.sign(digest_of(ctx, other, last)))
        put_version(ctx, payee_basic, other, last)
    else:
        _count_uncollected(ctx, -1)
    put_version(ctx, basic, nano, second)
    ctx.save(funding_key(HUB, virtual_id), funding.replace(phase=phase))
    ctx.settled(HUB, virtual_id)
    if netting:
        _tell_closed(ctx, me, virtual_id, funding)
    ctx.notify("collected", virtual=virtual_id, amount=second.blocked_alice)
    _maybe_checkpoint(ctx, me, params.payer_channel)
    _maybe_checkpoint(ctx, me, params.payee_channel)


def _maybe_checkpoint(ctx, me, channel_id):
    """Fold terminated nanocontracts once enough of them have gathered (Paper §4.2.10).

    A channel that cannot be folded now (in dispute, closing, one leg open for too long) is no reason to refuse
    the payment that ended a leg in it.
    """
    basic = load_basic(ctx, channel_id)
    if basic.terminated >= me.policy.checkpoint_every and basic.offered is None:
        try:
            offer_checkpoint(ctx, me, channel_id)
        except PerunikaError as error:
            ctx.notify("refused", code=error.code, text=error.text)
