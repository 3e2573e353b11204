"""The payee's member at the close: it keeps the best evidence and claims exactly that (Paper Fig. 29; R9, R12)."""

from perunika.context import request_id
from perunika.crypto import verify
from perunika.errors import PeerError
from perunika.evidence import check_evidence
from perunika.ledger import (
    check_signature,
    clamp_net,
    digest_of,
    leg_final,
    load_basic,
    put_version,
    require_usable,
)
from perunika.phases import advance
from perunika.records import (
    BOB,
    PAYEE_MEMBER,
    Funding,
    Nano,
    Version,
    funding_key,
    nano_key,
)
from perunika.structs import PAYEE_LEG, Finish


def keep_evidence(ctx, virtual_id, evidence):
    """Keep a payment that we saw pass to a payee we serve, if it is valid and larger than the best one (two places)."""
    funding = ctx.load(Funding, funding_key(PAYEE_MEMBER, virtual_id))
    if funding is None or funding.phase != "open":
        return
    if evidence.amount > (funding.forward.amount if funding.forward is not None else 0):
        check_evidence(ctx.domain, funding.params.payer, virtual_id, evidence)
        funding = funding.replace(forward=evidence)
        _check_payable(funding)
        ctx.save(funding_key(PAYEE_MEMBER, virtual_id), funding)


def on_close_leg(ctx, me, message):
    """The payee is done, as its ``Finish`` says: sign νb version 2 for the best evidence, ask the hub to pay."""
    virtual_id = message["virtual"]
    funding = ctx.load(Funding, funding_key(PAYEE_MEMBER, virtual_id))
    if funding is None:
        raise PeerError("virtual.unknown", "no virtual channel " + virtual_id.hex()[:8])
    if funding.phase == "paid":
        _tell_paid(ctx, me, funding, message)
        return
    params = funding.params
    if not verify(Finish(virtual_id).digest(ctx.domain), message["signature"], params.payee):
        raise PeerError("close.signature", "the close is not signed by the payee key")
    if funding.phase == "closing":
        return
    funding = funding.replace(
        forward=_best(ctx, params.payer, virtual_id, funding.forward, message["forward"]),
        backward=_best(ctx, params.payee, virtual_id, funding.backward, message["backward"]),
        finish=message["signature"],
    )  # fmt: skip
    _check_payable(funding)
    _close(ctx, me, virtual_id, funding)


def _close(ctx, me, virtual_id, funding):
    """Sign νb version 2 for the best evidence on record and ask the hub to pay."""
    params = funding.params
    funding = funding.replace(phase=advance(PAYEE_MEMBER, funding.phase, "CloseLeg"))
    basic = load_basic(ctx, params.payee_channel)
    require_usable(ctx, basic, params.window)
    nano = ctx.load(Nano, nano_key(params.payee_channel, funding.nid_b))
    alice, bob = leg_final(PAYEE_LEG, _net(params, funding))
    second = Version(2, alice, bob, None, None)
    second = second.replace(alice=me.key.sign(digest_of(ctx, nano, second)))
    put_version(ctx, basic, nano, second)
    ctx.save(funding_key(PAYEE_MEMBER, virtual_id), funding)
    repeat_close(ctx, me, virtual_id, funding)
    ctx.later(PAYEE_MEMBER, virtual_id)


def _check_payable(funding):
    """Refuse evidence that the hub would refuse: once it is in a signed close, nothing else can be asked for."""
    forward = funding.forward.amount if funding.forward is not None else 0
    backward = funding.backward.amount if funding.backward is not None else 0
    if backward and not funding.params.payee_capacity:
        raise PeerError("virtual.one_way", "this channel has no payments from payee to payer")
    if forward > funding.params.payer_capacity + backward:
        raise PeerError("voucher.capacity", "the voucher exceeds the channel's capacity")


def _best(ctx, signer, virtual_id, known, shown):
    if shown is None or (known is not None and known.amount >= shown.amount):
        return known
    check_evidence(ctx.domain, signer, virtual_id, shown)
    return shown


def _net(params, funding):
    forward = funding.forward.amount if funding.forward is not None else 0
    backward = funding.backward.amount if funding.backward is not None else 0
    return clamp_net(params, forward, backward)


def repeat_close(ctx, me, virtual_id, funding):
    """Send (or repeat) CloseLeg to the hub."""
    if funding.phase != "closing":
        return
    nano = ctx.load(Nano, nano_key(funding.params.payee_channel, funding.nid_b))
    body = {
        "virtual": virtual_id, "signature": nano.find(2).alice, "forward": funding.forward,
        "backward": funding.backward,
    }  # fmt: skip
    me.send(ctx, me.policy.hub, "CloseLeg", body, request_id("CloseLeg", virtual_id))


def on_leg_closed(ctx, me, message):
    """The hub's countersignature on νb version 2 is the payment (R9)."""
    nano = ctx.load(Nano, nano_key(message["channel"], message["nid"]))
    if nano is None:
        return
    virtual_id = nano.state
    funding = ctx.load(Funding, funding_key(PAYEE_MEMBER, virtual_id))
    if funding is None or funding.phase == "paid":
        return
    phase = advance(PAYEE_MEMBER, funding.phase, "LegClosed")
    basic = load_basic(ctx, nano.channel_id)
    second = nano.find(2)
    check_signature(ctx, basic, nano, second, BOB, message["signature"])
    put_version(ctx, basic, nano, second.replace(bob=message["signature"]))
    funding = funding.replace(phase=phase)
    ctx.save(funding_key(PAYEE_MEMBER, virtual_id), funding)
    ctx.settled(PAYEE_MEMBER, virtual_id)
    _tell_paid(ctx, me, funding, message)
    ctx.notify("paid", virtual=virtual_id, amount=_net(funding.params, funding))


def _tell_paid(ctx, me, funding, message):
    nano_channel = funding.params.payee_channel
    nano = ctx.load(Nano, nano_key(nano_channel, funding.nid_b))
    final = nano.final() if nano is not None else None
    if final is not None:
        virtual_id = funding.params.digest(ctx.domain)
        body = {
            "channel": nano_channel, "nid": funding.nid_b, "version": final.version, "signature": final.bob,
            "virtual": virtual_id, "forward": funding.forward,
        }  # fmt: skip
        me.send(ctx, funding.params.payee, "LegClosed", body, request_id("CloseLeg", virtual_id))


def watch_end(ctx, virtual_id, funding):
    """Wake up when nobody may pay any more and half of the window is left to settle."""
    end_s = funding.params.validity + funding.params.window // 2
    ctx.view.put(b"~w" + funding_key(PAYEE_MEMBER, virtual_id), (end_s * 1000).to_bytes(8, "big") + b"\x00")


def end_leg(ctx, me, virtual_id, funding):
    """Close a leg whose payee is gone, for the best evidence that passed here: its time is over (R14)."""
    if ctx.now >= funding.params.validity + funding.params.window // 2:
        _close(ctx, me, virtual_id, funding)
    else:
        watch_end(ctx, virtual_id, funding)
