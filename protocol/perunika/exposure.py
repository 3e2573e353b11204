"""Exposure: the most that each party can lose now, in wei, from its own records alone (protocol.md §5).

Pure functions of records: gateway, device and demo show what they return. What the chain can enforce in time is not
exposure; what another party, a stolen key or our own long absence could still take is.
"""

from perunika.ledger import clamp_net
from perunika.records import HUB, PAYEE_MEMBER, PAYER_MEMBER


def _net(funding):
    forward = funding.forward.amount if funding.forward is not None else 0
    backward = funding.backward.amount if funding.backward is not None else 0
    return clamp_net(funding.params, forward, backward)


def _worth(stream):
    """Return the wei of the units that the payee says it served."""
    return stream.served * stream.terms.unit_price if stream.terms is not None else 0


def _paid(stream):
    back = stream.backward.amount if stream.backward is not None else 0
    return stream.paid() - back


def exposure_payer(stream):
    """Return what a payer has signed away beyond the units served: lost if the payee never serves again.

    A payer takes ``served`` from unsigned acknowledgements, so after the end nothing is at stake any more.
    """
    if stream.phase in ("refused", "closed"):
        return 0
    return max(0, _paid(stream) - _worth(stream))


def exposure_payee(stream, policy):
    """Return the wei served ahead of payment, at most ``policy.exposure``: lost if the payer never pays again."""
    if stream.phase == "paid":
        return 0
    return max(0, min(_worth(stream) - _paid(stream), policy.exposure))


def exposure_hub(fundings):
    """Return what the hub paid early and has not collected: lost if the chain were closed to it for a whole window."""
    return sum([max(0, _net(f)) for f in fundings if f.role == HUB and f.phase == "paid"])


def exposure_member(fundings):
    """Return a member's exposure over all its virtual channels, in wei.

    As payer's member: what its payer keys may lock or spend without it. As payee's member: what the evidence
    proves and the hub has not countersigned; lost only if nobody of ours is up once in a window (R12).
    """
    total = 0
    for funding in fundings:
        if funding.role == PAYER_MEMBER and funding.phase in ("asked", "open"):
            total += funding.params.payer_capacity
        elif funding.role == PAYEE_MEMBER and funding.phase in ("open", "closing"):
            total += max(0, _net(funding))
    return total


def lasts_s(params, now_s):
    """Return for how many seconds the exposure of the virtual channel ``params`` can last: until its last deadline."""
    return max(0, params.validity + params.window - now_s)
