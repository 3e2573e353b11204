"""The payee's member: signs νb first, closes it against the payee's best voucher (Paper Fig. 26 and 29, Bob's part)."""

from perunika.context import request_id
from perunika.crypto import verify
from perunika.errors import LocalError, PeerError, PerunikaError
from perunika.ledger import (
    check_signature,
    digest_of,
    leg_blocked,
    load_basic,
    new_leg,
    put_version,
    require_memory,
    require_newest,
    require_usable,
)
from perunika.member_payee_closing import end_leg, on_close_leg, on_leg_closed, repeat_close, watch_end
from perunika.phases import advance
from perunika.policies import AHEAD_S
from perunika.records import BOB, PAYEE_MEMBER, Funding, Nano, Version, funding_key, nano_key
from perunika.structs import PAYEE_LEG, Proposal, virtual_salt
from perunika.value import clip_text


def on_offer_leg(ctx, me, message):
    """The hub offers νb: if we serve this payee and the hub can pay, sign version 1 first (R7)."""
    params = message["params"]
    virtual_id = params.digest(ctx.domain)
    known = ctx.load(Funding, funding_key(PAYEE_MEMBER, virtual_id))
    if known is None:
        basic = load_basic(ctx, params.payee_channel)
        proposal = Proposal(params.payee_channel, message["nid"], 1, virtual_id, 0)
        if not verify(proposal.digest(ctx.domain), message["signature"], basic.params.bob):
            raise PeerError("leg.proposal", "this offer is not signed by our hub")
        try:
            known = _accept(ctx, me, message, params, virtual_id, basic)
        except PerunikaError as error:
            body = {"virtual": virtual_id, "code": clip_text(error.code, 40), "text": clip_text(error.text, 200)}
            me.reply(ctx, message, "NotOk", body)
            return
    _send_first(ctx, me, message, known)


def _accept(ctx, me, message, params, virtual_id, basic):
    """Check the offer, sign νb version 1 and return the saved ``Funding``; raises ``PeerError`` to refuse."""
    require_usable(ctx, basic, params.window)
    _check_offer(ctx, me, params, message)
    require_newest(basic, message["nid"])
    basic, nano = new_leg(ctx, basic, virtual_id, message["nid"], PAYEE_LEG)
    alice, bob = leg_blocked(params, PAYEE_LEG)
    first = Version(1, alice, bob, None, None)
    first = first.replace(alice=me.key.sign(digest_of(ctx, nano, first)))
    put_version(ctx, basic, nano, first)
    funding = Funding(
        PAYEE_MEMBER, params, message["payer_random"], message["payee_nonce"], "signed", 0, nano.nid, 0, ctx.now,
        None, None, None, None,
    )  # fmt: skip
    ctx.save(funding_key(PAYEE_MEMBER, virtual_id), funding)
    ctx.later(PAYEE_MEMBER, virtual_id)
    return funding


def _check_offer(ctx, me, params, message):
    policy = me.policy
    if ctx.view.get(b"p" + params.payee) is None:
        raise PeerError("payee.unknown", "this member does not serve that payee key")
    if params.payer == params.payee or params.payer == b"\x00" * 20:
        raise PeerError("virtual.parties", "payer and payee must be two keys")
    if params.salt != virtual_salt(message["payer_random"], message["payee_nonce"]):
        raise PeerError("virtual.salt", "the salt is not made of both sides' random bytes")
    if params.payer_channel == params.payee_channel:
        raise PeerError("virtual.loop", "payer and payee have the same basic channel")
    if params.payee_capacity > params.payer_capacity:
        raise PeerError("virtual.refund", "more could be paid back than paid")
    if not policy.min_window_s <= params.window <= policy.max_window_s:
        raise PeerError("virtual.window", "window of %d s is outside our limits" % params.window)
    if not ctx.now < params.validity <= ctx.now + min(policy.max_validity_s, AHEAD_S):
        raise PeerError("virtual.validity", "validity %d is not acceptable" % params.validity)


def serve_payee(ctx, me, payee):
    """Let ``payee``'s virtual channels end in our basic channel; raises ``LocalError`` for our own key (R20)."""
    if payee == me.address:
        raise LocalError("party.keys", "a member's key is not a payee key (R20)", "give the payee a key of its own")
    ctx.view.put(b"p" + payee, b"\x01")


def _send_first(ctx, me, message, funding):
    nano = ctx.load(Nano, nano_key(funding.params.payee_channel, funding.nid_b))
    first = nano.find(1) if nano is not None else None
    if first is not None:
        body = {"channel": nano.channel_id, "nid": nano.nid, "version": 1, "signature": first.alice}
        me.reply(ctx, message, "LegSigned", body)


def on_virtual_opened(ctx, me, message):
    """The hub countersigned νb: keep it and hand everything to the payee key, which decides whether to serve."""
    virtual_id = message["virtual"]
    funding = ctx.load(Funding, funding_key(PAYEE_MEMBER, virtual_id))
    if funding.phase == "signed":
        phase = advance(PAYEE_MEMBER, funding.phase, "VirtualOpened")
        basic = load_basic(ctx, funding.params.payee_channel)
        nano = ctx.load(Nano, nano_key(funding.params.payee_channel, funding.nid_b))
        first = nano.find(1)
        check_signature(ctx, basic, nano, first, BOB, message["hub_signature"])
        put_version(ctx, basic, nano, first.replace(bob=message["hub_signature"]))
        funding = funding.replace(phase=phase)
        ctx.save(funding_key(PAYEE_MEMBER, virtual_id), funding)
        watch_end(ctx, virtual_id, funding)
        ctx.notify("virtual opened", virtual=virtual_id, role="payee's member", capacity=funding.params.payer_capacity)
    tell_payee(ctx, me, virtual_id, funding)


def on_payee_resume(ctx, me, virtual_id):
    """The payee key asks about a channel that it was not told of: tell it again."""
    funding = ctx.load(Funding, funding_key(PAYEE_MEMBER, virtual_id))
    if funding is not None and funding.phase == "open":
        tell_payee(ctx, me, virtual_id, funding)


def tell_payee(ctx, me, virtual_id, funding):
    """Send (or repeat) to the payee key what proves that its leg stands."""
    nano = ctx.load(Nano, nano_key(funding.params.payee_channel, funding.nid_b))
    first = nano.find(1) if nano is not None else None
    if first is None or not first.complete():
        return
    body = {
        "virtual": virtual_id, "nid": nano.nid, "member_signature": first.alice, "hub_signature": first.bob,
        "params": funding.params, "payer_random": funding.payer_random, "payee_nonce": funding.payee_nonce,
    }  # fmt: skip
    me.send(ctx, funding.params.payee, "VirtualOpened", body, request_id("VirtualOpened", virtual_id))


def on_cancel_leg(ctx, me, message):
    """The hub withdraws its offer, signing version 2 = (0, 0) first; countersign and forget the leg.

    Also for an offer that never came or that we refused: until both have signed, its number stays open at the hub.
    """
    nano = ctx.load(Nano, nano_key(message["channel"], message["nid"]))
    if message["nid"] & 1 == 0:
        raise PeerError("leg.number", "nanocontract %d is not the payee's leg of a channel" % message["nid"])
    if nano is None or nano.final() is None:
        nano = _cancel(ctx, me, message, nano)
    body = {"channel": nano.channel_id, "nid": nano.nid, "version": 2, "signature": nano.final().alice}
    me.reply(ctx, message, "LegSigned", body)


def _cancel(ctx, me, message, nano):
    # A leg that we hold says itself what it belongs to: only its own channel's phase lets it be cancelled.
    virtual_id = message["virtual"] if nano is None else nano.state
    basic = load_basic(ctx, message["channel"])
    require_memory(basic)
    if nano is None:
        basic, nano = new_leg(ctx, basic, virtual_id, message["nid"], PAYEE_LEG)
    funding = ctx.load(Funding, funding_key(PAYEE_MEMBER, virtual_id))
    if funding is not None and funding.nid_b == nano.nid:
        phase = advance(PAYEE_MEMBER, funding.phase, "CancelLeg")
        ctx.save(funding_key(PAYEE_MEMBER, virtual_id), funding.replace(phase=phase))
        ctx.settled(PAYEE_MEMBER, virtual_id)
    second = Version(2, 0, 0, None, None)
    check_signature(ctx, basic, nano, second, BOB, message["signature"])
    second = second.replace(alice=me.key.sign(digest_of(ctx, nano, second)), bob=message["signature"])
    return put_version(ctx, basic, nano, second)[1]


def repeat(ctx, me, virtual_id, funding):
    """Repeat what this side last said and the hub has not answered; close what its payee has left open."""
    if funding.phase == "open":
        end_leg(ctx, me, virtual_id, funding)
        return
    if funding.phase == "signed":
        nano = ctx.load(Nano, nano_key(funding.params.payee_channel, funding.nid_b))
        body = {"channel": nano.channel_id, "nid": nano.nid, "version": 1, "signature": nano.find(1).alice}
        me.send(ctx, me.policy.hub, "LegSigned", body, request_id("OfferLeg", virtual_id))
    else:
        repeat_close(ctx, me, virtual_id, funding)


PAYEE_HANDLERS = {
    "OfferLeg": on_offer_leg,
    "VirtualOpened": on_virtual_opened,
    "CancelLeg": on_cancel_leg,
    "CloseLeg": on_close_leg,
    "LegClosed": on_leg_closed,
}
PAYEE_RETRIES = repeat
