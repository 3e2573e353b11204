"""Errors say whose fault they are: facts in fields, text last.

``LocalError``: our own caller asked for something that cannot be done. ``PeerError``: a message or an
answer of another party is wrong; it is refused and the state stays as it was. ``ChainError``: the chain
or the way to it. Decoders raise only ``PeerError``.
"""


class PerunikaError(Exception):
    """Base of all errors of the protocol core; ``fault`` is ``"us"``, ``"peer"`` or ``"chain"``."""

    fault = "us"

    def __init__(self, code, text, hint=""):
        # code: short stable word (see docs/spec.md, table of errors); text: one sentence; hint: what to do.
        super().__init__(text)
        self.code = code
        self.text = text
        self.hint = hint

    def __str__(self):
        return self.code + ": " + self.text + ((" (" + self.hint + ")") if self.hint else "")


class LocalError(PerunikaError):
    """Our own caller is at fault: nothing was sent, nothing changed."""

    fault = "us"


class PeerError(PerunikaError):
    """A peer's message is at fault: it is refused, the state is unchanged."""

    fault = "peer"


class ChainError(PerunikaError):
    """The chain, or the way to it, does not allow or answer this now."""

    fault = "chain"
