"""One sale: a virtual channel that our payee serves, and the token that its client shows."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256

SECRET_KEY = b"%access"  # register of the secret that tokens are made of

Serve = Callable[[bytes], Awaitable[object]]


@dataclass(frozen=True)
class Sale:
    """One served channel. ``always``: units run without a connected client too."""

    virtual: bytes
    payer: bytes
    handle: int
    unit_s: float
    always: bool


def access_token(secret: bytes, virtual: bytes) -> str:
    """Return the token that opens ``virtual``'s service (ADR-0020): HMAC-SHA256, 64 hex digits."""
    return hmac.new(secret, b"access" + virtual, sha256).hexdigest()
