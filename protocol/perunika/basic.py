"""A basic channel between member and hub: chain state, vouchers, checkpoints (Paper §4.2); one set of rules."""

from perunika.context import request_id, retry_ms
from perunika.crypto import verify
from perunika.errors import LocalError, PeerError
from perunika.evidence import VoucherEvidence, check_evidence, sign_voucher
from perunika.ledger import (
    checkpoint_net,
    closing,
    covered,
    free_cash,
    held,
    load_basic,
    require_memory,
    require_usable,
)
from perunika.messages import Message
from perunika.records import ALICE, BOB, NONE, Basic, Nano, basic_key, nano_key
from perunika.structs import Checkpoint
from perunika.value import AMOUNT_MAX

BITMAP_BYTES = 1024  # onchain.md, constant BITMAP


def new_basic(params, side):
    """Return the record of a channel that the chain has not shown yet."""
    return Basic(
        params, side, NONE, 0, 0, 0, 0, 0, 0, None, 0, None, 0, 0, 2, 1, 0, None, None, None, None, None, (), None,
        None, None, 0, 0,
    )  # fmt: skip


def other_side(basic):
    """Return the address of the peer in this channel."""
    return basic.params.bob if basic.side == ALICE else basic.params.alice


def chain_state(ctx, basic, status, base, total, withdraw_nonce, block, time_s):
    """Take over what the chain shows at a confirmed block; returns the saved record.

    Signed withdrawals are forgotten once the chain has executed them or their time is over.
    """
    if block < basic.block:
        return basic
    pending = [w for w in basic.withdraws if w.nonce >= withdraw_nonce and w.valid_until >= time_s]
    basic = basic.replace(
        status=status, base=base, total=total, withdraw_nonce=withdraw_nonce, block=block, seen_s=time_s,
        withdraws=tuple(pending),
    )  # fmt: skip
    ctx.save(basic_key(basic.params.digest(ctx.domain)), basic)
    return basic


def pay_basic(ctx, key, basic, amount):
    """Sign a voucher that adds ``amount`` wei to what we have paid in this channel; returns the saved record.

    Raises ``LocalError("channel.funds")`` when our free cash is smaller.
    """
    require_memory(basic)
    if closing(ctx, basic):
        raise LocalError("channel.closing", "a close of this channel is signed (R6)")
    free = free_cash(basic)[basic.side]
    if amount > free:
        raise LocalError("channel.funds", "%d wei to pay, %d free" % (amount, free), "top up the channel")
    channel_id = basic.params.digest(ctx.domain)
    total = (basic.ab if basic.side == ALICE else basic.ba) + amount
    evidence = sign_voucher(ctx.domain, key, channel_id, total)
    if basic.side == ALICE:
        basic = basic.replace(ab=total, ab_signature=evidence.signature)
    else:
        basic = basic.replace(ba=total, ba_signature=evidence.signature)
    ctx.save(basic_key(channel_id), basic)
    return basic


def send_voucher(ctx, me, basic):
    """Send our best voucher of this channel to its other side (may be repeated: larger amount wins)."""
    amount, signature = (basic.ab, basic.ab_signature) if basic.side == ALICE else (basic.ba, basic.ba_signature)
    if signature is None:
        return
    channel_id = basic.params.digest(ctx.domain)
    body = {"id": channel_id, "amount": amount, "signature": signature}
    ctx.send(other_side(basic), Message("Voucher", body, request_id("Voucher", channel_id), None, me.address))


def on_basic_voucher(ctx, me, message):
    """Keep the peer's voucher if it is larger than ours; an overspend is refused and changes nothing."""
    channel_id = message["id"]
    basic = load_basic(ctx, channel_id)
    best = basic.ba if basic.side == ALICE else basic.ab
    if message["amount"] > best:
        require_usable(ctx, basic)
        evidence = VoucherEvidence(message["amount"], message["signature"])
        check_evidence(ctx.domain, other_side(basic), channel_id, evidence)
        if basic.side == ALICE:
            changed = basic.replace(ba=evidence.amount, ba_signature=evidence.signature)
        else:
            changed = basic.replace(ab=evidence.amount, ab_signature=evidence.signature)
        if free_cash(changed)[1 - basic.side] < 0:
            raise PeerError("voucher.overspend", "the voucher exceeds the payer's free cash in this channel")
        ctx.save(basic_key(channel_id), changed)
        ctx.notify("received", channel=channel_id, amount=evidence.amount - best)
        best = evidence.amount
    me.reply(ctx, message, "Ack", {"id": channel_id, "amount": best})


def live_nanos(ctx, channel_id):
    """Return the nanocontracts of a channel that no co-signed checkpoint has retired."""
    return ctx.scan(Nano, b"n" + channel_id)


def compose_checkpoint(ctx, basic):
    """Return the next ``Checkpoint`` that retires all terminated nanocontracts, or ``None`` if there is none.

    The floor rises to the first live number (or the next free one); terminated numbers above it are bits.
    """
    channel_id = basic.params.digest(ctx.domain)
    nanos = live_nanos(ctx, channel_id)
    done = [nano for nano in nanos if nano.final() is not None]
    if not done:
        return None
    top = max(basic.next_even, basic.next_odd)
    floor = top
    for nano in nanos:
        if nano.final() is None and nano.nid < floor:
            floor = nano.nid
    retired = _bitmap(floor, [nano.nid for nano in done] + retired_above(basic.checkpoint))
    net = checkpoint_net(basic) + sum([nano.final().blocked_alice for nano in done])
    version = basic.checkpoint.version + 1 if basic.checkpoint is not None else 1
    return Checkpoint(channel_id, version, net, floor, retired)


def retired_above(checkpoint):
    """Return the numbers that ``checkpoint`` (or ``None``) retires by its bits."""
    if checkpoint is None:
        return []
    numbers = range(checkpoint.floor, checkpoint.floor + 8 * len(checkpoint.retired))
    return [nid for nid in numbers if covered(checkpoint, nid)]


def _bitmap(floor, numbers):
    above = [nid - floor for nid in numbers if nid >= floor]
    if not above:
        return b""
    if max(above) >= 8 * BITMAP_BYTES:
        raise LocalError("checkpoint.size", "nanocontract %d is open for too long" % floor, "close it first")
    bits = bytearray(max(above) // 8 + 1)
    for index in above:
        bits[index // 8] |= 1 << (index % 8)
    return bytes(bits)


def check_checkpoint(ctx, basic, checkpoint):
    """Raise ``PeerError`` unless ``checkpoint`` retires only what we hold terminated, with exactly its net (R3, R4)."""
    last = basic.checkpoint
    if checkpoint.version != (last.version + 1 if last is not None else 1):
        raise PeerError("checkpoint.version", "version %d does not follow" % checkpoint.version)
    top = max(basic.next_even, basic.next_odd)
    if checkpoint.floor > top or abs(checkpoint.net) > AMOUNT_MAX or checkpoint.retired[-1:] == b"\x00":
        raise PeerError("checkpoint.range", "floor, net or bitmap out of range")
    for index in range(8 * len(checkpoint.retired)):
        nid = checkpoint.floor + index
        if covered(checkpoint, nid) and nid >= top:
            raise PeerError("checkpoint.unknown", "nanocontract %d is not known" % nid)
    if last is not None:
        _check_superset(last, checkpoint)
    net = checkpoint_net(basic)
    for nano in live_nanos(ctx, checkpoint.channel_id):
        if covered(checkpoint, nano.nid):
            if nano.final() is None:
                raise PeerError("checkpoint.live", "nanocontract %d is not terminated here" % nano.nid)
            net += nano.final().blocked_alice
    if net != checkpoint.net:
        raise PeerError("checkpoint.net", "net is %d wei, should be %d" % (checkpoint.net, net))


def _check_superset(last, checkpoint):
    if checkpoint.floor < last.floor:
        raise PeerError("checkpoint.superset", "the floor may not fall (R3)")
    for nid in retired_above(last):
        if not covered(checkpoint, nid):
            raise PeerError("checkpoint.superset", "nanocontract %d was retired before (R3)" % nid)


def apply_checkpoint(ctx, basic, checkpoint, alice, bob):
    """Make a co-signed checkpoint current and delete what it retires; returns the saved record."""
    held_alice, held_bob, terminated = basic.held_alice, basic.held_bob, basic.terminated
    for nano in live_nanos(ctx, checkpoint.channel_id):
        if covered(checkpoint, nano.nid):
            # Hub: a refusal in here may lack the answer that the checkpoint's signature implies; it holds nothing.
            of_alice, of_bob = held(nano)
            held_alice -= of_alice
            held_bob -= of_bob
            terminated -= 1 if nano.final() is not None else 0
            ctx.view.delete(nano_key(nano.channel_id, nano.nid))
    floor = checkpoint.floor
    basic = basic.replace(
        checkpoint=checkpoint, checkpoint_alice=alice, checkpoint_bob=bob, offered=None, offered_signature=None,
        held_alice=held_alice, held_bob=held_bob, next_even=max(basic.next_even, floor + (floor & 1)),
        next_odd=max(basic.next_odd, floor + 1 - (floor & 1)), terminated=terminated,
    )  # fmt: skip
    ctx.save(basic_key(checkpoint.channel_id), basic)
    return basic


def offer_checkpoint(ctx, me, channel_id):
    """Offer (or repeat) a checkpoint. Only the hub proposes, so proposals cannot cross (ADR-0006)."""
    basic = load_basic(ctx, channel_id)
    if basic.side != BOB:
        raise LocalError("checkpoint.side", "checkpoints are proposed by the hub")
    if basic.offered is None:
        require_usable(ctx, basic)
        checkpoint = compose_checkpoint(ctx, basic)
        if checkpoint is None:
            return
        basic = basic.replace(offered=checkpoint, offered_signature=me.key.sign(checkpoint.digest(ctx.domain)))
        ctx.save(basic_key(channel_id), basic)
        _offer_again(ctx, channel_id, 0)
    body = {"checkpoint": basic.offered, "signature": basic.offered_signature}
    ctx.send(
        other_side(basic), Message("CheckpointOffer", body, request_id("Checkpoint", channel_id), None, me.address)
    )


def _offer_again(ctx, channel_id, attempts):
    """Remember (volatile) to repeat the offer; a key of its own per channel, as ``Context.later`` for legs."""
    due_ms = ctx.now_ms + retry_ms(attempts)
    ctx.view.put(b"~k" + channel_id, due_ms.to_bytes(8, "big") + bytes((min(attempts, 255),)))


def repeat_checkpoints(ctx, me):
    """Hub, every second: offer again what its member has not signed; after a start all that is unanswered."""
    if ctx.view.get(b"~K") is None:
        ctx.view.put(b"~K", b"\x01")
        for basic in ctx.scan(Basic, b"b"):
            if basic.offered is not None:
                _offer_again(ctx, basic.params.digest(ctx.domain), 0)
    for key, raw in ctx.view.scan(b"~k"):
        channel_id, attempts = key[2:], raw[8]
        if load_basic(ctx, channel_id).offered is None:
            ctx.view.delete(key)
        elif int.from_bytes(raw[:8], "big") <= ctx.now_ms:
            _offer_again(ctx, channel_id, attempts + 1)
            offer_checkpoint(ctx, me, channel_id)


def on_checkpoint_offer(ctx, me, message):
    """Member: check the hub's checkpoint against our own nanocontracts, countersign, retire."""
    checkpoint = message["checkpoint"]
    basic = load_basic(ctx, checkpoint.channel_id)
    if checkpoint != basic.checkpoint:
        require_usable(ctx, basic)
        if not verify(checkpoint.digest(ctx.domain), message["signature"], basic.params.bob):
            raise PeerError("checkpoint.signature", "not signed by the hub")
        check_checkpoint(ctx, basic, checkpoint)
        mine = me.key.sign(checkpoint.digest(ctx.domain))
        basic = apply_checkpoint(ctx, basic, checkpoint, mine, message["signature"])
    body = {"channel": checkpoint.channel_id, "version": checkpoint.version, "signature": basic.checkpoint_alice}
    me.reply(ctx, message, "CheckpointSigned", body)


def on_checkpoint_signed(ctx, me, message):
    """Hub: the member's signature makes the offered checkpoint current."""
    basic = load_basic(ctx, message["channel"])
    offered = basic.offered
    if offered is None or offered.version != message["version"]:
        return  # a repetition of an answer that we hold already
    if not verify(offered.digest(ctx.domain), message["signature"], basic.params.alice):
        raise PeerError("checkpoint.signature", "not signed by the member")
    apply_checkpoint(ctx, basic, offered, message["signature"], basic.offered_signature)
