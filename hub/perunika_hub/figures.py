"""What an event of the contract does to the figures of a channel (onchain.md "Rules").

Folding events needs no archive node and no call per channel: the contract's word is the sum of its events.
"""

from dataclasses import dataclass

from perunika.records import CLOSED, DISPUTE, FOLDED, NONE, OPEN
from perunika_host import chain_events as events


@dataclass(frozen=True, slots=True)
class Figures:
    """A channel's word on chain; amounts in wei."""

    status: int
    base_wei: int
    total_wei: int
    withdraw_nonce: int


UNOPENED = Figures(NONE, 0, 0, 0)


def after(before: Figures, event: events.ChainEvent) -> Figures:
    """Return the figures after ``event`` of this channel; events that change no figure return ``before``."""
    base, total, nonce = before.base_wei, before.total_wei, before.withdraw_nonce
    match event:
        case events.Opened():
            return Figures(OPEN, event.member_deposit, event.member_deposit + event.hub_deposit, 0)
        case events.ToppedUp():
            added = event.amount if event.alice_side else 0
            return Figures(before.status, base + added, total + event.amount, nonce)
        case events.Withdrawn():
            left = total - event.to_alice - event.to_bob
            return Figures(before.status, base - event.to_alice, left, event.nonce + 1)
        case events.Closed():
            return Figures(CLOSED, 0, 0, nonce)
        case events.Disputed():
            return Figures(DISPUTE, base, total, nonce)
        case events.Settled():
            # What is left after a partial settlement stays in dispute rules: nothing of it is spendable.
            left = total - event.to_alice - event.to_bob
            return Figures(CLOSED, 0, 0, nonce) if event.ended else Figures(FOLDED, base, left, nonce)
        case events.Swept():
            return Figures(NONE, 0, 0, nonce)
    return before
