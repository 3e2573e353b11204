"""A party: its endpoints on one store, and the one ``step`` that shells run: step, **store, then** act.

``receive``, ``request``, ``tick`` and ``start`` write into an ``Overlay`` and return effects. The shell commits the
overlay first and acts on the effects afterwards. A message that is refused leaves no write and does not stop others.
"""

from perunika.context import Context, Notify, Send
from perunika.errors import LocalError, PeerError, PerunikaError
from perunika.messages import Message, decode, peek_header
from perunika.phases import WAITING
from perunika.records import HUB, PAYEE, PAYER, Funding, Stream, load
from perunika.store import Overlay
from perunika.value import clip_text

MAX_INNER = 64  # messages between endpoints of one party that a single step may cause
MAX_BYTES = 2048


class Party:
    """All endpoints of one process, by address, in one EIP-712 ``domain``; each has a key of its own (R20)."""

    def __init__(self, domain, endpoints):
        self.domain = domain
        self.endpoints = {}
        for endpoint in endpoints:
            if endpoint.address in self.endpoints:
                raise LocalError("party.keys", "two roles have the same key (R20)", "give each role a key of its own")
            self.endpoints[endpoint.address] = endpoint

    def receive(self, view, raw, now_ms, random):
        """Take one encoded message; returns effects. Refusals become an ``Error`` to the sender and a notice."""
        try:
            message = decode(raw, MAX_BYTES)
        except PeerError as error:
            return self._undecodable(raw, error)
        return self.deliver(view, message, now_ms, random)

    def _undecodable(self, raw, error):
        """Answer what is no message of ours with an ``Error``, if its header at least is one; else only a notice."""
        try:
            number, request_id, to, sender = peek_header(raw)
        except PeerError:
            number, request_id, to, sender = 0, None, None, None
        about = Message("type %d" % number, {}, request_id, to, sender)
        effects = self._refusal(about, error)
        return effects if number and to in self.endpoints else effects[:1]

    def deliver(self, view, message, now_ms, random):
        """Take one decoded message; see ``receive``."""
        inbox = [message]
        effects = []
        for _ in range(MAX_INNER):
            if not inbox:
                break
            for effect in self._one(view, inbox.pop(0), now_ms, random):
                if type(effect) is Send and effect.to in self.endpoints:
                    inbox.append(self._addressed(effect))
                else:
                    effects.append(effect)
        return effects

    def _addressed(self, effect):
        message = effect.message
        if message.to is not None:
            return message
        return Message(message.name, message.body, message.request_id, effect.to, message.sender)

    def _one(self, view, message, now_ms, random):
        """Run one message on a view of its own; its writes count only if it is not refused."""
        trial = Overlay(view)
        ctx = Context(trial, self.domain, now_ms, random)
        try:
            endpoint = self._endpoint(ctx, message)
            if message.name == "Error":
                fields = {"code": message["code"], "text": message["text"], "sender": message.sender}
                return [Notify("peer error", fields)]
            endpoint.handle(ctx, message)
        except PerunikaError as error:
            return self._refusal(message, error)
        for key in trial.writes:
            view.writes[key] = trial.writes[key]
        return ctx.effects

    def _endpoint(self, ctx, message):
        """Return the endpoint that ``message`` is for; a link message names it by its channel or handle."""
        if message.to is not None:
            endpoint = self.endpoints.get(message.to)
        else:
            endpoint = self.endpoints.get(self._end_of(ctx, message))
        if endpoint is None:
            raise PeerError("message.to", "this message is for somebody else")
        return endpoint

    def _end_of(self, ctx, message):
        route = message["id"]
        known = ctx.view.get(b"h" + route.to_bytes(4, "big")) if type(route) is int else None
        if known is None:
            return None
        stream = load(ctx.view, Stream, b"s" + known)
        if stream is None:
            return None
        return stream.params.payer if known[0] == PAYER else stream.params.payee

    def _refusal(self, message, error):
        effects: list = [Notify("refused message", {
            "code": error.code, "text": error.text, "about": message.name, "sender": message.sender,
            "fault": error.fault,
        })]  # fmt: skip
        if message.sender is not None and message.name != "Error":
            body = {"code": clip_text(error.code, 40), "text": clip_text(error.text, 150)}
            if error.hint:
                body["hint"] = clip_text(error.hint, 150)
            answer = Message("Error", body, message.request_id, message.sender, message.to)
            effects.append(Send(message.sender, answer))
        return effects

    def request(self, view, address, name, now_ms, random, **fields):
        """Run our user's request ``name`` at endpoint ``address``; if it raises, nothing is written."""
        trial = Overlay(view)
        ctx = Context(trial, self.domain, now_ms, random)
        endpoint = self.endpoints.get(address)
        if endpoint is None or name not in endpoint.REQUESTS:
            raise LocalError("request.unknown", "no endpoint here takes the request " + name)
        endpoint.REQUESTS[name](ctx, endpoint, **fields)
        for key in trial.writes:
            view.writes[key] = trial.writes[key]
        return self._settle(view, ctx.effects, now_ms, random)

    def _settle(self, view, effects, now_ms, random):
        """Deliver what goes to our own endpoints; returns the effects for the outside."""
        outside = []
        for effect in effects:
            if type(effect) is Send and effect.to in self.endpoints:
                outside += self.deliver(view, self._addressed(effect), now_ms, random)
            else:
                outside.append(effect)
        return outside

    def tick(self, view, now_ms, random):
        """Repeat what is unanswered and do what is due; call about once a second. Returns effects."""
        effects = self._retries(view, now_ms, random)
        for address in self.endpoints:
            endpoint = self.endpoints[address]
            for each in endpoint.TICKS:
                effects += self._guarded(view, now_ms, random, each, (endpoint,))
        return self._settle(view, effects, now_ms, random)

    def _retries(self, view, now_ms, random):
        effects = []
        for key, raw in view.scan(b"~w"):
            if int.from_bytes(raw[:8], "big") <= now_ms:
                role, virtual_id = key[3], key[4:]
                effects += self._guarded(view, now_ms, random, self._repeat, (role, virtual_id, raw[8]))
        return effects

    def _repeat(self, ctx, role, virtual_id, attempts):
        record = load_record(ctx.view, role, virtual_id)
        if record is None or record.phase not in WAITING[role]:
            ctx.settled(role, virtual_id)
            return
        ctx.later(role, virtual_id, min(attempts + 1, 200))
        for address in self.endpoints:
            endpoint = self.endpoints[address]
            if role in endpoint.RETRIES and _is_party(endpoint, role, record):
                endpoint.RETRIES[role](ctx, endpoint, virtual_id, record)

    def _guarded(self, view, now_ms, random, function, args):
        trial = Overlay(view)
        ctx = Context(trial, self.domain, now_ms, random)
        try:
            function(ctx, *args)
        except PerunikaError as error:
            return [Notify("refused", {"code": error.code, "text": error.text})]
        for key in trial.writes:
            view.writes[key] = trial.writes[key]
        return ctx.effects

    def start(self, view, now_ms):
        """After a restart: schedule everything that waits for an answer."""
        ctx = Context(view, self.domain, now_ms)
        for role in range(HUB + 1):
            prefix = (b"s" if role in (PAYER, PAYEE) else b"f") + bytes((role,))
            for key, _ in view.scan(prefix):
                record = load_record(view, role, key[2:])
                if record.phase in WAITING[role]:
                    ctx.later(role, key[2:])
                if role == PAYEE and record.phase == "serving":
                    view.put(b"~l" + key[2:], now_ms.to_bytes(8, "big"))


def load_record(view, role, virtual_id):
    """Return the ``Stream`` or ``Funding`` that ``role`` keeps of a virtual channel, or ``None``."""
    if role in (PAYER, PAYEE):
        return load(view, Stream, b"s" + bytes((role,)) + virtual_id)
    return load(view, Funding, b"f" + bytes((role,)) + virtual_id)


def _is_party(endpoint, role, record):
    if role == PAYER:
        return record.params.payer == endpoint.address
    if role == PAYEE:
        return record.params.payee == endpoint.address
    return True
