"""The payer's member funds a payer key's virtual channel out of its basic channel (Paper Fig. 26, Alice; R7)."""

from perunika.allowances import change_allowance, pay_fees
from perunika.context import request_id
from perunika.crypto import verify
from perunika.errors import PeerError, PerunikaError
from perunika.fees import check_capacity, virtual_fee
from perunika.ledger import (
    check_signature,
    digest_of,
    leg_blocked,
    load_basic,
    new_leg,
    put_version,
    require_usable,
)
from perunika.member_payer_closing import on_collect, on_leg_closed, repeat_collected
from perunika.messages import Message
from perunika.phases import advance
from perunika.records import (
    BOB,
    PAYER_MEMBER,
    Allowance,
    Funding,
    Nano,
    Version,
    allowance_key,
    funding_key,
    nano_key,
)
from perunika.structs import PAYER_LEG, virtual_salt
from perunika.value import clip_text

CLOCK_SLACK_S = 120  # the hub's clock may be this far behind ours when it counts the days of its fee


def on_allowance_request(ctx, me, message):
    """A payer key asks for a virtual channel: check owner's limits, sign νa version 1, ask the hub."""
    params = message["params"]
    virtual_id = params.digest(ctx.domain)
    known = ctx.load(Funding, funding_key(PAYER_MEMBER, virtual_id))
    if known is not None:
        _answer_again(ctx, me, message, virtual_id, known)
        return
    if not verify(virtual_id, message["signature"], params.payer):
        raise PeerError("allowance.signature", "the request is not signed by the payer key")
    try:
        funding = _grant(ctx, me, message, params, virtual_id)
    except PerunikaError as error:
        if error.code == "chain.stale":
            raise  # a moment's trouble of ours: the payer asks again
        body = {"virtual": virtual_id, "code": clip_text(error.code, 40), "text": clip_text(error.text, 200)}
        me.reply(ctx, message, "NotOk", body)
        return
    _remember_asker(ctx, virtual_id, message)
    repeat_request(ctx, me, virtual_id, funding)
    ctx.later(PAYER_MEMBER, virtual_id)


def _grant(ctx, me, message, params, virtual_id):
    """Sign νa version 1 and return the saved ``Funding``; raises, before anything is saved, to refuse."""
    basic = load_basic(ctx, params.payer_channel)
    require_usable(ctx, basic, params.window)
    fee = _check_request(ctx, me, basic, params, message)
    basic, nano = new_leg(ctx, basic, virtual_id, basic.next_even, PAYER_LEG)
    alice, bob = leg_blocked(params, PAYER_LEG)
    first = Version(1, alice, bob, None, None)
    first = first.replace(alice=me.key.sign(digest_of(ctx, nano, first)))
    put_version(ctx, basic, nano, first)
    change_allowance(ctx, params.payer, params.payer_capacity)
    funding = Funding(
        PAYER_MEMBER, params, message["payer_random"], message["payee_nonce"], "asked", nano.nid, 0, fee, ctx.now,
        None, None, None, None,
    )  # fmt: skip
    ctx.save(funding_key(PAYER_MEMBER, virtual_id), funding)
    return funding


def _check_request(ctx, me, basic, params, message):
    """Check capacity, window, validity, salt and allowance; returns the highest fee the hub may ask, in wei."""
    policy = me.policy
    if params.salt != virtual_salt(message["payer_random"], message["payee_nonce"]):
        raise PeerError("virtual.salt", "the salt is not made of both sides' random bytes")
    if params.payer_channel == params.payee_channel:
        raise PeerError("virtual.loop", "payer and payee have the same basic channel")
    if params.payer == basic.params.alice:
        raise PeerError("virtual.parties", "a member's key is not a payer key (R20)")
    if params.payee_capacity > params.payer_capacity:
        raise PeerError("virtual.refund", "more could be paid back than paid")
    if not policy.min_window_s <= params.window <= policy.max_window_s:
        raise PeerError("virtual.window", "window of %d s is outside our limits" % params.window)
    if not ctx.now < params.validity <= ctx.now + policy.max_validity_s:
        raise PeerError("virtual.validity", "validity %d is not within %d s" % (params.validity, policy.max_validity_s))
    check_capacity(policy.fees, params.payer_capacity)
    fee = virtual_fee(policy.fees, params.payer_capacity, params.validity, ctx.now - CLOCK_SLACK_S)
    allowance = ctx.load(Allowance, allowance_key(params.payer))
    if allowance is None or allowance.paused:
        raise PeerError("allowance.none", "this payer key has no allowance here", "ask the owner: gateway allow")
    if allowance.used + params.payer_capacity > allowance.limit:
        left = max(0, allowance.limit - allowance.used)
        raise PeerError("allowance.spent", "%d wei asked, %d left" % (params.payer_capacity, left))
    if fee > allowance.max_fee:
        raise PeerError("fee.high", "the hub's fee of up to %d wei is above the owner's limit" % fee)
    return fee


def _remember_asker(ctx, virtual_id, message):
    if message.sender is not None and message.request_id is not None:
        ctx.view.put(b"~q" + virtual_id, message.request_id + message.sender)


def _tell_asker(ctx, me, virtual_id, name, body):
    """Answer the payer's own request, if it is still known; a payer that asks again is answered from the record."""
    asker = ctx.view.get(b"~q" + virtual_id)
    if asker is not None:
        ctx.send(asker[8:], Message(name, body, asker[:8], asker[8:], me.address))


def _answer_again(ctx, me, message, virtual_id, funding):
    if not verify(virtual_id, message["signature"], funding.params.payer):
        raise PeerError("allowance.signature", "the request is not signed by the payer key")
    _remember_asker(ctx, virtual_id, message)
    if funding.phase == "asked":
        return
    if funding.phase == "refused":
        _tell_asker(ctx, me, virtual_id, "NotOk", _refusal(virtual_id, funding))
    else:
        nano = ctx.load(Nano, nano_key(funding.params.payer_channel, funding.nid_a))
        first = nano.find(1) if nano is not None else None
        if first is not None:
            _tell_asker(ctx, me, virtual_id, "VirtualOpened", _opened(virtual_id, nano.nid, first))


def _opened(virtual_id, nid, first):
    return {"virtual": virtual_id, "nid": nid, "member_signature": first.alice, "hub_signature": first.bob}


def _refusal(virtual_id, funding):
    code, _, text = (funding.reason or "refused:").partition(":")
    return {"virtual": virtual_id, "code": code, "text": text}


def repeat_request(ctx, me, virtual_id, funding):
    """Send (or repeat) OpenVirtual, with our best fee voucher before it: the hub asks for both.

    Later: our signature on a version 2 that the hub has not countersigned yet (R10).
    """
    if funding.phase == "netting":
        repeat_collected(ctx, me, virtual_id, funding)
        return
    params = funding.params
    basic = load_basic(ctx, params.payer_channel)
    nano = ctx.load(Nano, nano_key(params.payer_channel, funding.nid_a))
    if basic.due:
        pay_fees(ctx, me, basic)
    body = {
        "params": params, "payer_random": funding.payer_random, "payee_nonce": funding.payee_nonce,
        "nid": nano.nid, "signature": nano.find(1).alice,
    }  # fmt: skip
    me.send(ctx, me.policy.hub, "OpenVirtual", body, request_id("OpenVirtual", virtual_id))


def on_virtual_opened(ctx, me, message):
    """The hub countersigned νa: the channel stands. Pay the fee, tell the payer."""
    virtual_id = message["virtual"]
    funding = ctx.load(Funding, funding_key(PAYER_MEMBER, virtual_id))
    if funding.phase not in ("asked", "refused"):
        return  # a repetition
    phase = advance(PAYER_MEMBER, funding.phase, "VirtualOpened")
    params = funding.params
    basic = load_basic(ctx, params.payer_channel)
    nano = ctx.load(Nano, nano_key(params.payer_channel, funding.nid_a))
    first = nano.find(1)
    check_signature(ctx, basic, nano, first, BOB, message["hub_signature"])
    first = first.replace(bob=message["hub_signature"])
    basic, nano = put_version(ctx, basic, nano, first)
    fee = message["fee"] or 0
    if fee > funding.fee:
        ctx.notify("fee refused", virtual=virtual_id, fee=fee, agreed=funding.fee)
        fee = 0
    if fee:
        pay_fees(ctx, me, basic.replace(due=basic.due + fee))
    ctx.save(funding_key(PAYER_MEMBER, virtual_id), funding.replace(phase=phase, fee=fee))
    ctx.settled(PAYER_MEMBER, virtual_id)
    _tell_asker(ctx, me, virtual_id, "VirtualOpened", _opened(virtual_id, nano.nid, first))
    ctx.notify("virtual opened", virtual=virtual_id, role="payer's member", capacity=params.payer_capacity, fee=fee)


def on_not_ok(ctx, me, message):
    """The hub refuses: countersign νa version 2 = (0, 0); only then the cash is free again (details.md "Refusal")."""
    virtual_id = message["virtual"]
    funding = ctx.load(Funding, funding_key(PAYER_MEMBER, virtual_id))
    if funding is None or message["signature"] is None:
        raise PeerError("virtual.unknown", "a refusal of a channel that was not asked for, or an unsigned one")
    params = funding.params
    basic = load_basic(ctx, params.payer_channel)
    if funding.phase == "refused":
        nano = ctx.load(Nano, nano_key(params.payer_channel, funding.nid_a))
        if nano is None:
            return
    else:
        phase = advance(PAYER_MEMBER, funding.phase, "NotOk")
        nano = _sign_refusal(ctx, me, basic, funding, message["signature"])
        reason = clip_text("%s:%s" % (message["code"], message["text"]), 200)
        funding = funding.replace(phase=phase, reason=reason)
        ctx.save(funding_key(PAYER_MEMBER, virtual_id), funding)
        change_allowance(ctx, params.payer, -params.payer_capacity)
        ctx.settled(PAYER_MEMBER, virtual_id)
        _tell_asker(ctx, me, virtual_id, "NotOk", _refusal(virtual_id, funding))
        ctx.notify("virtual refused", virtual=virtual_id, code=message["code"], text=message["text"])
    final = nano.final()
    body = {"channel": nano.channel_id, "nid": nano.nid, "version": final.version, "signature": final.alice}
    me.reply(ctx, message, "LegSigned", body)


def _sign_refusal(ctx, me, basic, funding, hub_signature):
    nano = ctx.load(Nano, nano_key(funding.params.payer_channel, funding.nid_a))
    second = Version(2, 0, 0, None, None)
    check_signature(ctx, basic, nano, second, BOB, hub_signature)
    second = second.replace(alice=me.key.sign(digest_of(ctx, nano, second)), bob=hub_signature)
    return put_version(ctx, basic, nano, second)[1]


PAYER_HANDLERS = {
    "AllowanceRequest": on_allowance_request,
    "VirtualOpened": on_virtual_opened,
    "NotOk": on_not_ok,
    "Collect": on_collect,
    "LegClosed": on_leg_closed,
}
PAYER_RETRIES = repeat_request
