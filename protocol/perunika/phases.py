"""The state machine as data: for each role, phase -> {what happened: next phase} (docs/spec.md draws this table).

Anything not in the table is refused; a repeated message is answered from the record and changes nothing.
"""

from perunika.errors import PeerError
from perunika.records import HUB, PAYEE, PAYEE_MEMBER, PAYER, PAYER_MEMBER

ROLE_NAMES = ("payer", "payee", "payer's member", "payee's member", "hub")

TRANSITIONS = {
    PAYER: {
        "requested": {"VirtualOpened": "opened", "NotOk": "refused", "Resumed": "paying", "time-out": "refused"},
        "opened": {"Ready": "paying", "CloseRequest": "closing", "Resumed": "paying", "time-out": "closed"},
        "paying": {"CloseRequest": "closing"},
        "closing": {"LegClosed": "closed", "time-out": "closed"},
    },
    PAYEE: {
        "opened": {"ChainView": "serving", "close": "stopped"},
        "serving": {"close": "stopped", "LegClosed": "paid"},
        "stopped": {"LegClosed": "paid"},
    },
    PAYER_MEMBER: {
        "asked": {"VirtualOpened": "open", "NotOk": "refused"},
        "open": {"Collect": "collected", "CollectLater": "netting"},
        "netting": {"LegClosed": "collected"},
    },
    PAYEE_MEMBER: {
        "signed": {"VirtualOpened": "open", "CancelLeg": "cancelled"},
        "open": {"CloseLeg": "closing"},
        "closing": {"LegClosed": "paid"},
    },
    HUB: {
        "offered": {"LegSigned": "open", "NotOk": "refusing", "time-out": "refusing"},
        "refusing": {"LegSigned": "refused"},
        "open": {"CloseLeg": "paid", "CloseLegLater": "netting"},
        "netting": {"Collected": "collected"},
        "paid": {"Collected": "collected"},
    },
}

# Phases in which the party owes the next message and repeats its last one until it is answered.
WAITING = {
    PAYER: ("requested", "opened", "closing"),
    PAYEE: ("opened", "stopped"),
    PAYER_MEMBER: ("asked", "netting"),
    PAYEE_MEMBER: ("signed", "open", "closing"),
    HUB: ("offered", "refusing", "netting", "paid"),
}


def advance(role, phase, event):
    """Return the phase after ``event``; raises ``PeerError("phase")`` when the table does not allow it."""
    following = TRANSITIONS[role].get(phase, {}).get(event)
    if following is None:
        raise PeerError("phase", "%s in phase %s does not expect %s" % (ROLE_NAMES[role], phase, event))
    return following
