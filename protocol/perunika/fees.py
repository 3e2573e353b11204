"""Fees of the hub, in integers, rounded up (details.md "Fees")."""

from perunika.errors import LocalError, PeerError


def ceil_div(numerator, denominator):
    return -(-numerator // denominator)


def virtual_fee(fees, capacity, validity, now):
    """Return the hub's fee in wei for a virtual channel of ``capacity`` wei valid until ``validity`` (Unix s)."""
    if capacity < 0:
        raise LocalError("fee.range", "a capacity cannot be negative")
    seconds = validity - now if validity > now else 0
    by_size = ceil_div(capacity * fees.ppm, 1000000)
    by_time = ceil_div(capacity * fees.ppm_per_day * seconds, 86400 * 1000000)
    return fees.base + by_size + by_time


def check_capacity(fees, capacity):
    """Raise ``PeerError("fee.capacity")`` unless the hub's list allows a channel of ``capacity`` wei."""
    if not fees.min_capacity <= capacity <= fees.max_capacity:
        raise PeerError(
            "fee.capacity",
            "capacity %d wei is outside %d..%d" % (capacity, fees.min_capacity, fees.max_capacity),
            "ask for an amount inside the hub's limits",
        )
