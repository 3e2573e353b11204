"""What callers of the HTTP interface send: every field read strictly, every mistake named."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from perunika.errors import PeerError

HEX_20 = re.compile(r"0x[0-9a-fA-F]{40}")
HEX_32 = re.compile(r"0x[0-9a-fA-F]{64}")
DECIMAL = re.compile(r"[0-9]{1,40}")

Read = Callable[[Any], Any]


def wrong(field: str, expected: str) -> PeerError:
    """Return the error for a field that is not what it should be."""
    return PeerError("request.field", f"{field} is wrong or missing", f"expected {expected}")


def read_body(raw: bytes) -> Mapping[str, Any]:
    """Return the JSON object of a request; an empty body is an empty object. Raises PeerError."""
    try:
        body = json.loads(raw) if raw.strip() else {}
    except ValueError as error:
        raise PeerError("request.json", "the body is no JSON", "send one JSON object") from error
    if not isinstance(body, dict):
        raise PeerError("request.json", "the body is no JSON object", "send one JSON object")
    return body


def refuse_unknown(body: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Raise PeerError for a field that nobody would read: it may be a misspelt one."""
    for name in body:
        if name not in known:
            raise PeerError("request.field", f"unknown field {name[:40]}", "known here: " + ", ".join(known))


def address(body: Mapping[str, Any], name: str) -> bytes:
    """Return a 20-byte address other than zero."""
    value = body.get(name)
    if not isinstance(value, str) or not HEX_20.fullmatch(value) or not int(value, 16):
        raise wrong(name, "0x and 40 hexadecimal digits, not all zero")
    return bytes.fromhex(value[2:])


def bytes32(value: Any, name: str) -> bytes:
    """Return 32 bytes."""
    if not isinstance(value, str) or not HEX_32.fullmatch(value):
        raise wrong(name, "0x and 64 hexadecimal digits")
    return bytes.fromhex(value[2:])


def amount_wei(body: Mapping[str, Any], name: str) -> int:
    """Return an amount: a string of decimal digits, in wei, below 2^96."""
    value = body.get(name)
    if not isinstance(value, str) or not DECIMAL.fullmatch(value) or int(value) >> 96:
        raise wrong(name, "wei as a string of decimal digits, below 2^96")
    return int(value)


def whole(value: Any, name: str, low: int, high: int) -> int:
    """Return a whole number in low..high; text (of a query) is read as decimal digits."""
    if isinstance(value, str) and DECIMAL.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise wrong(name, f"a whole number from {low} to {high}")
    return value
