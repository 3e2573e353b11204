"""The payer asks for terms and opens a virtual channel; only the payee's signed ``Ready`` lets it pay (R8)."""

from perunika.context import request_id
from perunika.crypto import verify
from perunika.errors import LocalError, PeerError
from perunika.payer_steps import begin, check_ready, enter, repeat
from perunika.records import PAYER, Stream, load, stream_key
from perunika.streams import load_stream
from perunika.structs import VirtualParams, virtual_salt
from perunika.value import Value, clip_text


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
    ask_terms(ctx, me, intent)


def ask_terms(ctx, me, intent):
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


def check_limits(policy, terms):
    """Raise ``PeerError`` when the price per unit or per second is above the owner's limit."""
    if terms.unit_price > policy.max_unit_price:
        raise PeerError("terms.price", "%d wei a unit, limit %d" % (terms.unit_price, policy.max_unit_price))
    if terms.unit_millis and terms.unit_price * 1000 > policy.max_rate * terms.unit_millis:
        raise PeerError("terms.rate", "the price per second is above the limit of %d wei" % policy.max_rate)


def _check_terms(ctx, me, terms, intent):
    policy = me.policy
    if ctx.now > terms.valid_until:
        raise PeerError("terms.expired", "the terms ended at %d" % terms.valid_until)
    check_limits(policy, terms)
    if intent.capacity < terms.min_capacity:
        raise PeerError("terms.capacity", "the payee wants at least %d wei of capacity" % terms.min_capacity)
    if terms.window > policy.max_window_s:
        raise PeerError("terms.window", "window of %d s is above the limit" % terms.window)
    if terms.max_validity <= ctx.now:
        raise PeerError("terms.validity", "the payee accepts no channel any more")


def on_virtual_opened(ctx, me, message):
    """Our member says that the channel stands; ask the payee whether it serves (only its ``Ready`` lets us pay, R8)."""
    virtual_id = message["virtual"]
    stream = load_stream(ctx, virtual_id)
    if stream.phase != "requested":
        return
    stream = enter(ctx, virtual_id, stream, "VirtualOpened")
    repeat(ctx, me, virtual_id, stream)
    ctx.later(PAYER, virtual_id)


def on_not_ok(ctx, me, message):
    """Our member or the hub refuses; nothing was paid."""
    virtual_id = message["virtual"]
    stream = load_stream(ctx, virtual_id)
    if stream.phase != "requested":
        return
    if message.sender != me.policy.member:
        raise PeerError("message.sender", "a refusal from somebody who was not asked")
    reason = clip_text("%s:%s" % (message["code"], message["text"]), 200)
    enter(ctx, virtual_id, stream.replace(reason=reason), "NotOk")
    ctx.notify("refused", virtual=virtual_id, code=message["code"], text=message["text"])


def on_ready(ctx, me, message):
    """The payee serves: from now on we pay."""
    ready = message["ready"]
    stream = load_stream(ctx, ready.virtual_id)
    if stream.phase != "opened":
        return
    check_ready(ctx, stream, ready, message["signature"])
    stream = stream.replace(ready=ready, ready_signature=message["signature"], started_ms=ctx.now_ms)
    stream = enter(ctx, ready.virtual_id, stream, "Ready")
    begin(ctx, ready.virtual_id, stream)
