"""What every phase of a payer needs: repeating its last message, giving up in time, closing (R14, R18)."""

from perunika.context import request_id
from perunika.crypto import verify
from perunika.errors import PeerError
from perunika.phases import advance
from perunika.records import PAYER, stream_key
from perunika.streams import handle_key, load_stream
from perunika.structs import Finish


def repeat(ctx, me, virtual_id, stream):
    """Send (or repeat) what the current phase waits for an answer to; gives up when no answer can help any more."""
    params = stream.params
    if ctx.now > params.validity + (params.window if stream.phase == "closing" else 0):
        _give_up(ctx, virtual_id, stream)
    elif stream.phase == "requested":
        body = {
            "params": params, "payer_random": stream.payer_random, "payee_nonce": stream.payee_nonce,
            "signature": me.key.sign(virtual_id),
        }  # fmt: skip
        me.send(ctx, me.policy.member, "AllowanceRequest", body, request_id("AllowanceRequest", virtual_id))
    elif stream.phase == "opened":
        body = {"virtual": virtual_id}
        me.send(ctx, params.payee, "ReadyRequest", body, request_id("ReadyRequest", virtual_id))
    elif stream.phase == "closing":
        if stream.backward is not None:
            send_refund(ctx, me, virtual_id, stream)
        finish = me.key.sign(Finish(virtual_id).digest(ctx.domain))
        body = {"virtual": virtual_id, "signature": finish, "forward": stream.forward}
        me.send(ctx, params.payee, "CloseRequest", body, request_id("CloseRequest", virtual_id))


def _give_up(ctx, virtual_id, stream):
    """The time of the channel is over and nobody answered: what was paid is settled without us."""
    stream = enter(ctx, virtual_id, stream, "time-out")
    kind, fields = "closed", {"virtual": virtual_id, "amount": stream.paid()}
    if stream.phase == "refused":
        kind, fields = "refused", {"virtual": virtual_id, "code": "time-out", "text": "nobody opened the channel"}
    ctx.notify(kind, **fields)


def send_refund(ctx, me, virtual_id, stream):
    """Hand the payee's best voucher to our member: at the close it may not be left out (R10)."""
    evidence = stream.backward
    body = {"id": virtual_id, "amount": evidence.amount, "signature": evidence.signature}
    me.send(ctx, me.policy.member, "Voucher", body, request_id("Refund", virtual_id))


def enter(ctx, virtual_id, stream, event):
    """Save ``stream`` in its next phase and repeat what that phase waits for, if anything."""
    stream = stream.replace(phase=advance(PAYER, stream.phase, event))
    ctx.save(stream_key(PAYER, virtual_id), stream)
    ctx.settled(PAYER, virtual_id)
    return stream


def check_ready(ctx, stream, ready, signature):
    """Raise ``PeerError`` unless the payee signed ``ready`` and its handle is free here."""
    if not verify(ready.digest(ctx.domain), signature, stream.params.payee):
        raise PeerError("ready.signature", "Ready is not signed by the payee")
    known = ctx.view.get(handle_key(ready.handle))
    if known is not None and known[1:] != ready.virtual_id:
        raise PeerError("ready.handle", "this handle names another channel of ours", "the payee must choose another")


def begin(ctx, virtual_id, stream):
    """Start paying by our own clock from what is paid already: time that we were away is never charged."""
    ctx.view.put(handle_key(stream.ready.handle), bytes((PAYER,)) + virtual_id)
    ctx.view.put(b"~p" + virtual_id, ctx.now_ms.to_bytes(8, "big") + stream.paid().to_bytes(12, "big"))
    ctx.notify("paying", virtual=virtual_id, handle=stream.ready.handle)


def request_close(ctx, me, virtual_id):
    """Stop paying for good (R18: we sign ``Finish``) and ask the payee to close."""
    stream = load_stream(ctx, virtual_id)
    if stream.phase in ("closing", "closed"):
        return
    stream = enter(ctx, virtual_id, stream, "CloseRequest")
    ctx.view.delete(b"~p" + virtual_id)
    repeat(ctx, me, virtual_id, stream)
    ctx.later(PAYER, virtual_id)


def on_finish(ctx, me, message):
    """The payee takes no payment any more (its ``Finish`` signature says so): stop paying, close from our side too."""
    finish = message["finish"]
    stream = load_stream(ctx, finish.virtual_id)
    if not verify(finish.digest(ctx.domain), message["signature"], stream.params.payee):
        raise PeerError("close.signature", "the close is not signed by the payee")
    if stream.phase in ("opened", "paying"):
        request_close(ctx, me, finish.virtual_id)


def on_leg_closed(ctx, me, message):
    """The payee says that it was paid: the channel is over for us."""
    virtual_id = message["virtual"]
    if virtual_id is None:
        return
    stream = load_stream(ctx, virtual_id)
    if stream.phase == "closing":
        enter(ctx, virtual_id, stream, "LegClosed")
        ctx.notify("closed", virtual=virtual_id, amount=stream.paid())
