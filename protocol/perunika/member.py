"""A member of a basic channel: opens virtual channels for payer keys it funds, and serves payee keys (R7, R9, R11)."""

from perunika.chain_views import CHAIN_REQUESTS, on_chain_view_request
from perunika.errors import PeerError
from perunika.member_payee import PAYEE_HANDLERS, PAYEE_RETRIES, on_payee_resume, serve_payee
from perunika.member_payee_closing import keep_evidence
from perunika.member_payer import PAYER_HANDLERS
from perunika.paying_member import PayingMember, adopt, freeze, joined
from perunika.records import PAYEE_MEMBER, PAYER_MEMBER, Funding, funding_key

__all__ = ["Member", "adopt", "freeze"]


def on_virtual_opened(ctx, me, message):
    """The hub's signature on a leg's version 1: the number says whether it is the payee's (odd) or the payer's."""
    role, side = (PAYEE_MEMBER, PAYEE_HANDLERS) if message["nid"] & 1 else (PAYER_MEMBER, PAYER_HANDLERS)
    virtual_id = message["virtual"]
    if ctx.load(Funding, funding_key(role, virtual_id)) is None:
        raise PeerError("virtual.unknown", "no virtual channel " + virtual_id.hex()[:8])
    side["VirtualOpened"](ctx, me, message)


def on_leg_closed(ctx, me, message):
    """The hub's signature on a terminal version: of the payee's leg (odd) or, in two-way closing, the payer's."""
    side = PAYEE_HANDLERS if message["nid"] & 1 else PAYER_HANDLERS
    side["LegClosed"](ctx, me, message)


def on_resume(ctx, me, message):
    """A payee key of ours asks whether its virtual channel stands."""
    if message["id"] is not None:
        on_payee_resume(ctx, me, message["id"])


class Member(PayingMember):
    """The member's key with its ``MemberPolicy``; both sides of flows 1 to 5 that are not the hub's."""

    HANDLERS = joined(PayingMember.HANDLERS, {
        "OfferLeg": PAYEE_HANDLERS["OfferLeg"],
        "CancelLeg": PAYEE_HANDLERS["CancelLeg"],
        "CloseLeg": PAYEE_HANDLERS["CloseLeg"],
        "VirtualOpened": on_virtual_opened,
        "LegClosed": on_leg_closed,
        "Resume": on_resume,
        "ChainViewRequest": on_chain_view_request,
    })  # fmt: skip
    REQUESTS = joined(PayingMember.REQUESTS, {
        "serve payee": serve_payee,
        "keep evidence": lambda ctx, me, virtual, evidence: keep_evidence(ctx, virtual, evidence),
        "looked": CHAIN_REQUESTS["looked"],
        "started": CHAIN_REQUESTS["started"],
    })  # fmt: skip
    RETRIES = joined(PayingMember.RETRIES, {PAYEE_MEMBER: PAYEE_RETRIES})
