"""The payee's part of opening a virtual channel: terms, the checks of onchain.md "Payee device", Ready (R8, R13)."""

from perunika.context import request_id
from perunika.crypto import verify
from perunika.errors import PeerError
from perunika.ledger import leg_blocked
from perunika.messages import Message
from perunika.phases import advance
from perunika.policies import AHEAD_S
from perunika.records import OPEN, PAYEE, Stream, load, stream_key
from perunika.streams import handle_key
from perunika.structs import PAYEE_LEG, Nanocontract, Ready, Terms, virtual_salt
from perunika.value import Value

MAX_OFFERS = 32  # terms that may be outstanding at a time; older ones are forgotten


class Offer(Value):
    """Terms that we signed in this boot; volatile, so that a nonce from before a reboot opens nothing."""

    FIELDS = (("terms", Terms), ("signature", "signature"))
    terms: Terms
    signature: bytes


def on_terms_request(ctx, me, message):
    """Answer with signed terms and a fresh nonce of this boot."""
    policy = me.policy
    now = ctx.now
    terms = Terms(
        policy.channel.digest(ctx.domain), me.address, ctx.random, policy.unit_price, policy.unit_millis,
        policy.min_capacity, policy.window_s, now + policy.max_validity_s, now + policy.terms_s,
    )  # fmt: skip
    offer = Offer(terms, me.key.sign(terms.digest(ctx.domain)))
    _forget_old_offers(ctx)
    ctx.save(b"~n" + ctx.random, offer)
    me.reply(ctx, message, "Terms", {"terms": terms, "signature": offer.signature})


def _forget_old_offers(ctx):
    offers = [(load(ctx.view, Offer, key).terms.valid_until, key) for key, _ in ctx.view.scan(b"~n")]
    for _, key in sorted(offers)[: max(0, len(offers) - MAX_OFFERS + 1)]:
        ctx.view.delete(key)


def on_virtual_opened(ctx, me, message):
    """Our member says that νb stands: check every part of it, then ask for a fresh view of the chain."""
    params = message["params"]
    if params is None or message["payer_random"] is None or message["payee_nonce"] is None:
        raise PeerError("message.missing", "VirtualOpened without the channel's parameters")
    virtual_id = params.digest(ctx.domain)
    if ctx.load(Stream, stream_key(PAYEE, virtual_id)) is not None:
        return
    offer = load(ctx.view, Offer, b"~n" + message["payee_nonce"])
    if offer is None:
        raise PeerError("virtual.nonce", "the nonce was not issued in this boot", "the payer must ask for terms again")
    _check_params(ctx, me, params, message, offer)
    _check_leg(ctx, me, params, virtual_id, message)
    stream = Stream(
        PAYEE, params, message["payer_random"], message["payee_nonce"], "opened", offer.terms, offer.signature, None,
        None, None, None, 0, 0, 0, None, None,
    )  # fmt: skip
    ctx.view.delete(b"~n" + message["payee_nonce"])
    ctx.save(stream_key(PAYEE, virtual_id), stream)
    ctx.view.put(b"~c" + virtual_id, ctx.random)
    repeat_opening(ctx, me, virtual_id, stream)
    ctx.later(PAYEE, virtual_id)


def _check_params(ctx, me, params, message, offer):
    terms = offer.terms
    if params.payee != me.address or params.payee_channel != terms.payee_channel:
        raise PeerError("virtual.payee", "this channel is for another payee or another basic channel")
    if params.salt != virtual_salt(message["payer_random"], message["payee_nonce"]):
        raise PeerError("virtual.salt", "the salt does not contain our nonce")
    if params.payer in (me.address, b"\x00" * 20):
        raise PeerError("virtual.parties", "payer and payee must be two keys")
    if params.window < me.policy.min_window_s or params.payer_capacity < terms.min_capacity:
        raise PeerError("virtual.terms", "window or capacity is below our terms")
    if not ctx.now < params.validity <= min(terms.max_validity, ctx.now + AHEAD_S):
        raise PeerError("virtual.validity", "the channel's validity is outside our terms")


def _check_leg(ctx, me, params, virtual_id, message):
    """The hub's and the member's signature on exactly (nid, version 1, what both block, app 1, this virtual id)."""
    alice, bob = leg_blocked(params, PAYEE_LEG)
    leg = Nanocontract(params.payee_channel, message["nid"], 1, alice, bob, PAYEE_LEG, virtual_id, 0)
    digest = leg.digest(ctx.domain)
    channel = me.policy.channel
    if not verify(digest, message["hub_signature"], channel.bob):
        raise PeerError("leg.signature", "the hub has not signed this leg")
    if not verify(digest, message["member_signature"], channel.alice):
        raise PeerError("leg.signature", "our member has not signed this leg")


def repeat_opening(ctx, me, virtual_id, stream):
    """Ask (again) for a signed view of our basic channel."""
    nonce = ctx.view.get(b"~c" + virtual_id)
    if nonce is None:
        nonce = ctx.random
        ctx.view.put(b"~c" + virtual_id, nonce)
    body = {"channel": stream.params.payee_channel, "virtual": virtual_id, "nonce": nonce}
    me.send(ctx, me.policy.viewer, "ChainViewRequest", body, request_id("ChainView", virtual_id))


def on_chain_view(ctx, me, message):
    """A fresh signed view with our nonce: if it shows the channel open and the hub's cash there, serve (R13)."""
    view = message["view"]
    stream = ctx.load(Stream, stream_key(PAYEE, view.virtual_id))
    if stream is None or stream.phase != "opened":
        return
    if view.nonce != ctx.view.get(b"~c" + view.virtual_id) or view.channel_id != stream.params.payee_channel:
        raise PeerError("view.nonce", "this chain view does not answer our question")
    if not verify(view.digest(ctx.domain), message["signature"], me.policy.viewer):
        raise PeerError("view.signature", "the chain view is not signed by our gateway or watchtower")
    if view.status != OPEN:
        raise PeerError("view.status", "the channel is not open on chain (status %d)" % view.status)
    if view.hub_free < stream.params.payer_capacity:
        raise PeerError("view.funds", "the hub's cash does not cover this channel")
    if ctx.now - view.time > min(me.policy.channel.challenge_duration, stream.params.window) // 2:
        raise PeerError("view.stale", "the chain view is %d s old" % (ctx.now - view.time))
    _serve(ctx, me, view.virtual_id, stream)


def _serve(ctx, me, virtual_id, stream):
    ready = Ready(virtual_id, _free_handle(ctx, virtual_id), me.policy.exposure)
    stream = stream.replace(
        phase=advance(PAYEE, stream.phase, "ChainView"), ready=ready, started_ms=ctx.now_ms,
        ready_signature=me.key.sign(ready.digest(ctx.domain)),
    )  # fmt: skip
    ctx.view.put(handle_key(ready.handle), bytes((PAYEE,)) + virtual_id)
    ctx.view.put(b"~l" + virtual_id, ctx.now_ms.to_bytes(8, "big"))
    ctx.view.delete(b"~c" + virtual_id)
    ctx.save(stream_key(PAYEE, virtual_id), stream)
    ctx.settled(PAYEE, virtual_id)
    ctx.notify("serving", virtual=virtual_id, payer=stream.params.payer, handle=ready.handle)
    waiting = ctx.view.get(b"~r" + virtual_id)
    if waiting is not None:
        ctx.view.delete(b"~r" + virtual_id)
        body = {"ready": ready, "signature": stream.ready_signature}
        ctx.send(waiting[8:], Message("Ready", body, waiting[:8], waiting[8:], me.address))


def _free_handle(ctx, virtual_id):
    handle = int.from_bytes(virtual_id[:4], "big")
    while ctx.view.get(handle_key(handle)) is not None:
        handle = (handle + 1) & 0xFFFFFFFF
    return handle


def on_ready_request(ctx, me, message):
    """The payer asks whether we serve: answer now, or as soon as our checks are done."""
    virtual_id = message["virtual"]
    stream = ctx.load(Stream, stream_key(PAYEE, virtual_id))
    if stream is not None and stream.ready is not None:
        me.reply(ctx, message, "Ready", {"ready": stream.ready, "signature": stream.ready_signature})
    elif message.request_id is not None and message.sender is not None:
        if len(ctx.view.scan(b"~r")) < MAX_OFFERS:
            ctx.view.put(b"~r" + virtual_id, message.request_id + message.sender)
        if stream is None:  # our member may have told us and the message was lost
            me.send(ctx, me.policy.member, "Resume", {"id": virtual_id}, request_id("Resume", virtual_id))


def on_resume(ctx, me, message):
    """A payer lost its memory: show it its own best voucher of every channel that we still serve (flow 6)."""
    for stream in ctx.scan(Stream, b"s" + bytes((PAYEE,))):
        if stream.phase == "serving" and stream.params.payer == message["payer"] and stream.params.payee == me.address:
            body = {
                "params": stream.params, "payer_random": stream.payer_random, "payee_nonce": stream.payee_nonce,
                "terms": stream.terms, "terms_signature": stream.terms_signature, "ready": stream.ready,
                "ready_signature": stream.ready_signature, "forward": stream.forward,
            }  # fmt: skip
            me.reply(ctx, message, "Resumed", body)
