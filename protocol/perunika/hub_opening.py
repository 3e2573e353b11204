"""The hub opens a virtual channel (Paper Fig. 26, Ingrid's part; R7): payer's member, payee's member, then the hub.

The hub signs both legs in one step, after both members have signed; until then nobody is exposed. It cancels νa
only if it never signed νb.
"""

from perunika.context import request_id
from perunika.errors import ChainError, PeerError
from perunika.fees import ceil_div, check_capacity, virtual_fee
from perunika.ledger import (
    check_signature,
    covered,
    digest_of,
    free_cash,
    leg_blocked,
    load_basic,
    new_leg,
    overtaken,
    put_version,
    require_memory,
    require_usable,
    sign_refusal,
)
from perunika.phases import advance
from perunika.policies import AHEAD_S
from perunika.records import ALICE, HUB, Funding, Nano, Version, basic_key, funding_key, nano_key
from perunika.structs import PAYEE_LEG, PAYER_LEG, ZERO_ADDRESS, Proposal, virtual_salt
from perunika.value import clip_text

SHARES = 8  # one payer's channel may use an eighth of R19's bound


def on_open_virtual(ctx, me, message):
    """Check the request, keep νa v1 with the member's signature, offer νb to the payee's member."""
    params = message["params"]
    virtual_id = params.digest(ctx.domain)
    known = ctx.load(Funding, funding_key(HUB, virtual_id))
    if known is not None:
        _answer_again(ctx, me, virtual_id, known)
        return
    basic = load_basic(ctx, params.payer_channel)
    require_memory(basic)
    if basic.ab < basic.due and ctx.now < params.validity:
        raise PeerError("fee.unpaid", "a fee of an earlier opening is unpaid", "send the basic-channel voucher")
    late = overtaken(basic, message["nid"])
    basic, nano = new_leg(ctx, basic, virtual_id, message["nid"], PAYER_LEG)
    alice, bob = leg_blocked(params, PAYER_LEG)
    first = Version(1, alice, bob, message["signature"], None)
    check_signature(ctx, basic, nano, first, ALICE, first.alice)
    ctx.save(basic_key(nano.channel_id), basic)
    ctx.save(nano_key(nano.channel_id, nano.nid), nano)
    funding = Funding(
        HUB, params, message["payer_random"], message["payee_nonce"], "offered", nano.nid, 0, 0, ctx.now, None, None,
        None, None,
    )  # fmt: skip
    try:
        if late:
            raise PeerError("leg.number", "the number of this leg came after a later one (R4)", "ask again")
        funding = _offer(ctx, me, virtual_id, funding, basic, nano, first)
    except (PeerError, ChainError) as error:
        refuse(ctx, me, virtual_id, funding, "NotOk", error.code, error.text)
        return
    ctx.save(funding_key(HUB, virtual_id), funding)
    repeat(ctx, me, virtual_id, funding)
    ctx.later(HUB, virtual_id)


def _offer(ctx, me, virtual_id, funding, payer_basic, payer_nano, first):
    """Check the hub's own conditions, keep νa v1, reserve νb; returns the funding with its number or raises."""
    params = funding.params
    require_usable(ctx, payer_basic, params.window)
    if covered(payer_basic.offered, payer_nano.nid):
        raise PeerError("leg.number", "a checkpoint that we have offered retires this nanocontract (R4)")
    fee = _check_params(ctx, me, params, funding)
    payer_basic, _ = put_version(ctx, payer_basic, payer_nano, first)
    if free_cash(payer_basic)[ALICE] < fee:
        raise PeerError("fee.funds", "the channel has no %d wei left for the fee" % fee, "top up the channel")
    payee_basic = load_basic(ctx, params.payee_channel)
    require_usable(ctx, payee_basic, params.window)
    nid = payee_basic.next_odd
    while covered(payee_basic.offered, nid):
        nid += 2
    payee_basic, nano = new_leg(ctx, payee_basic, virtual_id, nid, PAYEE_LEG)
    alice, bob = leg_blocked(params, PAYEE_LEG)
    put_version(ctx, payee_basic, nano, Version(1, alice, bob, None, None))
    return funding.replace(nid_b=nano.nid, fee=fee)


def _check_params(ctx, me, params, funding):
    policy = me.policy
    if params.salt != virtual_salt(funding.payer_random, funding.payee_nonce):
        raise PeerError("virtual.salt", "the salt is not made of both sides' random bytes")
    if params.payer == params.payee or ZERO_ADDRESS in (params.payer, params.payee):
        raise PeerError("virtual.parties", "payer and payee must be two keys")
    if params.payer_channel == params.payee_channel:
        raise PeerError("virtual.loop", "payer and payee have the same basic channel")
    if params.payee_capacity > params.payer_capacity:
        raise PeerError("virtual.refund", "more could be paid back than paid")
    if not policy.min_window_s <= params.window <= policy.max_window_s:
        raise PeerError("virtual.window", "window of %d s is outside the hub's limits" % params.window)
    if not ctx.now < params.validity <= ctx.now + min(policy.max_validity_s, AHEAD_S):
        raise PeerError("virtual.validity", "validity %d is outside the hub's limits" % params.validity)
    check_capacity(policy.fees, params.payer_capacity)
    if uncollected_from(ctx, params.payer_channel) >= _share(policy):
        raise PeerError("hub.busy", "too much of this member waits to be collected (R19)", "answer Collect first")
    return virtual_fee(policy.fees, params.payer_capacity, params.validity, ctx.now)


def uncollected(ctx):
    """Return how many virtual channels were paid early and not yet collected (R19)."""
    raw = ctx.view.get(b"u")
    return int.from_bytes(raw, "big") if raw is not None else 0


def uncollected_from(ctx, channel_id):
    """Return how many terminal versions of ``channel_id`` we have signed and its member has not."""
    waiting = 0
    for nano in ctx.scan(Nano, b"n" + channel_id):
        second = nano.find(2)
        waiting += 1 if second is not None and second.bob is not None and second.alice is None else 0
    return waiting


def _share(policy):
    """Return how much of R19's bound one payer's channel may use, so that no member can use it up for all."""
    return ceil_div(policy.max_uncollected, SHARES)


def may_pay_early(ctx, me, channel_id):
    """Return whether another payment out of ``channel_id`` may be made before it is collected (R19)."""
    policy = me.policy
    return uncollected(ctx) < policy.max_uncollected and uncollected_from(ctx, channel_id) < _share(policy)


def refuse(ctx, me, virtual_id, funding, event, code, text):
    """Refuse an opening: sign νa v2 = (0, 0) first and, if νb was offered, its v2 too (details.md "Refusal").

    Safe only because the hub has not signed νb v1; ``advance`` allows it from phase "offered" alone (R7).
    """
    phase = advance(HUB, funding.phase, event)
    sign_refusal(ctx, me.key, funding.params.payer_channel, funding.nid_a)
    if funding.nid_b:
        sign_refusal(ctx, me.key, funding.params.payee_channel, funding.nid_b)
    funding = funding.replace(phase=phase, reason=clip_text("%s:%s" % (code, text), 200))
    ctx.save(funding_key(HUB, virtual_id), funding)
    repeat(ctx, me, virtual_id, funding)
    ctx.later(HUB, virtual_id)
    ctx.notify("virtual refused", virtual=virtual_id, code=code, text=text)


def on_leg_signed(ctx, me, message):
    """A member's signature: on νb v1 it completes the opening, on a version 2 it completes a refusal."""
    nano = ctx.load(Nano, nano_key(message["channel"], message["nid"]))
    if nano is None:
        return  # retired long ago: the answer was repeated
    virtual_id = nano.state
    funding = ctx.load(Funding, funding_key(HUB, virtual_id))
    basic = load_basic(ctx, nano.channel_id)
    version = nano.find(message["version"])
    if version is None or funding is None:
        _answer_again(ctx, me, virtual_id, funding)
        return
    check_signature(ctx, basic, nano, version, ALICE, message["signature"])
    if message["version"] == 1 and nano.app == PAYEE_LEG:
        _complete(ctx, me, virtual_id, funding, basic, nano, version.replace(alice=message["signature"]))
    elif message["version"] == 2 and version.terminal() and funding.phase in ("refusing", "refused"):
        basic, nano = put_version(ctx, basic, nano, version.replace(alice=message["signature"]))
        _refusal_answered(ctx, virtual_id, funding)


def _complete(ctx, me, virtual_id, funding, payee_basic, payee_nano, first):
    """Countersign both legs in this one step (one database transaction), charge the fee, tell both members."""
    if funding.phase != "offered":
        _answer_again(ctx, me, virtual_id, funding)
        return
    phase = advance(HUB, funding.phase, "LegSigned")
    params = funding.params
    payer_basic = load_basic(ctx, params.payer_channel)
    require_usable(ctx, payer_basic, params.window)
    require_usable(ctx, payee_basic, params.window)
    if payer_basic.ab < payer_basic.due:
        return  # the fee of an opening just before this one is under way; the offer is repeated until it is here
    if free_cash(payer_basic)[ALICE] < funding.fee:
        text = "the channel has no %d wei left for the fee" % funding.fee
        refuse(ctx, me, virtual_id, funding, "NotOk", "fee.funds", text)
        return
    first = first.replace(bob=me.key.sign(digest_of(ctx, payee_nano, first)))
    put_version(ctx, payee_basic, payee_nano, first)
    payer_nano = ctx.load(Nano, nano_key(params.payer_channel, funding.nid_a))
    other = payer_nano.find(1)
    other = other.replace(bob=me.key.sign(digest_of(ctx, payer_nano, other)))
    payer_basic = payer_basic.replace(due=payer_basic.due + funding.fee)
    put_version(ctx, payer_basic, payer_nano, other)
    funding = funding.replace(phase=phase)
    ctx.save(funding_key(HUB, virtual_id), funding)
    ctx.settled(HUB, virtual_id)
    _tell_opened(ctx, me, virtual_id, funding)
    ctx.notify("virtual opened", virtual=virtual_id, role="hub", capacity=params.payer_capacity, fee=funding.fee)


def _tell_opened(ctx, me, virtual_id, funding):
    params = funding.params
    for channel_id, nid in ((params.payer_channel, funding.nid_a), (params.payee_channel, funding.nid_b)):
        nano = ctx.load(Nano, nano_key(channel_id, nid))
        first = nano.find(1) if nano is not None else None
        if first is None or not first.complete():
            continue
        body = {"virtual": virtual_id, "nid": nid, "member_signature": first.alice, "hub_signature": first.bob}
        if nano.app == PAYER_LEG:
            body["fee"] = funding.fee
        name = "OpenVirtual" if nano.app == PAYER_LEG else "OfferLeg"
        member = load_basic(ctx, channel_id).params.alice
        me.send(ctx, member, "VirtualOpened", body, request_id(name, virtual_id))


def _pending(ctx, funding):
    """Return whether a member has not yet countersigned one of our refusals."""
    for channel_id, nid in (
        (funding.params.payer_channel, funding.nid_a),
        (funding.params.payee_channel, funding.nid_b),
    ):
        nano = ctx.load(Nano, nano_key(channel_id, nid))
        if nano is not None and nano.final() is None:
            return True
    return False


def _refusal_answered(ctx, virtual_id, funding):
    if funding.phase == "refusing" and not _pending(ctx, funding):
        ctx.save(funding_key(HUB, virtual_id), funding.replace(phase=advance(HUB, "refusing", "LegSigned")))
        ctx.settled(HUB, virtual_id)


def on_not_ok(ctx, me, message):
    """The payee's member refuses our offer; only a hint, but enough to refuse as long as we have not signed νb."""
    virtual_id = message["virtual"]
    funding = ctx.load(Funding, funding_key(HUB, virtual_id))
    if funding is None or funding.phase != "offered" or not funding.nid_b:
        return
    if message.sender != load_basic(ctx, funding.params.payee_channel).params.alice:
        raise PeerError("message.sender", "a refusal from somebody who was not asked")
    refuse(ctx, me, virtual_id, funding, "NotOk", message["code"], message["text"])


def _answer_again(ctx, me, virtual_id, funding):
    if funding is None:
        return
    if funding.phase in ("offered", "refusing"):
        repeat(ctx, me, virtual_id, funding)
    elif funding.phase == "refused":
        _send_not_ok(ctx, me, virtual_id, funding)
    else:
        _tell_opened(ctx, me, virtual_id, funding)


def repeat(ctx, me, virtual_id, funding):
    """Send (or repeat) the offer, or after the time-out or a refusal the signed refusals."""
    if funding.phase == "offered":
        if ctx.now > funding.asked_s + me.policy.offer_timeout_s:
            refuse(ctx, me, virtual_id, funding, "time-out", "payee.silent", "the payee's member did not answer")
            return
        proposal = Proposal(funding.params.payee_channel, funding.nid_b, 1, virtual_id, 0)
        body = {
            "params": funding.params, "payer_random": funding.payer_random, "payee_nonce": funding.payee_nonce,
            "nid": funding.nid_b, "signature": me.key.sign(proposal.digest(ctx.domain)),
        }  # fmt: skip
        member = load_basic(ctx, funding.params.payee_channel).params.alice
        me.send(ctx, member, "OfferLeg", body, request_id("OfferLeg", virtual_id))
        return
    _refusal_answered(ctx, virtual_id, funding)
    if _pending(ctx, funding):
        _send_not_ok(ctx, me, virtual_id, funding)


def _send_not_ok(ctx, me, virtual_id, funding):
    code, _, text = funding.reason.partition(":")
    params = funding.params
    nano = ctx.load(Nano, nano_key(params.payer_channel, funding.nid_a))
    second = nano.find(2) if nano is not None else None
    if second is not None:
        body = {
            "virtual": virtual_id, "code": code, "text": text, "channel": params.payer_channel, "nid": nano.nid,
            "version": 2, "signature": second.bob,
        }  # fmt: skip
        member = load_basic(ctx, params.payer_channel).params.alice
        me.send(ctx, member, "NotOk", body, request_id("OpenVirtual", virtual_id))
    other = ctx.load(Nano, nano_key(params.payee_channel, funding.nid_b)) if funding.nid_b else None
    if other is not None and other.final() is None:
        body = {
            "virtual": virtual_id, "channel": params.payee_channel, "nid": other.nid, "version": 2,
            "signature": other.find(2).bob,
        }  # fmt: skip
        member = load_basic(ctx, params.payee_channel).params.alice
        me.send(ctx, member, "CancelLeg", body, request_id("OfferLeg", virtual_id))
