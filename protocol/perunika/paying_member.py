"""A member that only pays: what a board with a basic channel of its own needs, and half of every other member."""

from perunika import basic as channel
from perunika import leaving
from perunika.allowances import on_allowed
from perunika.chain_views import on_chain
from perunika.endpoint import Endpoint
from perunika.errors import LocalError
from perunika.evidence import VoucherEvidence
from perunika.member_payer import PAYER_HANDLERS, PAYER_RETRIES
from perunika.member_payer_closing import keep_refund
from perunika.records import ALICE, PAYER_MEMBER, Basic, Funding, basic_key, funding_key


def adopt(ctx, me, params):
    """Keep the basic channel ``params`` as ours, once; its figures come with the first chain view.

    Raises ``LocalError`` unless we are its Alice and its hub is the pinned one.
    """
    if params.alice != me.address or params.bob != me.policy.hub:
        raise LocalError("channel.parties", "this channel is not between this member and its pinned hub")
    key = basic_key(params.digest(ctx.domain))
    if ctx.load(Basic, key) is None:
        ctx.save(key, channel.new_basic(params, ALICE))


def freeze(ctx, me, channel_id):
    """Admit that the memory of this channel was lost: sign nothing in it until it is restored (R15)."""
    basic = ctx.load(Basic, basic_key(channel_id))
    if basic is not None:
        ctx.save(basic_key(channel_id), basic.replace(frozen=1))


def on_voucher(ctx, me, message):
    """A voucher of the hub in our basic channel, or a refund that one of our payer keys hands over (R10)."""
    known = ctx.load(Funding, funding_key(PAYER_MEMBER, message["id"])) if type(message["id"]) is bytes else None
    if known is None:
        channel.on_basic_voucher(ctx, me, message)
        return
    keep_refund(ctx, message["id"], VoucherEvidence(message["amount"], message["signature"]))
    me.reply(ctx, message, "Ack", {"id": message["id"], "amount": message["amount"]})


def joined(table, more):
    """Return a new table with the entries of both."""
    both = dict(table)
    both.update(more)
    return both


class PayingMember(Endpoint):
    """The member's key with its ``MemberPolicy``; serves payer keys, no payees (``Member`` serves both)."""

    HANDLERS = {
        "AllowanceRequest": PAYER_HANDLERS["AllowanceRequest"],
        "NotOk": PAYER_HANDLERS["NotOk"],
        "Collect": PAYER_HANDLERS["Collect"],
        "VirtualOpened": PAYER_HANDLERS["VirtualOpened"],
        "LegClosed": PAYER_HANDLERS["LegClosed"],
        "Voucher": on_voucher,
        "CheckpointOffer": channel.on_checkpoint_offer,
        "CloseOffer": leaving.on_close_offer,
        "CloseSigned": leaving.on_close_signed,
        "WithdrawOffer": leaving.on_withdraw_offer,
        "WithdrawSigned": leaving.on_withdraw_signed,
        "Ack": lambda ctx, me, message: None,
    }
    REQUESTS = {
        "adopt": adopt,
        "chain": on_chain,
        "freeze": freeze,
        "allow": on_allowed,
        "close": leaving.request_close,
        "withdraw": leaving.request_withdraw,
    }
    RETRIES = {PAYER_MEMBER: PAYER_RETRIES}
