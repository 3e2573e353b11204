"""One gateway put together: store, party, links to site and hub, chain, meter; ``run`` until cancelled."""

import asyncio
import logging
import os
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

from perunika.context import Look, Notify, Send, request_id
from perunika.endpoint import Endpoint
from perunika.errors import ChainError, LocalError
from perunika.member import Member
from perunika.messages import Message, encode
from perunika.party import Party
from perunika.payee import Payee
from perunika.records import PAYEE_MEMBER, PAYER_MEMBER, Basic, Funding, basic_key, funding_key, load
from perunika_gateway.allowances import apply_allowances
from perunika_gateway.broker_links import BrokerLinks
from perunika_gateway.chain_watch import ChainWatch
from perunika_gateway.config import GatewayConfig
from perunika_gateway.devices import Devices
from perunika_gateway.hub_terms import HubTerms
from perunika_gateway.identity import Identity, load_identity
from perunika_gateway.links import Links
from perunika_gateway.memory_marker import MemoryMarker
from perunika_gateway.meter import Meter
from perunika_gateway.meters import make_meter
from perunika_gateway.payments import Payments
from perunika_gateway.readings import Readings
from perunika_gateway.relay import Relay
from perunika_gateway.sale import SECRET_KEY
from perunika_gateway.sales import Sales
from perunika_gateway.two_places import open_store
from perunika_host.chain import Chain
from perunika_host.party_shell import PartyShell
from perunika_host.rpc import Rpc

log = logging.getLogger("perunika.gateway")

TICK_S = 1.0
OVER_S = 600  # how long after its validity a channel's handle is remembered
UNKNOWN_LIFE_S = 30 * 86400  # the same, for channels that neither end nor pass through ours
QUIET = frozenset(("served", "paid", "unpaid"))


class Gateway:
    """Everything of one gateway; ``async with`` starts it and ends it, channels stay open.

    ``run`` ticks until cancelled. Raises LocalError or ChainError at the start when it cannot work at all.
    """

    def __init__(self, config: GatewayConfig) -> None:
        self.config = config
        self.identity: Identity = load_identity(config)
        self.notices: Counter[str] = Counter()
        self._stack = AsyncExitStack()
        self._connects = 0
        self._background: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Gateway":
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        config, me = self.config, self.identity
        self.store = open_store(config.store.path, config.store.second_path)
        self._stack.callback(self.store.close)
        self.shell = PartyShell(Party(me.domain, self._endpoints()), self.store, self._act)
        self._stack.push_async_callback(self.shell.close)
        self.devices = Devices(config.device if config.site.host is not None else ())
        self.links = Links(self.shell.group, me.domain)
        self.readings = Readings(me.domain)
        self.hub_terms = HubTerms(config)
        self.brokers = BrokerLinks(config, me.member.address, self.devices)
        self.relay = Relay(
            me.own, self.devices, self.links, self._payments(),
            self.readings, self.shell.receive, self.brokers.to_device, self.brokers.to_hub,
        )  # fmt: skip
        self.chain = ChainWatch(
            await self._connect_chain(), me.channel_id, me.member.address, self.shell.request, self._refuse_look,
            config.chain.refresh_s,
        )  # fmt: skip
        self._stack.push_async_callback(self.chain.close)
        self.sales = Sales(
            await self._access_secret(), config.meter.serve_while_open, self._serve, self.shell.view,
            self.brokers.announce_access,
        )  # fmt: skip
        self._stack.push_async_callback(self.sales.close)
        await self._remember()
        await self.shell.start()
        await self.brokers.start(self._stack, self.relay)
        self._spawn(self.chain.run())
        self._spawn(self.hub_terms.run())
        await self._open_meter()

    def _payments(self) -> Payments:
        me = self.identity
        payee = me.payee.address if me.payee is not None else None
        return Payments(me.member.address, payee, self.shell.request, self.shell.view)

    def _endpoints(self) -> list[Endpoint]:
        me = self.identity
        ends: list[Endpoint] = [Member(me.member.protocol, me.member_policy)]
        if me.payee is not None:
            ends.append(Payee(me.payee.protocol, me.payee_policy))
        return ends

    async def _connect_chain(self) -> Chain:
        """Return the chain; one that is down now is waited for, a wrong one ends the start."""
        wanted = self.config.chain
        try:
            chain = await Chain.connect(wanted.rpc, wanted.contract, wanted.chain_id, wanted.confirmations)
        except ChainError as error:
            if error.code != "chain.unreachable":
                raise
            log.warning("%s", error)
            chain = Chain(Rpc(wanted.rpc), wanted.contract, wanted.chain_id, wanted.confirmations)
        self._stack.push_async_callback(chain.close)
        return chain

    async def _access_secret(self) -> bytes:
        known = self.shell.view().get(SECRET_KEY)
        if known is None:
            fresh = os.urandom(32)
            await self.shell.group.run(lambda view: view.put(SECRET_KEY, fresh))
            return fresh
        return bytes(known)

    async def _remember(self) -> None:
        """Take up our channel, our payees and our allowances; a channel whose memory is gone is frozen (R15)."""
        me, member = self.identity, self.identity.member.address
        marker = MemoryMarker(self.config.member.keystore)
        known = load(self.shell.view(), Basic, basic_key(me.channel_id)) is not None
        await self.shell.request(member, "adopt", params=me.channel)
        if not known and marker.has(me.channel_id):
            log.error("the memory of channel 0x%s is lost: nothing is signed in it any more (R15)", me.channel_id.hex())
            await self.shell.request(member, "freeze", channel_id=me.channel_id)
        marker.add(me.channel_id)
        sellers = [each.address for each in self.config.device if each.kind == "seller"]
        for payee in sellers + ([me.payee.address] if me.payee is not None else []):
            await self.shell.request(member, "serve payee", payee=payee)
        await apply_allowances(self.shell, member, self.config)

    async def _open_meter(self) -> None:
        self.meter: Meter | None = make_meter(self.config, self.identity, self.sales)
        if self.meter is not None:
            await self.sales.start()
            self._stack.push_async_callback(self.meter.close)
            await self.meter.open()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._background.append(task)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(end)

    async def _serve(self, virtual: bytes) -> object:
        payee = self.identity.payee
        if payee is None:
            raise LocalError("meter.none", "this gateway has no meter")
        return await self.shell.request(payee.address, "serve", virtual=virtual)

    async def _act(self, effect: Any) -> None:
        if isinstance(effect, Send):
            await self.relay.send(effect)
        elif isinstance(effect, Look):
            self.chain.look(effect)
        elif isinstance(effect, Notify):
            await self._notice(effect)

    async def _notice(self, notice: Notify) -> None:
        self.notices[notice.kind] += 1
        log.log(logging.DEBUG if notice.kind in QUIET else logging.INFO, "%s %s", notice.kind, _shown(notice.fields))
        await self.sales.notice(notice.kind, notice.fields)

    async def _refuse_look(self, error: Message) -> None:
        """Tell who asked for a view of the chain that there is none now."""
        if error.to not in self.identity.own:
            await self.relay.send(Send(error.to, error))

    async def run(self) -> None:
        """Tick for ever: repeat what is unanswered, greet the hub after each reconnect, show our state."""
        healthy = True
        while True:
            try:
                await self.shell.tick()
                if not healthy:
                    # What a failed commit had scheduled is forgotten: schedule it again, as after a restart.
                    await self.shell.start()
                healthy = True
                await self._greet_hub()
                await self._forget_ended()
            except LocalError as error:
                log.error("%s", error)
                healthy = False
            await self.brokers.show_state(self.state())
            for task in self._background:
                if task.done():
                    task.result()  # raises what ended it: better no gateway than half of one
            await asyncio.sleep(TICK_S)

    async def _greet_hub(self) -> None:
        """After each connection ask the hub for what it waits for from us, such as a collect (flow 4)."""
        connects = self.brokers.hub.state.connects
        if connects != self._connects:
            self._connects = connects
            me = self.identity
            asked = request_id("Resume", me.channel_id)
            hello = Message("Resume", {"id": me.channel_id}, asked, self.config.hub.address, me.member.address)
            await self.brokers.to_hub(encode(hello))

    async def _forget_ended(self) -> None:
        """Drop handles of channels whose time is over, one a second; until then a late payer is told that it is."""
        view, now_s = self.shell.view(), time.time()
        for link in self.links.all():
            fundings = [load(view, Funding, funding_key(role, link.virtual)) for role in (PAYEE_MEMBER, PAYER_MEMBER)]
            known = [each for each in fundings if each is not None]
            ends_s = known[0].params.validity + OVER_S if known else link.noted_s + UNKNOWN_LIFE_S
            if now_s > ends_s:
                await self.links.forget(link.virtual)
                return

    def state(self) -> dict[str, Any]:
        """Return what the retained state topic and ``/v1/health`` show."""
        errors = {
            "site": self.brokers.site.state.last_error if self.brokers.site else None,
            "hub": self.brokers.hub.state.last_error,
            "chain": self.chain.last_error,
            "hub terms": self.hub_terms.problem,
        }
        return {
            "ok": not any(errors.values()),
            "errors": {name: str(error) for name, error in errors.items() if error is not None},
            "clients": self.sales.clients,
            "links": len(self.links),
            "refused": dict(self.devices.refused),
        }


def _shown(fields: dict[str, Any]) -> str:
    return " ".join(
        f"{name}={value.hex()[:16] if isinstance(value, bytes) else value}"
        for name, value in fields.items()
        if isinstance(value, (bytes, int, str))
    )
