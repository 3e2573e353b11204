"""A payer that lost its memory takes its own vouchers from the payee; an old one hurts only the payee (flow 6)."""

from perunika.context import request_id
from perunika.crypto import verify
from perunika.errors import PeerError
from perunika.evidence import check_evidence
from perunika.payer_opening import check_limits
from perunika.payer_steps import begin, check_ready
from perunika.phases import advance
from perunika.records import PAYER, Stream, stream_key
from perunika.structs import virtual_salt


def resume(ctx, me, payee):
    """After a restart: ask ``payee`` what it knows of channels with us (flow 6); only an asked payee is heard."""
    ctx.view.put(b"~m" + payee, b"\x01")
    me.send(ctx, payee, "Resume", {"payer": me.address}, request_id("Resume", me.address + payee))


def on_resumed(ctx, me, message):
    """The payee proves our own payments with our own signatures; an old answer could only hurt the payee."""
    params = message["params"]
    virtual_id = params.digest(ctx.domain)
    if ctx.view.get(b"~m" + params.payee) is None:
        raise PeerError("resume.unasked", "nobody asked this payee what it remembers")
    if params.payer != me.address or params.salt != virtual_salt(message["payer_random"], message["payee_nonce"]):
        raise PeerError("resume.params", "these are not the parameters of a channel of ours")
    if not verify(message["terms"].digest(ctx.domain), message["terms_signature"], params.payee):
        raise PeerError("resume.terms", "the terms are not signed by the payee")
    stream = ctx.load(Stream, stream_key(PAYER, virtual_id))
    if stream is None:
        check_limits(me.policy, message["terms"])
        stream = Stream(
            PAYER, params, message["payer_random"], message["payee_nonce"], "opened", message["terms"],
            message["terms_signature"], None, None, None, None, 0, 0, ctx.now_ms, None, None,
        )  # fmt: skip
    if stream.phase not in ("requested", "opened", "paying"):
        return
    check_ready(ctx, stream, message["ready"], message["ready_signature"])
    evidence = message["forward"]
    if evidence is not None and evidence.amount > stream.paid():
        check_evidence(ctx.domain, me.address, virtual_id, evidence)
        stream = stream.replace(forward=evidence, acked=evidence.amount)
        ctx.notify("remembered", virtual=virtual_id, amount=evidence.amount)
    served = -(-stream.paid() // stream.terms.unit_price) if stream.terms.unit_price else 0
    stream = stream.replace(
        ready=message["ready"], ready_signature=message["ready_signature"], served=max(stream.served, served),
    )  # fmt: skip
    if stream.phase != "paying":
        stream = stream.replace(phase=advance(PAYER, stream.phase, "Resumed"))
    ctx.save(stream_key(PAYER, virtual_id), stream)
    ctx.settled(PAYER, virtual_id)
    if ctx.view.get(b"~p" + virtual_id) is None:
        begin(ctx, virtual_id, stream)
