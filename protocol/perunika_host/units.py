"""Durations and amounts as people write them: "10s", "1h30m", "0.01 ETH", "5 gwei"; exact both ways.

The parsers raise ValueError that says what was expected; who calls them knows which key it was.
"""

import re
from decimal import Decimal

MS_PER_UNIT = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
WEI_PER_UNIT = {"eth": 10**18, "ether": 10**18, "gwei": 10**9, "wei": 1}

_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_AMOUNT = re.compile(r"(\d[\d_]*(?:\.\d+)?)\s*([A-Za-z]*)")

DURATION_EXPECTED = 'a duration such as "250ms", "10s", "5m", "2h", "3d" or "1h30m"'
AMOUNT_EXPECTED = 'an amount such as "0.01 ETH", "5 gwei" or a whole number of wei'


def parse_duration_ms(text: object) -> int:
    """Return milliseconds of "10s", "250ms", "1h30m", …; a bare number is refused, it has no unit."""
    compact = text.strip().lower() if isinstance(text, str) else ""
    parts = _DURATION_PART.findall(compact)
    if not parts or _DURATION_PART.sub("", compact).strip():
        raise ValueError(DURATION_EXPECTED)
    total_ms = sum(Decimal(number) * MS_PER_UNIT[unit] for number, unit in parts)
    if total_ms != int(total_ms):
        raise ValueError(DURATION_EXPECTED + " (nothing finer than 1ms)")
    return int(total_ms)


def parse_duration(text: object) -> float:
    """Return seconds of "10s", "250ms", "1h30m", …"""
    return parse_duration_ms(text) / 1000


def format_duration(duration_s: float) -> str:
    """Return the shortest text that ``parse_duration`` reads back, to the millisecond: 5400 is "1h30m"."""
    rest_ms = round(duration_s * 1000)
    if rest_ms < 0:
        return "-" + format_duration(-duration_s)
    parts = []
    for unit, unit_ms in MS_PER_UNIT.items():
        count, rest_ms = divmod(rest_ms, unit_ms)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_ether(text: object) -> int:
    """Return wei of "0.01 ETH", "5 gwei", "12 wei", "12" or 12; exact, never through floating point."""
    if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        return text
    match = _AMOUNT.fullmatch(text.strip()) if isinstance(text, str) else None
    unit = (match[2].lower() or "wei") if match else ""
    if match is None or unit not in WEI_PER_UNIT:
        raise ValueError(AMOUNT_EXPECTED)
    whole, _, fraction = match[1].replace("_", "").partition(".")
    # In integers: Decimal would round beyond 28 digits.
    scale: int = 10 ** len(fraction)
    amount_wei, rest = divmod(int(whole + fraction) * WEI_PER_UNIT[unit], scale)
    if rest or len(match[1]) > 60:
        raise ValueError(AMOUNT_EXPECTED + " (no fraction of a wei)")
    return amount_wei


def format_ether(amount_wei: int) -> str:
    """Return an exact, readable amount that ``parse_ether`` reads back: "0.01 ETH", "5 gwei", "17 wei"."""
    if amount_wei < 0:
        return "-" + format_ether(-amount_wei)
    if 0 < amount_wei < 10**6:
        return f"{amount_wei} wei"
    if 0 < amount_wei < 10**14:
        return f"{_scaled(amount_wei, 9)} gwei"
    return f"{_scaled(amount_wei, 18)} ETH"


def _scaled(amount: int, decimals: int) -> str:
    whole, fraction = divmod(amount, 10**decimals)
    digits = str(fraction).zfill(decimals).rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
