"""The payer key of a virtual channel: asks for terms, gets the channel, pays by voucher (R8, R14, R17).

It needs no chain and no durable memory of amounts: what it forgot, the payee proves (flow 6).
"""

from perunika.context import request_id
from perunika.crypto import verify
from perunika.endpoint import Endpoint
from perunika.errors import LocalError, PeerError
from perunika.evidence import VoucherEvidence, check_evidence, sign_voucher
from perunika.messages import Message
from perunika.phases import advance
from perunika.records import PAYER, Stream, load, stream_key
from perunika.structs import Finish, VirtualParams, virtual_salt
from perunika.value import Value

LAG_UNITS = 2  # how many units may be paid beyond what the payee says it served


class Intent(Value):
    """What our user wants to buy; volatile until terms have come. ``random`` becomes half of the channel's salt."""

    FIELDS = (
        ("payee", "address"), ("capacity", "amount"), ("payee_capacity", "amount"), ("validity_s", "uint32"),
        ("random", "bytes32"), ("asked_ms", "uint64"),
    )  # fmt: skip
    payee: bytes
    capacity: int
    payee_capacity: int
    validity_s: int
    random: bytes
    asked_ms: int


def buy(ctx, me, payee, capacity, validity_s, payee_capacity=0):
    """Ask ``payee`` for its terms and open a virtual channel of ``capacity`` wei for ``validity_s`` seconds."""
    if capacity > me.policy.max_total:
        raise LocalError("budget.total", "capacity of %d wei is above the budget" % capacity)
    intent = Intent(payee, capacity, payee_capacity, validity_s, ctx.random, ctx.now_ms)
    ctx.save(b"~t" + payee, intent)
    _ask_terms(ctx, me, intent)


def _ask_terms(ctx, me, intent):
    me.send(ctx, intent.payee, "TermsRequest", {"payer": me.address}, request_id("TermsRequest", intent.random))


def on_terms(ctx, me, message):
    """Check the payee's signed terms against our limits, build the channel, ask our member to fund it."""
    terms = message["terms"]
    intent = load(ctx.view, Intent, b"~t" + terms.payee)
    if intent is None:
        return  # nobody asked, or a repetition
    if not verify(terms.digest(ctx.domain), message["signature"], intent.payee):
        raise PeerError("terms.signature", "the terms are not signed by the payee")
    _check_terms(ctx, me, terms, intent)
    validity = min(ctx.now + intent.validity_s, terms.max_validity)
    salt = virtual_salt(intent.random, terms.payee_nonce)
    params = VirtualParams(
        me.policy.channel, terms.payee_channel, me.address, terms.payee, intent.capacity, intent.payee_capacity,
        validity, terms.window, salt,
    )  # fmt: skip
    virtual_id = params.digest(ctx.domain)
    stream = Stream(
        PAYER, params, intent.random, terms.payee_nonce, "requested", terms, message["signature"], None, None, None,
        None, 0, 0, 0, None, None,
    )  # fmt: skip
    ctx.save(stream_key(PAYER, virtual_id), stream)
    ctx.view.delete(b"~t" + terms.payee)
    repeat(ctx, me, virtual_id, stream)
    ctx.later(PAYER, virtual_id)


def _check_terms(ctx, me, terms, intent):
    policy = me.policy
    if ctx.now > terms.valid_until:
        raise PeerError("terms.expired", "the terms ended at %d" % terms.valid_until)
    if terms.unit_price > policy.max_unit_price:
        raise PeerError("terms.price", "%d wei a unit, limit %d" % (terms.unit_price, policy.max_unit_price))
    if terms.unit_millis and terms.unit_price * 1000 > policy.max_rate * terms.unit_millis:
        raise PeerError("terms.rate", "the price per second is above the limit of %d wei" % policy.max_rate)
    if intent.capacity < terms.min_capacity:
        raise PeerError("terms.capacity", "the payee wants at least %d wei of capacity" % terms.min_capacity)
    if terms.window > policy.max_window_s:
        raise PeerError("terms.window", "window of %d s is above the limit" % terms.window)
    if terms.max_validity <= ctx.now:
        raise PeerError("terms.validity", "the payee accepts no channel any more")


def repeat(ctx, me, virtual_id, stream):
    """Send (or repeat) what the current phase waits for an answer to."""
    params = stream.params
    if stream.phase == "requested":
        body = {
            "params": params, "payer_random": stream.payer_random, "payee_nonce": stream.payee_nonce,
            "signature": me.key.sign(virtual_id),
        }  # fmt: skip
        me.send(ctx, me.policy.member, "AllowanceRequest", body, request_id("AllowanceRequest", virtual_id))
    elif stream.phase == "opened":
        body = {"virtual": virtual_id}
        me.send(ctx, params.payee, "ReadyRequest", body, request_id("ReadyRequest", virtual_id))
    elif stream.phase == "closing":
        body = {"virtual": virtual_id, "signature": me.key.sign(Finish(virtual_id).digest(ctx.domain))}
        me.send(ctx, params.payee, "CloseRequest", body, request_id("CloseRequest", virtual_id))


def _load(ctx, virtual_id):
    stream = ctx.load(Stream, stream_key(PAYER, virtual_id))
    if stream is None:
        raise PeerError("virtual.unknown", "no virtual channel " + virtual_id.hex()[:8])
    return stream


def _enter(ctx, virtual_id, stream, event):
    """Save ``stream`` in its next phase and repeat what that phase waits for, if anything."""
    stream = stream.replace(phase=advance(PAYER, stream.phase, event))
    ctx.save(stream_key(PAYER, virtual_id), stream)
    ctx.settled(PAYER, virtual_id)
    return stream


def on_virtual_opened(ctx, me, message):
    """Our member says that the channel stands; ask the payee whether it serves (only its ``Ready`` lets us pay, R8)."""
    virtual_id = message["virtual"]
    stream = _load(ctx, virtual_id)
    if stream.phase != "requested":
        return
    stream = _enter(ctx, virtual_id, stream, "VirtualOpened")
    repeat(ctx, me, virtual_id, stream)
    ctx.later(PAYER, virtual_id)


def on_not_ok(ctx, me, message):
    """Our member or the hub refuses; nothing was paid."""
    virtual_id = message["virtual"]
    stream = _load(ctx, virtual_id)
    if stream.phase != "requested":
        return
    reason = "%s:%s" % (message["code"], message["text"])
    _enter(ctx, virtual_id, stream.replace(reason=reason[:200]), "NotOk")
    ctx.notify("refused", virtual=virtual_id, code=message["code"], text=message["text"])


def on_ready(ctx, me, message):
    """The payee serves: from now on we pay."""
    ready = message["ready"]
    stream = _load(ctx, ready.virtual_id)
    if stream.phase != "opened":
        return
    _check_ready(ctx, stream, ready, message["signature"])
    stream = stream.replace(ready=ready, ready_signature=message["signature"], started_ms=ctx.now_ms)
    stream = _enter(ctx, ready.virtual_id, stream, "Ready")
    _begin(ctx, ready.virtual_id, stream)


def _check_ready(ctx, stream, ready, signature):
    if not verify(ready.digest(ctx.domain), signature, stream.params.payee):
        raise PeerError("ready.signature", "Ready is not signed by the payee")
    known = ctx.view.get(handle_key(ready.handle))
    if known is not None and known[1:] != ready.virtual_id:
        raise PeerError("ready.handle", "this handle names another channel of ours", "the payee must choose another")


def handle_key(handle):
    return b"h" + handle.to_bytes(4, "big")


def _begin(ctx, virtual_id, stream):
    """Start paying by our own clock from what is paid already: time that we were away is never charged."""
    ctx.view.put(handle_key(stream.ready.handle), bytes((PAYER,)) + virtual_id)
    ctx.view.put(b"~p" + virtual_id, ctx.now_ms.to_bytes(8, "big") + stream.paid().to_bytes(12, "big"))
    ctx.notify("paying", virtual=virtual_id, handle=stream.ready.handle)


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
    stream = stream or _load(ctx, virtual_id)
    if stream.phase != "paying":
        raise LocalError("pay.phase", "the channel is in phase %s" % stream.phase)
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


def find_stream(ctx, role, route):
    """Return (virtual id, stream) for a handle or a 32-byte id; raises ``PeerError("virtual.unknown")``."""
    if type(route) is int:
        known = ctx.view.get(handle_key(route))
        if known is None or known[0] != role:
            raise PeerError("virtual.unknown", "no channel with handle %d here" % route)
        route = known[1:]
    stream = ctx.load(Stream, stream_key(role, route))
    if stream is None:
        raise PeerError("virtual.unknown", "no virtual channel " + route.hex()[:8])
    return route, stream


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
        ctx.save(stream_key(PAYER, virtual_id), stream.replace(backward=evidence))
        ctx.notify("refunded", virtual=virtual_id, amount=evidence.amount - best)
        best = evidence.amount
    me.reply(ctx, message, "Ack", {"id": message["id"], "amount": best})


def request_close(ctx, me, virtual_id):
    """Stop paying for good (R18: we sign ``Finish``) and ask the payee to close."""
    stream = _load(ctx, virtual_id)
    if stream.phase == "closing":
        return
    stream = _enter(ctx, virtual_id, stream, "CloseRequest")
    ctx.view.delete(b"~p" + virtual_id)
    repeat(ctx, me, virtual_id, stream)
    ctx.later(PAYER, virtual_id)


def on_leg_closed(ctx, me, message):
    """The payee says that it was paid: the channel is over for us."""
    virtual_id = message["virtual"]
    if virtual_id is None:
        return
    stream = _load(ctx, virtual_id)
    if stream.phase == "closing":
        _enter(ctx, virtual_id, stream, "LegClosed")
        ctx.notify("closed", virtual=virtual_id, amount=stream.paid())


def resume(ctx, me, payee):
    """After a restart: ask ``payee`` what it knows of channels with us (flow 6)."""
    me.send(ctx, payee, "Resume", {"payer": me.address}, request_id("Resume", me.address + payee))


def on_resumed(ctx, me, message):
    """The payee proves our own payments with our own signatures; an old answer could only hurt the payee."""
    params = message["params"]
    virtual_id = params.digest(ctx.domain)
    if params.payer != me.address or params.salt != virtual_salt(message["payer_random"], message["payee_nonce"]):
        raise PeerError("resume.params", "these are not the parameters of a channel of ours")
    if not verify(message["terms"].digest(ctx.domain), message["terms_signature"], params.payee):
        raise PeerError("resume.terms", "the terms are not signed by the payee")
    stream = ctx.load(Stream, stream_key(PAYER, virtual_id))
    if stream is None:
        stream = Stream(
            PAYER, params, message["payer_random"], message["payee_nonce"], "opened", message["terms"],
            message["terms_signature"], None, None, None, None, 0, 0, ctx.now_ms, None, None,
        )  # fmt: skip
    if stream.phase not in ("requested", "opened", "paying"):
        return
    _check_ready(ctx, stream, message["ready"], message["ready_signature"])
    evidence = message["forward"]
    if evidence is not None and evidence.amount > stream.paid():
        check_evidence(ctx.domain, me.address, virtual_id, evidence)
        stream = stream.replace(forward=evidence, acked=evidence.amount)
        ctx.notify("remembered", virtual=virtual_id, amount=evidence.amount)
    served = -(-stream.paid() // stream.terms.unit_price) if stream.terms.unit_price else 0
    stream = stream.replace(
        ready=message["ready"], ready_signature=message["ready_signature"], phase="paying",
        served=max(stream.served, served),
    )  # fmt: skip
    ctx.save(stream_key(PAYER, virtual_id), stream)
    ctx.settled(PAYER, virtual_id)
    if ctx.view.get(b"~p" + virtual_id) is None:
        _begin(ctx, virtual_id, stream)


def on_tick(ctx, me):
    """Repeat open requests for terms and pay what is due in every channel that is being paid."""
    for key, _raw in ctx.view.scan(b"~t"):
        intent = load(ctx.view, Intent, key)
        if ctx.now_ms >= intent.asked_ms + 2000:
            ctx.save(key, intent.replace(asked_ms=ctx.now_ms))
            _ask_terms(ctx, me, intent)
    for key, _ in ctx.view.scan(b"~p"):
        virtual_id = key[2:]
        stream = ctx.load(Stream, stream_key(PAYER, virtual_id))
        if stream is not None and stream.phase == "paying" and stream.params.payer == me.address:
            pay_due(ctx, me, virtual_id, stream)


class Payer(Endpoint):
    """A payer key with its ``PayerPolicy``."""

    HANDLERS = {
        "Terms": on_terms,
        "VirtualOpened": on_virtual_opened,
        "NotOk": on_not_ok,
        "Ready": on_ready,
        "Ack": on_ack,
        "Voucher": on_refund,
        "LegClosed": on_leg_closed,
        "Resumed": on_resumed,
    }
    REQUESTS = {"buy": buy, "pay": pay, "close": request_close, "resume": resume}
    RETRIES = {PAYER: repeat}
    TICKS = (on_tick,)
