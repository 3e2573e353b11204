"""The payer's member funds a payer key's virtual channel out of its basic channel (Paper Fig. 26, Alice; R7)."""

from perunika.basic import pay_basic, send_voucher
from perunika.context import request_id
from perunika.crypto import verify
from perunika.errors import PeerError, PerunikaError
from perunika.evidence import check_evidence
from perunika.fees import check_capacity, virtual_fee
from perunika.ledger import (
    check_signature,
    clamp_net,
    digest_of,
    free_cash,
    leg_blocked,
    leg_final,
    load_basic,
    new_leg,
    put_version,
    require_memory,
    require_usable,
)
from perunika.messages import Message
from perunika.phases import advance
from perunika.records import (
    ALICE,
    BOB,
    PAYER_MEMBER,
    Allowance,
    Funding,
    Nano,
    Version,
    allowance_key,
    basic_key,
    funding_key,
    nano_key,
)
from perunika.structs import PAYER_LEG, Proposal, virtual_salt
from perunika.value import AMOUNT_MAX, clip_text

CLOCK_SLACK_S = 120  # the hub's clock may be this far behind ours when it counts the days of its fee


def on_allowed(ctx, me, payer, limit, max_fee, paused=0):
    """Let ``payer`` lock up to ``limit`` wei of our channel in all; keeps what it has used already (flow 7)."""
    known = ctx.load(Allowance, allowance_key(payer))
    used = known.used if known is not None else 0
    ctx.save(allowance_key(payer), Allowance(limit, used, max_fee, paused))


def _change_allowance(ctx, payer, difference):
    allowance = ctx.load(Allowance, allowance_key(payer))
    if allowance is not None:
        ctx.save(allowance_key(payer), allowance.replace(used=max(0, allowance.used + difference)))


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
    _change_allowance(ctx, params.payer, params.payer_capacity)
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
        _repeat_collected(ctx, me, virtual_id, funding)
        return
    params = funding.params
    basic = load_basic(ctx, params.payer_channel)
    nano = ctx.load(Nano, nano_key(params.payer_channel, funding.nid_a))
    if basic.due:
        _pay_fees(ctx, me, basic)
    body = {
        "params": params, "payer_random": funding.payer_random, "payee_nonce": funding.payee_nonce,
        "nid": nano.nid, "signature": nano.find(1).alice,
    }  # fmt: skip
    me.send(ctx, me.policy.hub, "OpenVirtual", body, request_id("OpenVirtual", virtual_id))


def _repeat_collected(ctx, me, virtual_id, funding):
    nano = ctx.load(Nano, nano_key(funding.params.payer_channel, funding.nid_a))
    body = {"virtual": virtual_id, "signature": nano.find(2).alice}
    me.send(ctx, me.policy.hub, "Collected", body, request_id("Collect", virtual_id))


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
        _pay_fees(ctx, me, basic.replace(due=basic.due + fee))
    ctx.save(funding_key(PAYER_MEMBER, virtual_id), funding.replace(phase=phase, fee=fee))
    ctx.settled(PAYER_MEMBER, virtual_id)
    _tell_asker(ctx, me, virtual_id, "VirtualOpened", _opened(virtual_id, nano.nid, first))
    ctx.notify("virtual opened", virtual=virtual_id, role="payer's member", capacity=params.payer_capacity, fee=fee)


def _pay_fees(ctx, me, basic):
    """Pay the fees that we owe as far as our free cash goes, the rest when there is more; saves the record."""
    ctx.save(basic_key(basic.params.digest(ctx.domain)), basic)
    amount = min(basic.due - basic.ab, free_cash(basic)[ALICE])
    if amount > 0:
        basic = pay_basic(ctx, me.key, basic, amount)
    if basic.ab < basic.due:
        ctx.notify("fee waits", channel=basic.params.digest(ctx.domain), amount=basic.due - basic.ab)
    send_voucher(ctx, me, basic)


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
        _change_allowance(ctx, params.payer, -params.payer_capacity)
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
        _pay_fees(ctx, me, basic)
    ctx.save(
        funding_key(PAYER_MEMBER, virtual_id),
        funding.replace(phase=phase, forward=message["forward"], backward=message["backward"]),
    )
    _change_allowance(ctx, params.payer, net - params.payer_capacity)
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


PAYER_HANDLERS = {
    "AllowanceRequest": on_allowance_request,
    "VirtualOpened": on_virtual_opened,
    "NotOk": on_not_ok,
    "Collect": on_collect,
    "LegClosed": on_leg_closed,
}
PAYER_RETRIES = repeat_request
