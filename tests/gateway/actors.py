"""Hub and devices for the gateway's tests: the real core on real stores and a real broker, in this process."""

import asyncio
from collections import Counter

from perunika.context import Look, Notify, Send
from perunika.messages import Message, decode, encode, peek
from perunika.party import Party
from perunika.records import PAYER, Stream, scan
from perunika_host.mqtt_link import MqttLink
from perunika_host.party_shell import PartyShell
from perunika_host.sqlite_store import SqliteStore


class Actor:
    """A party with a shell: sends what it decides, keeps its notices."""

    def __init__(self, name, domain, endpoints, directory, settings):
        self.name = name
        self.notices = []
        self.errors = []
        self.party = Party(domain, endpoints)
        directory.mkdir(parents=True, exist_ok=True)
        self.store = SqliteStore(directory / (name + ".sqlite"))
        self.shell = PartyShell(self.party, self.store, self.act)
        self.link = MqttLink(settings)
        self.tasks = []

    async def start(self, topic_filter, tick_s):
        await self.link.__aenter__()
        self.link.subscribe(topic_filter, self.on_message)
        await self.link.wait_connected(10)
        await self.shell.start()
        self.tasks.append(asyncio.create_task(self.shell.run_ticks(tick_s)))

    async def stop(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.link.close()
        await self.shell.close()
        self.store.close()

    async def act(self, effect):
        if isinstance(effect, Send):
            await self.send(effect)
        elif isinstance(effect, Notify):
            self.notices.append((effect.kind, effect.fields))
        elif isinstance(effect, Look):
            raise AssertionError("no actor here looks at the chain for others")

    async def send(self, effect):
        raise NotImplementedError

    def seen(self, kind):
        return [fields for seen, fields in self.notices if seen == kind]

    async def request(self, address, name, **fields):
        return await self.shell.request(address, name, **fields)

    async def show_chain(self, chain, address, channel_id):
        view = await chain.chain_view(channel_id)
        await self.request(
            address, "chain", channel_id=channel_id, status=view.status, base=view.base_wei, total=view.total_wei,
            withdraw_nonce=view.withdraw_nonce, block=view.block, time_s=view.time_s,
        )  # fmt: skip


class HubActor(Actor):
    """The hub: its core endpoint, and the relay between members by who was last heard where."""

    def __init__(self, domain, hub, directory, settings):
        super().__init__("hub", domain, [hub], directory, settings)
        self.address = hub.address
        self.places = {}
        self.received = Counter()

    async def on_message(self, topic, raw):
        member = bytes.fromhex(topic.split("/")[3])
        name, _, to, sender = peek(raw)
        self.received[name] += 1
        self.places[sender] = member
        if to == self.address:
            await self.shell.receive(raw)
        else:
            await self.link.publish(self.down(to), raw)

    def down(self, address):
        return f"perunika/1/hub/{self.places.get(address, address).hex()}/down"

    async def send(self, effect):
        message = effect.message
        if message.to is None:
            message = Message(message.name, message.body, message.request_id, effect.to, message.sender)
        await self.link.publish(self.down(effect.to), encode(message))


class DeviceActor(Actor):
    """A device at a site: everything goes up on its one topic, short messages stay short."""

    def __init__(self, name, domain, endpoints, device_id, site, directory, settings):
        super().__init__(name, domain, endpoints, directory, settings)
        self.id = device_id
        self.site = site
        self.access = {}
        self.heard = []
        self.readings = []

    async def on_message(self, topic, raw):
        if topic.endswith("/access"):
            self.access = raw
            return
        if not topic.endswith("/down"):
            return
        message = decode(raw)
        self.heard.append(message)
        if message.name in ("Error", "NotOk"):
            self.errors.append(message["code"])
        elif message.name == "Reading":
            self.readings.append(message)
            return
        await self.shell.receive(raw)

    async def raw(self, payload):
        await self.link.publish(f"perunika/1/{self.site}/{self.id.hex()}/up", payload)

    async def send(self, effect):
        message = effect.message
        if not effect.link and message.to is None:
            message = Message(message.name, message.body, message.request_id, effect.to, message.sender)
        await self.raw(encode(message))

    def streams(self, role=PAYER):
        return scan(self.shell.view(), Stream, b"s" + bytes((role,)))

    def stream(self, role=PAYER):
        """Return the only virtual channel that was not just asked for or refused."""
        (only,) = [each for each in self.streams(role) if each.phase not in ("requested", "refused")]
        return only
