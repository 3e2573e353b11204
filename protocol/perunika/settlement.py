"""What a dispute of a basic channel pays out: the contract's formula as pure functions (onchain.md "settle").

``claim`` is Alice's claim in wei (X of onchain.md); it may leave 0..total until the one clamp at the very end.
"""

from perunika.ledger import clamp_net, covered
from perunika.structs import PAYEE_LEG, PAYER_LEG


def first_claim(base, ab, ba, net):
    """Return Alice's claim when a dispute folds its registers: deposits, both vouchers, the checkpoint's net."""
    return base - ab + ba - net


def leg_effect(app, params, forward, backward):
    """Return what a leg of a resolved virtual channel moves from Alice to Bob; each leg counts once."""
    net = clamp_net(params, forward, backward)
    return net if app == PAYER_LEG else -net


def effect(nid, version, app, checkpoint, outcome):
    """Return what a registered nanocontract moves from Alice to Bob, in wei, or ``None`` while it is held.

    ``outcome`` is (params, forward, backward) of its virtual channel once that is final, else ``None``. Retired ones
    (by the posted ``checkpoint``) move nothing more; a terminated one moves what it says.
    """
    if covered(checkpoint, nid):
        return 0
    if version.terminal():
        return version.blocked_alice
    if app not in (PAYER_LEG, PAYEE_LEG) or outcome is None:
        return None
    return leg_effect(app, outcome[0], outcome[1], outcome[2])


def split(claim, total):
    """Return (to Alice, to Bob): the claim, clamped into what the channel holds; the two always make ``total``."""
    to_alice = max(0, min(claim, total))
    return to_alice, total - to_alice


def settle(claim, total, effects, held):
    """Pay out one settle call; returns (to Alice, to Bob, claim, total) after it.

    ``effects``: what the given resolved nanocontracts move. ``held``: (Alice, Bob) blocked by those given but not yet
    resolved, or ``None`` when the call leaves some out: then nothing is paid before all are accounted for.
    """
    claim -= sum(effects)
    if held is None:
        return 0, 0, claim, total
    if not held:
        to_alice, to_bob = split(claim, total)
        return to_alice, to_bob, claim - to_alice, 0
    to_alice = max(0, min(claim - sum([pair[0] for pair in held]), total))
    to_bob = max(0, min(total - claim - sum([pair[1] for pair in held]), total - to_alice))
    return to_alice, to_bob, claim - to_alice, total - to_alice - to_bob


def payout(basic, nanos, outcomes):
    """Return (to Alice, to Bob) if the channel ``basic`` with its live ``nanos`` were settled on chain now.

    Takes the best registers on record: vouchers, the co-signed checkpoint, the highest co-signed version of each
    nanocontract. ``outcomes`` maps a virtual id to (params, forward, backward); one that is missing ends at 0.
    """
    net = basic.checkpoint.net if basic.checkpoint is not None else 0
    claim = first_claim(basic.base, basic.ab, basic.ba, net)
    for nano in nanos:
        complete = [version for version in nano.versions if version.complete()]
        if complete:
            outcome = outcomes.get(nano.state)
            moved = effect(nano.nid, complete[-1], nano.app, basic.checkpoint, outcome)
            claim -= moved if moved is not None else 0
    return split(claim, basic.total)
