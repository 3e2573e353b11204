"""The payee key of a virtual channel: gives terms, checks that its leg stands, serves what is paid (R8, R13, R14).

The payee stores a voucher before it serves the next unit; how much it serves ahead of payment is its exposure.
"""

from perunika.context import request_id
from perunika.crypto import verify
from perunika.endpoint import Endpoint
from perunika.errors import LocalError, PeerError
from perunika.evidence import check_evidence, sign_voucher
from perunika.messages import Message
from perunika.payee_opening import (
    on_chain_view,
    on_ready_request,
    on_resume,
    on_terms_request,
    on_virtual_opened,
    repeat_opening,
)
from perunika.payee_payments import on_tick_chain, on_tick_message, on_voucher, take_evidence
from perunika.phases import advance
from perunika.records import PAYEE, Stream, stream_key
from perunika.streams import find_stream
from perunika.structs import PAYEE_LEG, Finish, Nanocontract

CLOSE_BEFORE_S = 30  # stop and close this long before the validity ends (R14)


def entitled_units(policy, stream):
    """Return how many units may have been served in all: what is paid plus the exposure we accept."""
    if not stream.terms.unit_price:
        return 1 << 62
    return (stream.paid() + policy.exposure) // stream.terms.unit_price


def serve(ctx, me, virtual, units=1):
    """Count ``units`` as served, or raise ``LocalError("unpaid")``: then nothing may be delivered."""
    stream = ctx.load(Stream, stream_key(PAYEE, virtual))
    if stream is None or stream.phase != "serving":
        raise LocalError("unpaid", "this channel is not being served")
    if type(units) is not int or units < 1:
        raise LocalError("value.range", "units are counted from 1: %s" % units)
    if ctx.now >= stream.params.validity:
        raise LocalError("expired", "the channel ended at %d" % stream.params.validity)
    if stream.served + units > entitled_units(me.policy, stream):
        due = (stream.served + units) * stream.terms.unit_price - me.policy.exposure
        raise LocalError("unpaid", "%d wei are due, %d paid" % (due, stream.paid()))
    stream = stream.replace(served=stream.served + units)
    ctx.save(stream_key(PAYEE, virtual), stream)
    ctx.notify("served", virtual=virtual, served=stream.served, paid=stream.paid())
    body = {"id": stream.ready.handle, "amount": stream.paid(), "served": stream.served}
    ctx.send(stream.params.payer, Message("Ack", body), True)


def refund(ctx, me, virtual, amount):
    """Two-way: pay ``amount`` wei back to the payer, for instance for a minute that was not served."""
    virtual, stream = find_stream(ctx, PAYEE, virtual)
    if stream.phase != "serving":
        raise LocalError("refund.phase", "this channel is not being served (R18)")
    back = stream.backward.amount if stream.backward is not None else 0
    allowed = stream.params.payee_capacity + stream.paid() - back if stream.params.payee_capacity else 0
    if not 0 < amount <= allowed:
        raise LocalError("refund.capacity", "the channel allows no refund of %d wei" % amount)
    evidence = sign_voucher(ctx.domain, me.key, virtual, back + amount)
    ctx.save(stream_key(PAYEE, virtual), stream.replace(backward=evidence))
    body = {"id": stream.ready.handle, "amount": evidence.amount, "signature": evidence.signature}
    ctx.send(stream.params.payer, Message("Voucher", body), True)


def on_close_request(ctx, me, message):
    """The payer is done (its ``Finish`` signature says so)."""
    virtual_id, stream = find_stream(ctx, PAYEE, message["virtual"])
    if not verify(Finish(virtual_id).digest(ctx.domain), message["signature"], stream.params.payer):
        raise PeerError("close.signature", "the close is not signed by the payer")
    if message["forward"] is not None and stream.phase == "serving" and message["forward"].amount > stream.paid():
        stream = take_evidence(ctx, virtual_id, stream, message["forward"])
    if message.request_id is not None and message.sender is not None:
        stream = stream.replace(request=message.request_id)
        ctx.save(stream_key(PAYEE, virtual_id), stream)
    if stream.phase == "paid":
        _tell_closed(ctx, me, virtual_id, stream)
    else:
        close(ctx, me, virtual_id)


def close(ctx, me, virtual):
    """Stop serving and ask our member to collect the best payment; nothing is accepted here any more (R18)."""
    virtual, stream = find_stream(ctx, PAYEE, virtual)
    if stream.phase in ("opened", "serving"):
        stream = stream.replace(phase=advance(PAYEE, stream.phase, "close"))
        ctx.save(stream_key(PAYEE, virtual), stream)
        ctx.notify("stopped", virtual=virtual, paid=stream.paid(), served=stream.served)
        ctx.later(PAYEE, virtual)
        repeat(ctx, me, virtual, stream)


def repeat(ctx, me, virtual_id, stream):
    """Send (or repeat) what the current phase waits for an answer to."""
    if stream.phase == "opened":
        repeat_opening(ctx, me, virtual_id, stream)
    elif stream.phase == "stopped":
        finish = Finish(virtual_id)
        signature = me.key.sign(finish.digest(ctx.domain))
        body = {
            "virtual": virtual_id, "signature": signature, "forward": stream.forward, "backward": stream.backward,
        }  # fmt: skip
        me.send(ctx, me.policy.member, "CloseLeg", body, request_id("CloseLeg", virtual_id))
        if stream.request is None:  # the payer has not asked for the end: it must stop paying
            said = {"finish": finish, "signature": signature}
            me.send(ctx, stream.params.payer, "Finish", said, request_id("Finish", virtual_id))


def on_leg_closed(ctx, me, message):
    """Our member shows the hub's signature on νb v2 for exactly what we were paid: the money is ours.

    It may have kept a payment that never came here; then it shows that payment too.
    """
    if message["virtual"] is None:
        raise PeerError("message.missing", "LegClosed without a virtual channel")
    virtual_id, stream = find_stream(ctx, PAYEE, message["virtual"])
    if stream.phase == "paid":
        return
    phase = advance(PAYEE, stream.phase, "LegClosed")
    shown = message["forward"]
    if shown is not None and shown.amount > stream.paid():
        check_evidence(ctx.domain, stream.params.payer, virtual_id, shown)
        stream = stream.replace(forward=shown)
    back = stream.backward.amount if stream.backward is not None else 0
    net = max(-stream.params.payee_capacity, min(stream.params.payer_capacity, stream.paid() - back))
    final = Nanocontract(
        stream.params.payee_channel, message["nid"], message["version"], -net, net, PAYEE_LEG, virtual_id, 0
    )
    if not verify(final.digest(ctx.domain), message["signature"], me.policy.channel.bob):
        raise PeerError("close.amount", "the hub has not signed for what we were paid")
    if stream.phase == "serving":  # our member closed without us: what is paid from now on is worth nothing
        ctx.notify("stopped", virtual=virtual_id, paid=stream.paid(), served=stream.served)
    stream = stream.replace(phase=phase)
    ctx.save(stream_key(PAYEE, virtual_id), stream)
    ctx.settled(PAYEE, virtual_id)
    ctx.notify("closed", virtual=virtual_id, amount=net)
    _tell_closed(ctx, me, virtual_id, stream, message.body)


def _tell_closed(ctx, me, virtual_id, stream, body=None):
    if stream.request is not None:
        body = body or {"channel": stream.params.payee_channel, "nid": 0, "version": 2, "signature": bytes(65)}
        body = {
            "channel": body["channel"], "nid": body["nid"], "version": body["version"],
            "signature": body["signature"], "virtual": virtual_id,
        }  # fmt: skip
        me.send(ctx, stream.params.payer, "LegClosed", body, stream.request)


def on_tick(ctx, me):
    """Close channels that end soon or whose payer has gone quiet for longer than ``idle_s``."""
    for key, raw in ctx.view.scan(b"~l"):
        virtual_id = key[2:]
        stream = ctx.load(Stream, stream_key(PAYEE, virtual_id))
        if stream is None or stream.phase != "serving":
            ctx.view.delete(key)
        elif stream.params.payee == me.address:
            idle_s = (ctx.now_ms - int.from_bytes(raw, "big")) // 1000
            if idle_s > me.policy.idle_s or ctx.now + CLOSE_BEFORE_S >= stream.params.validity:
                close(ctx, me, virtual_id)


class Payee(Endpoint):
    """A payee key with its ``PayeePolicy``."""

    HANDLERS = {
        "TermsRequest": on_terms_request,
        "VirtualOpened": on_virtual_opened,
        "ChainView": on_chain_view,
        "ReadyRequest": on_ready_request,
        "Voucher": on_voucher,
        "TickChain": on_tick_chain,
        "Tick": on_tick_message,
        "CloseRequest": on_close_request,
        "LegClosed": on_leg_closed,
        "Resume": on_resume,
        "Ack": lambda ctx, me, message: None,
    }
    REQUESTS = {"serve": serve, "close": close, "refund": refund}
    RETRIES = {PAYEE: repeat}
    TICKS = (on_tick,)
