"""A member of a basic channel: opens virtual channels for payer keys it funds, and serves payee keys (R7, R9, R11)."""

from perunika import basic as channel
from perunika import leaving
from perunika.chain_views import CHAIN_REQUESTS, on_chain_view_request
from perunika.endpoint import Endpoint
from perunika.errors import LocalError, PeerError
from perunika.evidence import VoucherEvidence
from perunika.member_payee import PAYEE_HANDLERS, PAYEE_RETRIES, keep_evidence, on_payee_resume, serve_payee
from perunika.member_payer import PAYER_HANDLERS, PAYER_RETRIES, keep_refund, on_allowed
from perunika.records import ALICE, PAYEE_MEMBER, PAYER_MEMBER, Basic, Funding, basic_key, funding_key


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


def _on_either(name):
    """Return a handler that picks payer's or payee's side by what is on record for the virtual channel."""

    def handler(ctx, me, message):
        virtual_id = message["virtual"]
        if ctx.load(Funding, funding_key(PAYEE_MEMBER, virtual_id)) is not None:
            PAYEE_HANDLERS[name](ctx, me, message)
        elif ctx.load(Funding, funding_key(PAYER_MEMBER, virtual_id)) is not None:
            PAYER_HANDLERS[name](ctx, me, message)
        else:
            raise PeerError("virtual.unknown", "no virtual channel " + virtual_id.hex()[:8])

    return handler


def on_leg_closed(ctx, me, message):
    """The hub's signature on a terminal version: of the payee's leg (odd) or, in two-way closing, the payer's."""
    side = PAYEE_HANDLERS if message["nid"] & 1 else PAYER_HANDLERS
    side["LegClosed"](ctx, me, message)


def on_resume(ctx, me, message):
    """A payee key of ours asks whether its virtual channel stands."""
    if message["id"] is not None:
        on_payee_resume(ctx, me, message["id"])


def on_voucher(ctx, me, message):
    """A voucher of the hub in our basic channel, or a refund that one of our payer keys hands over (R10)."""
    known = ctx.load(Funding, funding_key(PAYER_MEMBER, message["id"])) if type(message["id"]) is bytes else None
    if known is None:
        channel.on_basic_voucher(ctx, me, message)
        return
    keep_refund(ctx, message["id"], VoucherEvidence(message["amount"], message["signature"]))
    me.reply(ctx, message, "Ack", {"id": message["id"], "amount": message["amount"]})


class Member(Endpoint):
    """The member's key with its ``MemberPolicy``; both sides of flows 1 to 5 that are not the hub's."""

    HANDLERS = {
        "AllowanceRequest": PAYER_HANDLERS["AllowanceRequest"],
        "NotOk": PAYER_HANDLERS["NotOk"],
        "Collect": PAYER_HANDLERS["Collect"],
        "OfferLeg": PAYEE_HANDLERS["OfferLeg"],
        "CancelLeg": PAYEE_HANDLERS["CancelLeg"],
        "CloseLeg": PAYEE_HANDLERS["CloseLeg"],
        "VirtualOpened": _on_either("VirtualOpened"),
        "LegClosed": on_leg_closed,
        "Voucher": on_voucher,
        "Resume": on_resume,
        "CheckpointOffer": channel.on_checkpoint_offer,
        "CloseOffer": leaving.on_close_offer,
        "CloseSigned": leaving.on_close_signed,
        "WithdrawOffer": leaving.on_withdraw_offer,
        "WithdrawSigned": leaving.on_withdraw_signed,
        "ChainViewRequest": on_chain_view_request,
        "Ack": lambda ctx, me, message: None,
    }
    REQUESTS = {
        "adopt": adopt,
        "serve payee": serve_payee,
        "keep evidence": lambda ctx, me, virtual, evidence: keep_evidence(ctx, virtual, evidence),
        "chain": CHAIN_REQUESTS["chain"],
        "looked": CHAIN_REQUESTS["looked"],
        "started": CHAIN_REQUESTS["started"],
        "freeze": freeze,
        "allow": on_allowed,
        "close": leaving.request_close,
        "withdraw": leaving.request_withdraw,
    }
    RETRIES = {PAYER_MEMBER: PAYER_RETRIES, PAYEE_MEMBER: PAYEE_RETRIES}
