"""The payer pays by voucher, within capacity, budget and what the payee has served (R14, R17)."""

from perunika.errors import LocalError, PeerError
from perunika.evidence import VoucherEvidence, check_evidence, sign_voucher
from perunika.messages import Message
from perunika.payer_steps import request_close, send_refund
from perunika.records import PAYER, stream_key
from perunika.streams import find_stream, load_stream

LAG_UNITS = 2  # how many units may be paid beyond what the payee says it served


def pay_due(ctx, me, virtual_id, stream):
    """Sign and send the voucher that is due now, or repeat the last one while it is not acknowledged.

    Due is our clock's count of units, but never more than ``LAG_UNITS`` beyond what the payee says it served,
    than ``max_unacked`` wei beyond what it acknowledged, than capacity and budget (R17).
    """
    terms, params = stream.terms, stream.params
    if ctx.now >= params.validity:
        request_close(ctx, me, virtual_id)
        return
    session = ctx.view.get(b"~p" + virtual_id)
    if session is None or not terms.unit_millis:
        _repeat_voucher(ctx, me, stream)
        return
    start_ms, base = int.from_bytes(session[:8], "big"), int.from_bytes(session[8:], "big")
    ahead = 0 if stream.ready.exposure >= terms.unit_price else 1
    units = max(0, ctx.now_ms - start_ms) // terms.unit_millis + ahead
    due = min(base + units * terms.unit_price, (stream.served + LAG_UNITS) * terms.unit_price)
    if due > stream.paid():
        pay(ctx, me, virtual_id, due - stream.paid(), stream)
    else:
        _repeat_voucher(ctx, me, stream)


def pay(ctx, me, virtual_id, amount, stream=None):
    """Pay ``amount`` wei more, as far as limits allow; raises ``LocalError`` when nothing is left or allowed."""
    stream = stream or load_stream(ctx, virtual_id)
    if stream.phase != "paying":
        raise LocalError("pay.phase", "the channel is in phase %s" % stream.phase)
    if ctx.now >= stream.params.validity:
        raise LocalError("virtual.expired", "this channel ended at %d (R14)" % stream.params.validity)
    room = min(capacity_left(stream), me.policy.max_total - stream.paid())
    if room <= 0:
        ctx.notify("exhausted", virtual=virtual_id)
        request_close(ctx, me, virtual_id)
        return
    limit = stream.acked + me.policy.max_unacked - stream.paid()
    amount = min(amount, room, limit)
    if amount <= 0:
        _repeat_voucher(ctx, me, stream)
        return
    evidence = sign_voucher(ctx.domain, me.key, virtual_id, stream.paid() + amount)
    stream = stream.replace(forward=evidence)
    ctx.save(stream_key(PAYER, virtual_id), stream)
    _send_voucher(ctx, me, stream)
    ctx.notify("voucher", virtual=virtual_id, amount=evidence.amount)


def capacity_left(stream):
    """Return the wei that may still go from payer to payee (refunds in two-way channels count)."""
    back = stream.backward.amount if stream.backward is not None else 0
    return stream.params.payer_capacity + back - stream.paid()


def _repeat_voucher(ctx, me, stream):
    if stream.forward is not None and stream.acked < stream.paid():
        _send_voucher(ctx, me, stream)


def _send_voucher(ctx, me, stream):
    evidence = stream.forward
    body = {"id": stream.ready.handle, "amount": evidence.amount, "signature": evidence.signature}
    ctx.send(stream.params.payee, Message("Voucher", body), True)


def on_ack(ctx, me, message):
    """The payee has stored our payments up to an amount and served so many units; unsigned, only slows us down."""
    virtual_id, stream = find_stream(ctx, PAYER, message["id"])
    amount = min(message["amount"], stream.paid())
    served = message["served"] or 0
    if amount > stream.acked or served > stream.served:
        stream = stream.replace(acked=max(amount, stream.acked), served=max(served, stream.served))
        ctx.save(stream_key(PAYER, virtual_id), stream)
        ctx.notify("acknowledged", virtual=virtual_id, amount=stream.acked, served=stream.served)


def on_refund(ctx, me, message):
    """Two-way: the payee's voucher to us; keep the largest (R10)."""
    virtual_id, stream = find_stream(ctx, PAYER, message["id"])
    params = stream.params
    if not params.payee_capacity:
        raise PeerError("virtual.one_way", "this channel has no payments from payee to payer")
    best = stream.backward.amount if stream.backward is not None else 0
    if message["amount"] > best:
        evidence = VoucherEvidence(message["amount"], message["signature"])
        check_evidence(ctx.domain, params.payee, virtual_id, evidence)
        if evidence.amount > params.payee_capacity + stream.paid():
            raise PeerError("voucher.capacity", "the refund exceeds the channel's capacity")
        stream = stream.replace(backward=evidence)
        ctx.save(stream_key(PAYER, virtual_id), stream)
        send_refund(ctx, me, virtual_id, stream)
        ctx.notify("refunded", virtual=virtual_id, amount=evidence.amount - best)
        best = evidence.amount
    me.reply(ctx, message, "Ack", {"id": message["id"], "amount": best})
