"""What waits to be brought on chain: kept in the same commit as the step that agreed to it.

A hub that dies between two instructions finds its queue again. Keys of the hub's shell begin with ``H``; the
core uses small letters and ``~``.
"""

from typing import Any

from perunika.context import Submit
from perunika.party import Party
from perunika.records import save
from perunika.structs import BasicParams, Close, Withdraw
from perunika.value import Value

CLOSES, WITHDRAWS, SWEEPS = b"Hc", b"Hw", b"Hs"


class CloseJob(Value):
    """A channel that both sides have agreed to close."""

    FIELDS = (("params", BasicParams), ("close", Close), ("alice", "signature"), ("bob", "signature"))
    params: BasicParams
    close: Close
    alice: bytes
    bob: bytes


class WithdrawJob(Value):
    """A payout that both sides have agreed on; the channel goes on."""

    FIELDS = (("params", BasicParams), ("withdraw", Withdraw), ("alice", "signature"), ("bob", "signature"))
    params: BasicParams
    withdraw: Withdraw
    alice: bytes
    bob: bytes


class SweepJob(Value):
    """A closed channel whose storage can be freed after ``params.open_before``."""

    FIELDS = (("params", BasicParams),)
    params: BasicParams


class HubParty(Party):
    """The core's ``Party`` whose ``Submit`` effects are durable when its step is."""

    def receive(self, view: Any, raw: bytes, now_ms: int, random: bytes) -> list[Any]:
        """Take one encoded message; see ``Party.receive``."""
        return _kept(view, super().receive(view, raw, now_ms, random))

    def request(self, view: Any, address: bytes, name: str, now_ms: int, random: bytes, **fields: Any) -> list[Any]:
        """Run our own user's request; see ``Party.request``."""
        return _kept(view, super().request(view, address, name, now_ms, random, **fields))

    def tick(self, view: Any, now_ms: int, random: bytes) -> list[Any]:
        """Do what is due; see ``Party.tick``."""
        return _kept(view, super().tick(view, now_ms, random))


def _kept(view: Any, effects: list[Any]) -> list[Any]:
    for effect in effects:
        if isinstance(effect, Submit):
            _keep(view, effect.name, effect.fields)
    return effects


def _keep(view: Any, name: str, fields: dict[str, Any]) -> None:
    if name == "close":
        job: Value = CloseJob(fields["params"], fields["close"], fields["alice"], fields["bob"])
        save(view, CLOSES + fields["close"].channel_id, job)
    elif name == "withdraw":
        job = WithdrawJob(fields["params"], fields["withdraw"], fields["alice"], fields["bob"])
        save(view, WITHDRAWS + fields["withdraw"].channel_id, job)
