"""The arithmetic of a basic channel: free cash (R5), versions of nanocontracts (R1, R2, R4), checkpoints (R3)."""

from perunika.crypto import verify
from perunika.errors import ChainError, LocalError, PeerError
from perunika.records import ALICE, OPEN, Basic, Nano, Version, basic_key, nano_key
from perunika.structs import PAYER_LEG, Nanocontract
from perunika.value import AMOUNT_MAX

MAX_GAP = 4096  # numbers that one proposal may skip: half of what a checkpoint's bits can span
CLOSE_GRACE_S = 86400  # R6: timestamps of blocks may drift


def checkpoint_net(basic):
    return basic.checkpoint.net if basic.checkpoint is not None else 0


def free_cash(basic):
    """Return (free of Alice, free of Bob) in wei as R5 defines them; either may not become negative."""
    to_alice = sum([w.to_alice for w in basic.withdraws])
    to_bob = sum([w.to_bob for w in basic.withdraws])
    moved = basic.ab - basic.ba + checkpoint_net(basic)
    return (
        basic.base - moved - basic.held_alice - to_alice,
        basic.total - basic.base + moved - basic.held_bob - to_bob,
    )


def load_basic(ctx, channel_id):
    """Return the ``Basic`` record of ``channel_id``; raises ``PeerError("channel.unknown")``, also for a handle."""
    if type(channel_id) is not bytes:
        raise PeerError("channel.unknown", "a basic channel is named by its 32-byte id, not by a handle")
    basic = ctx.load(Basic, basic_key(channel_id))
    if basic is None:
        raise PeerError("channel.unknown", "no basic channel " + channel_id.hex()[:8], "open or adopt it first")
    return basic


def require_memory(basic):
    """Refuse to sign in a channel whose memory was lost (R15)."""
    if basic.frozen:
        raise LocalError("channel.frozen", "memory of this channel was lost", "restore a second store first (R15)")


def require_usable(ctx, basic, window_s=None):
    """Refuse unless the channel is open in a fresh enough view (R13), not closing (R6) and not frozen (R15).

    ``window_s`` is the window of the virtual channel that is at stake, if any: a view may be half of it old.
    """
    require_memory(basic)
    if basic.status != OPEN:
        raise ChainError("channel.not_open", "the channel is not open on chain (status %d)" % basic.status)
    age = ctx.now - basic.seen_s
    patience_s = basic.params.challenge_duration
    if window_s is not None and window_s < patience_s:
        patience_s = window_s
    if age > patience_s // 2:
        raise ChainError("chain.stale", "chain view is %d s old" % age, "check the node or the gateway's view")
    if closing(ctx, basic):
        raise PeerError("channel.closing", "a close of this channel is signed (R6)")


def closing(ctx, basic):
    """Return whether a signed close may still be executed: until then nothing else is signed or accepted (R6)."""
    return basic.close is not None and ctx.now <= basic.close.valid_until + CLOSE_GRACE_S


def held(nano):
    """Return (Alice, Bob): the most that any version not superseded by a co-signed terminal one blocks (R5)."""
    final = nano.final()
    if final is not None:
        return final.blocked_alice, final.blocked_bob
    alice = bob = 0
    for each in nano.versions:
        alice = max(alice, each.blocked_alice)
        bob = max(bob, each.blocked_bob)
    return alice, bob


def digest_of(ctx, nano, version):
    """Return the digest that both sides sign for ``version`` of ``nano``."""
    return Nanocontract(
        nano.channel_id, nano.nid, version.version, version.blocked_alice, version.blocked_bob, nano.app, nano.state, 0
    ).digest(ctx.domain)


def check_signature(ctx, basic, nano, version, side, signature):
    """Raise ``PeerError("leg.signature")`` unless ``side`` of ``basic`` signed ``version`` of ``nano``."""
    signer = basic.params.alice if side == ALICE else basic.params.bob
    if not verify(digest_of(ctx, nano, version), signature, signer):
        raise PeerError("leg.signature", "nanocontract %d is not signed by the channel's other side" % nano.nid)


def put_version(ctx, basic, nano, version):
    """Join ``version`` into ``nano`` and return (basic, nano), both saved in this step.

    Keeps R1 (one content per version), R2 (terminal is final), versions that step by 1 (R4) and R5: raises
    ``PeerError`` when the content differs or a side's free cash would become negative.
    """
    _check_amounts(version)
    before = held(nano)
    known = nano.find(version.version)
    final = nano.final()
    if final is not None and version.version > final.version:
        raise PeerError("leg.final", "nanocontract %d is terminated (R2)" % nano.nid)
    if known is None:
        # A refusal (version 2 = (0, 0)) also ends a nanocontract whose version 1 never came here or never will count.
        refusal = not nano.versions and version.version == 2 and version.blocked_alice == 0 == version.blocked_bob
        if not refusal and version.version != (nano.versions[-1].version + 1 if nano.versions else 1):
            raise PeerError("leg.version", "version %d does not follow" % version.version)
        versions = nano.versions + (version,)
    else:
        versions = tuple([_join(each, version) if each is known else each for each in nano.versions])
    nano = nano.replace(versions=versions)
    if nano.final() is not None:
        nano = nano.replace(versions=(nano.final(),))
        if final is None:
            basic = basic.replace(terminated=basic.terminated + 1)
    after = held(nano)
    basic = basic.replace(
        held_alice=basic.held_alice + after[0] - before[0], held_bob=basic.held_bob + after[1] - before[1]
    )
    free = free_cash(basic)
    if free[0] < 0 or free[1] < 0:
        side, missing = ("member", -free[0]) if free[0] < 0 else ("hub", -free[1])
        raise PeerError("channel.funds", "the %s lacks %d wei in this channel" % (side, missing), "top up the channel")
    ctx.save(basic_key(nano.channel_id), basic)
    ctx.save(nano_key(nano.channel_id, nano.nid), nano)
    return basic, nano


def _check_amounts(version):
    total = version.blocked_alice + version.blocked_bob
    if abs(version.blocked_alice) > AMOUNT_MAX or abs(version.blocked_bob) > AMOUNT_MAX or not 0 <= total <= AMOUNT_MAX:
        raise PeerError("leg.range", "blocked amounts outside the contract's range")


def _join(known, other):
    if known.blocked_alice != other.blocked_alice or known.blocked_bob != other.blocked_bob:
        raise PeerError("leg.conflict", "version %d has another content already (R1)" % known.version)
    return known.replace(
        alice=known.alice if known.alice is not None else other.alice,
        bob=known.bob if known.bob is not None else other.bob,
    )


def sign_refusal(ctx, key, channel_id, nid):
    """Hub: sign version 2 = (0, 0) of a nanocontract whose version 1 we have not signed and never will.

    Version 1 is forgotten: without our signature it has no effect, so what it held is free at once.
    """
    basic = ctx.load(Basic, basic_key(channel_id))
    nano = ctx.load(Nano, nano_key(channel_id, nid))
    alice, bob = held(nano)
    basic = basic.replace(held_alice=basic.held_alice - alice, held_bob=basic.held_bob - bob)
    second = Version(2, 0, 0, None, None)
    second = second.replace(bob=key.sign(digest_of(ctx, nano, second)))
    put_version(ctx, basic, nano.replace(versions=()), second)


def leg_blocked(params, app):
    """Return (Alice, Bob) of version 1: the payer leg blocks as in the virtual channel, the payee leg mirrored."""
    if app == PAYER_LEG:
        return params.payer_capacity, params.payee_capacity
    return params.payee_capacity, params.payer_capacity


def leg_final(app, net):
    """Return (Alice, Bob) of the terminal version when ``net`` wei went from payer to payee (Paper Fig. 30)."""
    return (net, -net) if app == PAYER_LEG else (-net, net)


def clamp_net(params, forward, backward):
    """Return net = clamp(AB - BA, -payee capacity, payer capacity) in wei (onchain.md ``net``)."""
    return max(-params.payee_capacity, min(params.payer_capacity, forward - backward))


def new_leg(ctx, basic, virtual_id, nid, app):
    """Return a fresh ``Nano`` and the ``Basic`` with the next number raised.

    R4: numbers only grow, even = member's. A number that a later one has overtaken is good for a refusal only
    (``overtaken``); one that was used or retired, or that leaves a gap too large for a checkpoint's bits, for nothing.
    """
    channel_id = basic.params.digest(ctx.domain)
    if (nid & 1) != (0 if app == PAYER_LEG else 1):
        raise PeerError("leg.number", "member proposes even numbers, hub odd ones")
    if covered(basic.checkpoint, nid) or ctx.load(Nano, nano_key(channel_id, nid)) is not None:
        raise PeerError("leg.number", "nanocontract number %d was used or retired before (R4)" % nid)
    if nid > max(basic.next_even, basic.next_odd) + MAX_GAP:
        raise PeerError("leg.number", "nanocontract number %d skips too many" % nid)
    if not overtaken(basic, nid):
        basic = basic.replace(next_odd=nid + 2) if nid & 1 else basic.replace(next_even=nid + 2)
    return basic, Nano(channel_id, nid, app, virtual_id, ())


def overtaken(basic, nid):
    """Return whether a later number of the same proposer was used already."""
    return nid < (basic.next_odd if nid & 1 else basic.next_even)


def require_newest(basic, nid):
    """Raise ``PeerError("leg.number")`` when a later number was used already (R4: numbers strictly increase)."""
    if overtaken(basic, nid):
        raise PeerError("leg.number", "nanocontract %d came after a later one (R4)" % nid, "ask again")


def covered(checkpoint, nid):
    """Return whether ``checkpoint`` (or ``None``) retires ``nid``."""
    if checkpoint is None:
        return False
    if nid < checkpoint.floor:
        return True
    index = nid - checkpoint.floor
    return index // 8 < len(checkpoint.retired) and bool(checkpoint.retired[index // 8] >> (index % 8) & 1)
