"""The hub (paper: Ingrid): quotes, opens virtual channels between members, pays payees, collects from payers."""

from perunika import basic as channel
from perunika import hub_closing, hub_opening, leaving
from perunika.chain_views import CHAIN_REQUESTS
from perunika.endpoint import Endpoint
from perunika.errors import PeerError
from perunika.fees import ceil_div
from perunika.ledger import load_basic
from perunika.records import BOB, HUB, Basic, Funding, QuoteRecord, basic_key, quote_key
from perunika.structs import NATIVE, BasicParams, Open

MAX_QUOTES = 1000  # each quote costs a record and a look at every new one, also one that promises nothing


def on_quote_request(ctx, me, message):
    """Answer with params, fees and our signature on ``Open``, good until ``valid_until`` (flow 1)."""
    record = make_quote(
        ctx, me, message["member"], message["member_owner"], message["asset"], message["member_deposit"],
        message["hub_deposit"], message["challenge_duration"], message["salt"],
    )  # fmt: skip
    body = {"params": record.params, "open": record.open, "signature": record.signature, "fees": me.policy.fees}
    me.reply(ctx, message, "Quote", body)


def make_quote(ctx, me, member, member_owner, asset, member_deposit, hub_deposit, challenge_duration, salt):
    """Sign and keep a quote; raises ``PeerError`` when asset, sums or time are outside the hub's limits.

    The same request gives the same quote while it is valid, so repetitions lock nothing twice.
    """
    policy = me.policy
    if asset != NATIVE:
        raise PeerError("quote.asset", "this hub keeps channels in the chain's own coin only")
    if not policy.min_window_s <= challenge_duration <= policy.max_window_s:
        raise PeerError("quote.duration", "challenge duration of %d s is outside the limits" % challenge_duration)
    if hub_deposit > policy.max_hub_deposit:
        raise PeerError("quote.liquidity", "the hub puts in at most %d wei" % policy.max_hub_deposit)
    until = ceil_div(ctx.now + policy.open_within_s, policy.open_within_s) * policy.open_within_s
    params = BasicParams(member, me.address, member_owner, policy.owner, asset, challenge_duration, until, salt)
    channel_id = params.digest(ctx.domain)
    known = ctx.load(QuoteRecord, quote_key(channel_id))
    promise = Open(channel_id, member_deposit, hub_deposit, until)
    if known is not None and known.open == promise:
        return known
    if known is not None:
        raise PeerError("quote.again", "this salt was quoted with other deposits", "choose a new salt")
    promised, quotes = _promised(ctx)
    if quotes >= MAX_QUOTES:
        raise PeerError("quote.busy", "%d quotes are waiting to be used" % quotes, "try again when some have expired")
    if promised + hub_deposit > _vault(ctx):
        raise PeerError("quote.liquidity", "the hub's vault cannot fund another channel now")
    record = QuoteRecord(params, promise, me.key.sign(promise.digest(ctx.domain)))
    ctx.save(quote_key(channel_id), record)
    return record


def _promised(ctx):
    """Return (wei promised in quotes that may still be used, how many these are)."""
    total = count = 0
    for record in ctx.scan(QuoteRecord, b"q"):
        opened = ctx.load(Basic, basic_key(record.open.channel_id))
        if opened is None and record.open.valid_until >= ctx.now:
            total += record.open.hub_deposit
            count += 1
    return total, count


def _vault(ctx):
    raw = ctx.view.get(b"~vault")
    return int.from_bytes(raw, "big") if raw is not None else 0


def on_vault(ctx, me, amount):
    """Take over how many wei the hub's vault holds at a confirmed block."""
    ctx.view.put(b"~vault", amount.to_bytes(32, "big"))


def on_opened(ctx, me, params):
    """A channel of ours was opened on chain: keep it; its figures come with the chain state."""
    if params.bob != me.address:
        raise PeerError("channel.parties", "this channel has another hub")
    key = basic_key(params.digest(ctx.domain))
    if ctx.load(Basic, key) is None:
        ctx.save(key, channel.new_basic(params, BOB))


def on_voucher(ctx, me, message):
    """A member's basic-channel voucher: fees, or any other payment to the hub."""
    channel.on_basic_voucher(ctx, me, message)


def on_resume(ctx, me, message):
    """A member is back: repeat everything that we wait for in its channel (collect, checkpoint, refusals)."""
    channel_id = message["id"]
    if channel_id is None:
        raise PeerError("message.missing", "Resume to the hub names a basic channel")
    basic = load_basic(ctx, channel_id)
    for nano in channel.live_nanos(ctx, channel_id):
        funding = ctx.load(Funding, b"f" + bytes((HUB,)) + nano.state)
        if funding is not None:
            repeat(ctx, me, nano.state, funding)
    if basic.offered is not None:
        channel.offer_checkpoint(ctx, me, channel_id)


def repeat(ctx, me, virtual_id, funding):
    """Repeat our last message about a virtual channel that somebody has not answered; ends offers that time out."""
    if funding.phase in ("offered", "refusing"):
        hub_opening.repeat(ctx, me, virtual_id, funding)
    else:
        hub_closing.repeat(ctx, me, virtual_id, funding)


class Hub(Endpoint):
    """The hub's key with its ``HubPolicy``."""

    HANDLERS = {
        "QuoteRequest": on_quote_request,
        "OpenVirtual": hub_opening.on_open_virtual,
        "LegSigned": hub_opening.on_leg_signed,
        "NotOk": hub_opening.on_not_ok,
        "CloseLeg": hub_closing.on_close_leg,
        "Collected": hub_closing.on_collected,
        "Voucher": on_voucher,
        "CheckpointSigned": channel.on_checkpoint_signed,
        "CloseOffer": leaving.on_close_offer,
        "CloseSigned": leaving.on_close_signed,
        "WithdrawOffer": leaving.on_withdraw_offer,
        "WithdrawSigned": leaving.on_withdraw_signed,
        "Resume": on_resume,
        "Ack": lambda ctx, me, message: None,
    }
    REQUESTS = {
        "opened": on_opened,
        "chain": CHAIN_REQUESTS["chain"],
        "started": CHAIN_REQUESTS["started"],
        "vault": on_vault,
        "close": leaving.request_close,
        "withdraw": leaving.request_withdraw,
        "checkpoint": channel.offer_checkpoint,
    }
    RETRIES = {HUB: repeat}
    TICKS = (channel.repeat_checkpoints,)
