"""The payee takes payments: vouchers and ticks (R14, R16). Valid and larger wins; lower or equal changes nothing."""

from perunika.crypto import sha256
from perunika.errors import PeerError
from perunika.evidence import TickEvidence, VoucherEvidence, check_evidence
from perunika.records import PAYEE, stream_key
from perunika.streams import find_stream


def on_voucher(ctx, me, message):
    """Check, store and acknowledge a voucher; one message, one signature, one unsigned answer."""
    virtual_id, stream = find_stream(ctx, PAYEE, message["id"])
    if message["amount"] > stream.paid():
        evidence = VoucherEvidence(message["amount"], message["signature"])
        stream = take_evidence(ctx, virtual_id, stream, evidence)
    _acknowledge(ctx, me, message, stream)


def take_evidence(ctx, virtual_id, stream, evidence):
    """Check and store evidence of a larger payment; returns the saved stream or raises ``PeerError``."""
    _require_open(ctx, stream)
    _check_capacity(stream, evidence.amount)
    check_evidence(ctx.domain, stream.params.payer, virtual_id, evidence)
    return _take(ctx, virtual_id, stream, evidence)


def _require_open(ctx, stream):
    if stream.phase != "serving":
        raise PeerError("virtual.closed", "this channel is %s" % stream.phase, "open a new one")
    if ctx.now >= stream.params.validity:
        raise PeerError("virtual.expired", "this channel ended at %d (R14)" % stream.params.validity)


def _check_capacity(stream, amount):
    back = stream.backward.amount if stream.backward is not None else 0
    if amount - back > stream.params.payer_capacity:
        raise PeerError(
            "voucher.capacity",
            "%d wei exceed the channel's capacity of %d" % (amount, stream.params.payer_capacity),
            "open a new channel",
        )


def _take(ctx, virtual_id, stream, evidence):
    gained = evidence.amount - stream.paid()
    stream = stream.replace(forward=evidence)
    ctx.save(stream_key(PAYEE, virtual_id), stream)
    ctx.view.put(b"~l" + virtual_id, ctx.now_ms.to_bytes(8, "big"))
    ctx.notify("paid", virtual=virtual_id, amount=evidence.amount, gained=gained, evidence=evidence)
    return stream


def _acknowledge(ctx, me, message, stream):
    body = {"id": stream.ready.handle if stream.ready else message["id"], "amount": stream.paid()}
    if stream.served:
        body["served"] = stream.served
    if message.sender is not None:
        me.reply(ctx, message, "Ack", body)
    else:
        ctx.send(stream.params.payer, message.__class__("Ack", body), True)


def on_tick_chain(ctx, me, message):
    """Take the signed root of a tick chain: tick 0 is worth ``base``; later ticks need one hash each (R16)."""
    virtual_id, stream = find_stream(ctx, PAYEE, message["id"])
    _require_open(ctx, stream)
    root = message["root"]
    evidence = TickEvidence(message["base"], message["unit"], message["length"], root, message["signature"], 0, root)
    _check_capacity(stream, message["base"] + message["length"] * message["unit"])
    if message["base"] >= stream.paid():
        check_evidence(ctx.domain, stream.params.payer, virtual_id, evidence)
        stream = _take(ctx, virtual_id, stream, evidence)
    _acknowledge(ctx, me, message, stream)


def on_tick_message(ctx, me, message):
    """Take tick ``k`` of the chain on record: it must hash to the last tick that we hold."""
    virtual_id, stream = find_stream(ctx, PAYEE, message["id"])
    known = stream.forward
    if type(known) is not TickEvidence:
        raise PeerError("tick.chain", "no tick chain is on record", "send TickChain first")
    k = message["k"]
    if k > known.k:
        _require_open(ctx, stream)
        if k > known.length:
            raise PeerError("tick.length", "tick %d of a chain of %d" % (k, known.length))
        tick = message["tick"]
        for _ in range(k - known.k):
            tick = sha256(tick)
        if tick != known.tick:
            raise PeerError("tick.preimage", "the tick does not hash to the last one")
        stream = _take(ctx, virtual_id, stream, known.replace(k=k, tick=message["tick"]))
    _acknowledge(ctx, me, message, stream)
