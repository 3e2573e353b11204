"""What owners allow, as plain values: limits that no peer can argue away. All amounts wei, times seconds."""

from perunika.messages import Fees
from perunika.structs import BasicParams
from perunika.value import Value

AHEAD_S = 400 * 86400  # onchain.md, constant AHEAD


class MemberPolicy(Value):
    """A member's limits: its hub, the fee list it accepts, and which windows it takes as payee's member."""

    FIELDS = "hub address,fees Fees,min_window_s uint32,max_window_s uint32,max_validity_s uint32"
    OF = (Fees,)
    hub: bytes
    fees: Fees
    min_window_s: int
    max_window_s: int
    max_validity_s: int


class HubPolicy(Value):
    """The hub's prices and limits. ``max_uncollected`` is R19's count, ``early_floor`` R11's least amount."""

    FIELDS = (
        "fees Fees,owner address,min_window_s uint32,max_window_s uint32,challenge_duration_s uint32,"
        "max_validity_s uint32,offer_timeout_s uint32,max_uncollected uint32,early_floor amount,"
        "max_hub_deposit amount,open_within_s uint32,checkpoint_every uint32"
    )
    OF = (Fees,)
    fees: Fees
    owner: bytes
    min_window_s: int
    max_window_s: int
    challenge_duration_s: int
    max_validity_s: int
    offer_timeout_s: int
    max_uncollected: int
    early_floor: int
    max_hub_deposit: int
    open_within_s: int
    checkpoint_every: int


class PayerPolicy(Value):
    """A payer's limits, on absolute amounts (R17): per unit, per second, in all, and paid but not yet acknowledged.

    ``member`` funds it through ``channel``; ``viewer`` signs its chain views.
    """

    FIELDS = (
        "member address,channel bytes32,viewer address,max_unit_price amount,max_rate amount,"
        "max_total amount,max_unacked amount,max_window_s uint32"
    )
    member: bytes
    channel: bytes
    viewer: bytes
    max_unit_price: int
    max_rate: int
    max_total: int
    max_unacked: int
    max_window_s: int


class PayeePolicy(Value):
    """What a payee sells: price per unit of ``unit_millis`` (0 = per reading), its channel with the pinned hub, limits.

    ``exposure`` is how much it serves ahead of payment; ``idle_s`` how long it keeps an unpaid channel open.
    """

    FIELDS = (
        "channel BasicParams,member address,viewer address,unit_price amount,unit_millis uint32,"
        "min_capacity amount,window_s uint32,min_window_s uint32,max_validity_s uint32,terms_s uint32,"
        "exposure amount,idle_s uint32"
    )
    OF = (BasicParams,)
    channel: BasicParams
    member: bytes
    viewer: bytes
    unit_price: int
    unit_millis: int
    min_capacity: int
    window_s: int
    min_window_s: int
    max_validity_s: int
    terms_s: int
    exposure: int
    idle_s: int


def max_uncollected(share_percent, block_gas, window_s, block_time_s):
    """Return R19's bound on virtual channels paid early but not yet collected: half of our share of a window's gas."""
    return block_gas * window_s * share_percent // (2 * 100 * block_time_s * 146000)
