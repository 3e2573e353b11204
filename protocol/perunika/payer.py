"""The payer key of a virtual channel: its handlers, requests and what it does every second.

It needs no chain and no durable memory of amounts: what it forgot, the payee proves (flow 6).
"""

from perunika.endpoint import Endpoint
from perunika.payer_memory import on_resumed, resume
from perunika.payer_opening import Intent, ask_terms, buy, on_not_ok, on_ready, on_terms, on_virtual_opened
from perunika.payer_payments import LAG_UNITS, capacity_left, on_ack, on_refund, pay, pay_due
from perunika.payer_steps import on_finish, on_leg_closed, repeat, request_close
from perunika.records import PAYER, Stream, load, stream_key

__all__ = ["LAG_UNITS", "Payer", "capacity_left"]


def on_tick(ctx, me):
    """Repeat open requests for terms and pay what is due in every channel that is being paid."""
    for key, _raw in ctx.view.scan(b"~t"):
        intent = load(ctx.view, Intent, key)
        if ctx.now_ms >= intent.asked_ms + 2000:
            ctx.save(key, intent.replace(asked_ms=ctx.now_ms))
            ask_terms(ctx, me, intent)
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
        "Finish": on_finish,
        "LegClosed": on_leg_closed,
        "Resumed": on_resumed,
    }
    REQUESTS = {"buy": buy, "pay": pay, "close": request_close, "resume": resume}
    RETRIES = {PAYER: repeat}
    TICKS = (on_tick,)
