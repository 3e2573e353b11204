"""One batch of confirmed blocks as one step of the core: events, vault, place in the chain, all in one commit."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from perunika.party import Party
from perunika.records import CLOSED, NONE, OPEN, Basic, QuoteRecord, load, quote_key, save
from perunika_host import chain_events as events
from perunika_host.chain_follow import Batch
from perunika_host.group_commit import StepOverlay
from perunika_hub.figures import UNOPENED, Figures, after
from perunika_hub.jobs import CLOSES, SWEEPS, WITHDRAWS, SweepJob
from perunika_hub.shell import basic_of, now_ms

CURSOR = b"Hb"
# A view is renewed at an eighth of the challenge duration; R13 refuses at a half.
FRESH_SHARE = 8

# Journal lines by event: part of the books.
LINES = {
    events.Opened: "opened on chain",
    events.ToppedUp: "topped up on chain",
    events.Withdrawn: "withdrawn on chain",
    events.Closed: "closed on chain",
    events.Settled: "settled on chain",
    events.Disputed: "disputed on chain",
}


@dataclass(slots=True)
class Freshness:
    """When each open channel's view was last renewed, in the chain's time."""

    seen_s: dict[bytes, int] = field(default_factory=dict)
    period_s: dict[bytes, int] = field(default_factory=dict)

    def note(self, channel_id: bytes, basic: Basic | None) -> None:
        """Take over when the view of a channel was renewed last."""
        if basic is None or basic.status != OPEN:
            self.seen_s.pop(channel_id, None)
            self.period_s.pop(channel_id, None)
        else:
            self.seen_s[channel_id] = basic.seen_s
            self.period_s[channel_id] = max(1, basic.params.challenge_duration // FRESH_SHARE)

    def due(self, time_s: int) -> list[bytes]:
        """Return the channels whose view is old enough to renew."""
        return [key for key, seen_s in self.seen_s.items() if time_s - seen_s >= self.period_s[key]]


class ChainSteps:
    """The steps; each returns the core's effects and runs inside a commit of the shell."""

    def __init__(self, party: Party, hub: bytes, sweep: bool) -> None:
        self.party = party
        self.hub = hub
        self.sweep = sweep

    def _request(self, view: StepOverlay, name: str, **fields: Any) -> list[Any]:
        effects: list[Any] = self.party.request(view, self.hub, name, now_ms(), os.urandom(32), **fields)
        return effects

    def apply(self, view: StepOverlay, batch: Batch, vault_wei: int | None) -> list[Any]:
        """One step: every event of the batch, the vault, and where to go on."""
        effects: list[Any] = []
        for event in batch.events:
            effects += self._event(view, event, batch)
        if vault_wei is not None:
            effects += self.vault(view, vault_wei)
        view.put(CURSOR, batch.cursor.to_bytes(8, "big") + batch.last_hash)
        return effects

    def vault(self, view: StepOverlay, vault_wei: int) -> list[Any]:
        """Tell the core what the vault holds."""
        return self._request(view, "vault", amount=vault_wei)

    def _event(self, view: StepOverlay, event: events.ChainEvent, batch: Batch) -> list[Any]:
        channel_id: bytes | None = getattr(event, "channel_id", None)
        if channel_id is None:
            return []
        basic = basic_of(view, channel_id)
        effects: list[Any] = []
        if basic is None:
            quote = load(view, QuoteRecord, quote_key(channel_id))
            if quote is None or not isinstance(event, events.Opened):
                return []  # somebody else's channel
            effects += self._request(view, "opened", params=quote.params)
            view.delete(quote_key(channel_id))
            before = UNOPENED
        else:
            before = Figures(basic.status, basic.base, basic.total, basic.withdraw_nonce)
        now = after(before, event)
        effects += self._chain(view, channel_id, now, batch)
        self._record(view, event, channel_id)
        self._jobs(view, channel_id, now, batch)
        return effects

    def _chain(self, view: StepOverlay, channel_id: bytes, figures: Figures, batch: Batch) -> list[Any]:
        return self._request(
            view,
            "chain",
            channel_id=channel_id,
            status=figures.status,
            base=figures.base_wei,
            total=figures.total_wei,
            withdraw_nonce=figures.withdraw_nonce,
            block=batch.last_block,
            time_s=batch.time_s,
        )

    def _record(self, view: StepOverlay, event: events.ChainEvent, channel_id: bytes) -> None:
        line = LINES.get(type(event))
        if line is None:
            return
        fields = {"channel": channel_id, "transaction": event.transaction, "block": event.block}
        for name in ("member_deposit", "hub_deposit", "alice_side", "amount", "to_alice", "to_bob", "ended"):
            if hasattr(event, name):
                fields[name] = getattr(event, name)
        view.record(line, fields)

    def _jobs(self, view: StepOverlay, channel_id: bytes, figures: Figures, batch: Batch) -> None:
        """Forget jobs that the chain has done; remember a slot that can be freed."""
        basic = basic_of(view, channel_id)
        if basic is None:
            return
        withdraw = view.get(WITHDRAWS + channel_id)
        if withdraw is not None and not basic.withdraws:
            view.delete(WITHDRAWS + channel_id)
        if figures.status not in (CLOSED, NONE):
            return
        for prefix in (CLOSES, WITHDRAWS, SWEEPS):
            if view.get(prefix + channel_id) is not None:
                view.delete(prefix + channel_id)
        if self.sweep and figures.status == CLOSED and batch.time_s <= basic.params.open_before:
            save(view, SWEEPS + channel_id, SweepJob(basic.params))

    def renew(self, view: StepOverlay, channel_ids: Iterable[bytes], batch: Batch) -> list[Any]:
        """Renew the views of open channels without events: figures as they were, block and time of now."""
        effects: list[Any] = []
        for channel_id in channel_ids:
            basic = basic_of(view, channel_id)
            if basic is not None:
                figures = Figures(basic.status, basic.base, basic.total, basic.withdraw_nonce)
                effects += self._chain(view, channel_id, figures, batch)
        return effects
