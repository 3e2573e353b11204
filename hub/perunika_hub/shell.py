"""The hub's loop around the core: step, store, then act; with the steps that only a hub has."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from perunika.context import Notify, Send
from perunika.errors import PeerError
from perunika.messages import Message
from perunika.records import BOB, Basic, basic_key, load
from perunika_host.group_commit import StepOverlay
from perunika_host.party_shell import PartyShell


class HubShell(PartyShell):
    """A ``PartyShell`` whose steps return their effects."""

    async def take(self, raw: bytes) -> tuple[list[Any], bool]:
        """Take one encoded message and act on it.

        Returns the effects, a refusal being one of them, and whether the message told the hub anything lasting:
        a repetition is taken too, but unread, so it proves nothing about who sent it.
        """
        told = False

        def receive(view: StepOverlay) -> list[Any]:
            nonlocal told
            effects: list[Any] = self.party.receive(view, raw, now_ms(), os.urandom(32))
            told = any(key[:1] != b"~" for key in view.writes)
            return effects

        return await self.step(receive), told

    async def step(self, step: Callable[[StepOverlay], list[Any]]) -> list[Any]:
        """Run ``step``, which returns effects, make it durable, act on the effects and return them."""
        return await self._run(step)

    async def note(self, kind: str, fields: Mapping[str, object]) -> None:
        """Write one line of the journal, durable on return."""
        await self.group.run(lambda view: view.record(kind, fields))

    async def quote(self, hub: bytes, body: dict[str, Any]) -> Message:
        """Return the ``Quote`` for the fields of a ``QuoteRequest``; raises PeerError when the hub refuses.

        The same path as for a request over MQTT: the quote is durable before it is shown.
        """
        member = body["member"]
        message = Message("QuoteRequest", body, os.urandom(8), hub, member)
        effects = await self.group.run(lambda view: self.party.deliver(view, message, now_ms(), os.urandom(32)))
        refusal = refused(effects)
        if refusal is not None:
            raise refusal
        answer: Message = next(effect.message for effect in effects if isinstance(effect, Send))
        return answer


def refused(effects: list[Any]) -> PeerError | None:
    """Return why a message was refused, or None when it was taken."""
    errors = [e.message for e in effects if isinstance(e, Send) and e.message.name == "Error"]
    if errors:
        return PeerError(errors[0]["code"], errors[0]["text"], errors[0]["hint"] or "")
    for effect in effects:
        if isinstance(effect, Notify) and effect.kind == "refused message":
            return PeerError(effect.fields["code"], effect.fields["text"])
    return None


def basics(view: Any) -> list[Basic]:
    """Return all basic channels of this hub."""
    return [basic for _, basic in basics_by_id(view)]


def basics_by_id(view: Any) -> list[tuple[bytes, Basic]]:
    """Return (channel id, record) of all basic channels, by id."""
    found = [(key[1:], load(view, Basic, key)) for key, _ in view.scan(b"b")]
    return [(channel_id, basic) for channel_id, basic in found if basic is not None and basic.side == BOB]


def basic_of(view: Any, channel_id: bytes) -> Basic | None:
    """Return one basic channel or None."""
    found: Basic | None = load(view, Basic, basic_key(channel_id))
    return found


def now_ms() -> int:
    """Return Unix milliseconds."""
    return int(time.time() * 1000)
