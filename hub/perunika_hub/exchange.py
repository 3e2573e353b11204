"""Messages in and out: MQTT topics to the core and back, and from member to member (details.md "Addressing and relay").

Nothing is believed because of the topic it came on; topics only say where an address is heard. A message to
somebody else passes unread and unchanged.
"""

import logging
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from perunika.context import Notify, Send, Submit
from perunika.errors import LocalError, PeerError, PerunikaError
from perunika.messages import MAX_BYTES, Message, decode, encode, peek
from perunika.records import HUB, Funding, funding_key, load
from perunika.value import clip_text
from perunika_host.sqlite_store import SqliteStore
from perunika_hub.jobs import HubParty
from perunika_hub.routes import Routes
from perunika_hub.shell import HubShell, basic_of, basics, refused

log = logging.getLogger("perunika.hub.exchange")

ROOT = "perunika/1/hub/"
UP_FILTER = ROOT + "+/up"
UP_TOPIC = re.compile(re.escape(ROOT) + "([0-9a-f]{40})/up")
BINDINGS = b"Hr"

Publish = Callable[[str, bytes], Awaitable[bool]]

# Messages of members that carry a signature the core checks, when they tell it something new.
SIGNED = frozenset((
    "OpenVirtual", "LegSigned", "CloseLeg", "Collected", "Voucher", "CheckpointSigned", "CloseOffer", "CloseSigned",
    "WithdrawOffer", "WithdrawSigned",
))  # fmt: skip
# Unsigned messages that could do harm in another's name: only from where that address is known to be.
TRUSTED_PLACE = frozenset(("NotOk", "Resume"))


class Exchange:
    """Owns the shell; ``publish(topic, payload)`` is set once the link to the broker exists."""

    def __init__(self, party: HubParty, store: SqliteStore, hub: bytes, routes: Routes) -> None:
        self.hub = hub
        self.routes = routes
        self.shell = HubShell(party, store, self.act)
        self.members = {basic.params.alice for basic in basics(self.shell.view())}
        self.counters: Counter[str] = Counter()
        self.publish: Publish = _nowhere
        self.submitted: Callable[[], None] = lambda: None

    async def on_up(self, topic: str, payload: bytes) -> None:
        """Take a message from ``perunika/1/hub/<member>/up``: for the core, for another member, or refused."""
        member = member_of(topic)
        self.counters["received"] += 1
        if member is None:
            self.counters["refused"] += 1
            log.warning("refused a message on %s: the topic names no member", topic)
            return
        request_id = None
        sender = member
        try:
            name, request_id, to, claimed = _header(payload)
            sender = self._checked_sender(name, claimed, member)
            if to == self.hub:
                await self._take(name, request_id, sender, member, payload)
            else:
                await self._relay(request_id, to, sender, member, payload)
        except PerunikaError as error:
            await self._refuse(member, sender, request_id, error)
        if sender == member and self.routes.heard_directly(member):
            await self.shell.group.run(lambda view: view.delete(BINDINGS + member))

    def _checked_sender(self, name: str, claimed: bytes, member: bytes) -> bytes:
        if claimed == self.hub:
            raise PeerError("message.from", "this is the hub's own address")
        if claimed != member:
            self.routes.check(claimed, member)
            if name in TRUSTED_PLACE and not self.routes.is_bound(claimed, member) and claimed in self.members:
                raise PeerError("message.from", name + " of an address that is not known behind this member")
        return claimed

    async def _take(self, name: str, request_id: bytes | None, sender: bytes, member: bytes, payload: bytes) -> None:
        indirect = sender != member
        if indirect and request_id is not None:
            self.routes.expect_answer(sender, request_id, member)
        effects, told = await self.shell.take(payload)
        if refused(effects) is not None:
            self.counters["refused"] += 1
        elif indirect and told and self._signer(name, payload) == sender and self.routes.bind(sender, member):
            await self.shell.group.run(lambda view: view.put(BINDINGS + sender, member))

    def _signer(self, name: str, payload: bytes) -> bytes | None:
        """Return the member whose signature a message that was taken carries: the one of the channel it is about."""
        if name not in SIGNED:
            return None
        view, message = self.shell.view(), decode(payload)
        channel_id = message["channel"] or message["id"]
        for body in (message["close"], message["withdraw"]):
            channel_id = body.channel_id if body is not None else channel_id
        params = message["params"]
        if params is None and message["virtual"] is not None:
            funding = load(view, Funding, funding_key(HUB, message["virtual"]))
            params = funding.params if funding is not None else None
        if params is not None:
            channel_id = params.payee_channel if name == "CloseLeg" else params.payer_channel
        basic = basic_of(view, channel_id) if channel_id is not None else None
        return None if basic is None else basic.params.alice

    async def _relay(self, request_id: bytes | None, to: bytes, sender: bytes, member: bytes, payload: bytes) -> None:
        place = self.routes.place_of(to, request_id)
        if place is None and (to in self.members or self.routes.knows_directly(to)):
            place = to
        if place is None or place == member:
            raise PeerError("message.to", "nobody here knows this address", "is its gateway connected to this hub?")
        if request_id is not None:
            self.routes.expect_answer(sender, request_id, member)
        self.counters["relayed"] += 1
        await self.publish(down(place), payload)

    async def _refuse(self, member: bytes, sender: bytes, request_id: bytes | None, error: PerunikaError) -> None:
        self.counters["refused"] += 1
        level = logging.ERROR if isinstance(error, LocalError) else logging.INFO
        log.log(level, "refused a message through 0x%s: %s", member.hex(), error)
        body = {"code": clip_text(error.code, 40), "text": clip_text(error.text, 150)}
        if error.hint:
            body["hint"] = clip_text(error.hint, 150)
        await self.publish(down(member), encode(Message("Error", body, request_id, sender, self.hub)))

    async def act(self, effect: Any) -> None:
        """Do what a durable step decided."""
        if isinstance(effect, Send):
            await self._send(effect)
        elif isinstance(effect, Submit):
            self.submitted()
        elif isinstance(effect, Notify):
            self._notice(effect)

    async def _send(self, effect: Send) -> None:
        message = effect.message
        if message.to is None:
            message = Message(message.name, message.body, message.request_id, effect.to, message.sender)
        place = self.routes.place_of(effect.to, message.request_id) or effect.to
        self.counters["sent"] += 1
        await self.publish(down(place), encode(message))

    def _notice(self, notice: Notify) -> None:
        level = logging.WARNING if notice.kind in ("refused", "peer error") else logging.DEBUG
        log.log(level, "%s", notice.kind, extra={"fields": notice.fields})
        if notice.kind == "virtual opened":
            self._learn_devices(notice.fields["virtual"])

    def _learn_devices(self, virtual_id: bytes) -> None:
        """Payer and payee of an open virtual channel are behind the members of its legs."""
        view = self.shell.view()
        funding = load(view, Funding, funding_key(HUB, virtual_id))
        for device, channel_id in (
            (funding.params.payer, funding.params.payer_channel),
            (funding.params.payee, funding.params.payee_channel),
        ):
            basic = basic_of(view, channel_id)
            if basic is not None:
                place = self.routes.place_of(basic.params.alice, None) or basic.params.alice
                self.routes.learn(device, place)


def _header(payload: bytes) -> tuple[str, bytes | None, bytes, bytes]:
    if len(payload) > MAX_BYTES:
        raise PeerError("message.size", f"{len(payload)} bytes, at most {MAX_BYTES} are allowed")
    name, request_id, to, sender = peek(payload)
    if to is None or sender is None:
        raise PeerError("message.header", "a message to a hub needs `to` and `from`")
    return name, request_id, to, sender


def member_of(topic: str) -> bytes | None:
    """Return the member that ``perunika/1/hub/<40 lower-case hex digits>/up`` names, or None."""
    named = UP_TOPIC.fullmatch(topic)
    return None if named is None else bytes.fromhex(named[1])


def down(member: bytes) -> str:
    """Return the topic on which ``member`` listens."""
    return f"{ROOT}{member.hex()}/down"


async def _nowhere(topic: str, payload: bytes) -> bool:
    log.debug("not connected yet, dropped a message to %s", topic)
    return False
