"""The parties that are not boards, for tests of boards: hub, shop and owner as core parties on SQLite, over MQTT.

One thread with one event loop runs them; ``Cast`` relays between them and the boards by the rules of the gateway.
What the chain shows is set by the test (``figures``); everything else is the real thing.
"""

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from perunika.context import Look, Notify, Send
from perunika.crypto import PrivateKey
from perunika.eip712 import Domain
from perunika.errors import PerunikaError
from perunika.evidence import VoucherEvidence
from perunika.hub import Hub
from perunika.member import Member
from perunika.messages import Fees, Message, decode, encode
from perunika.party import Party
from perunika.payee import Payee
from perunika.policies import HubPolicy, MemberPolicy, PayeePolicy
from perunika.records import OPEN, PAYEE, Stream, scan
from perunika.structs import NATIVE, BasicParams
from perunika_cli.stack.broker import Broker
from perunika_host.mqtt_link import MqttLink
from perunika_host.mqtt_settings import MqttSettings
from perunika_host.party_shell import PartyShell
from perunika_host.sqlite_store import SqliteStore

SITE = "demo"
ETHER = 10**18
DEPOSIT_WEI = 10**6
TOTAL_WEI = 3 * 10**6
PRICE_WEI = 100
DOMAIN = Domain(31337, b"\xc0\xde" * 10)
FEES = Fees(1000, 200, 50, 100, ETHER, int(time.time()) + 10**7)


def key(name: str) -> PrivateKey:
    """Return the fixed key of an actor."""
    return PrivateKey(hashlib.sha256(b"actor " + name.encode()).digest())


def channel(member: bytes, name: str) -> BasicParams:
    """Return the basic channel of ``member`` with the hub; ``name`` makes its salt."""
    owner, hub_owner = key(name + " owner").address, key("hub owner").address
    salt = hashlib.sha256(name.encode()).digest()
    return BasicParams(member, key("hub").address, owner, hub_owner, NATIVE, 3600, int(time.time()) + 3600, salt)


class Node:
    """One party in its process-like shell, with what it was told."""

    def __init__(self, cast: "Cast", name: str, endpoints: list[Any], path: Path) -> None:
        self.name = name
        self.party = Party(DOMAIN, endpoints)
        self.notices: list[Notify] = []
        self.store = SqliteStore(path)
        self.shell = PartyShell(self.party, self.store, lambda effect: cast.act(self, effect))

    def seen(self, kind: str) -> list[dict[str, Any]]:
        """Return the fields of all notices of ``kind``."""
        return [dict(notice.fields) for notice in list(self.notices) if notice.kind == kind]


class Cast:
    """Hub, shop (member and payee of a metered service) and owner; ``with`` runs them.

    ``devices`` maps a board's id (40 hex digits) to its addresses. ``unit_ms``: the meter's unit at ``PRICE_WEI``.
    """

    def __init__(
        self,
        directory: Path,
        broker: Broker,
        devices: dict[str, set[bytes]],
        own: dict[str, bytes],
        unit_ms: int = 1000,
    ) -> None:
        self.broker = broker
        self.devices = devices
        self.unit_ms = unit_ms
        self.figures = {"status": OPEN, "base": DEPOSIT_WEI, "total": TOTAL_WEI}
        self.handles: dict[tuple[str, int], bytes] = {}
        self.virtuals: dict[int, bytes] = {}
        self.filter: Callable[[str, Message], bool] = lambda device, message: True
        self.received: list[tuple[str, Message]] = []
        self.serving = True
        self.block = 1
        self._tasks: set[asyncio.Task[Any]] = set()
        members = {name: key(name).address for name in ("shop", "owner")} | own
        self.channels = {name: channel(address, name) for name, address in members.items()}
        self.nodes = self._make_nodes(directory)
        self.hub, self.shop, self.owner = self.nodes
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cast")
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    def _make_nodes(self, directory: Path) -> list[Node]:
        hub_policy = HubPolicy(
            FEES, key("hub owner").address, 60, 86400, 3600, 86400 * 30, 10, 100, 0, ETHER, 3600, 4
        )  # fmt: skip
        member_policy = MemberPolicy(key("hub").address, FEES, 60, 86400, 86400 * 30)
        payee_policy = PayeePolicy(
            self.channels["shop"], key("shop").address, key("shop").address, PRICE_WEI, self.unit_ms, 1000, 600, 60,
            86400, 600, PRICE_WEI, 60,
        )  # fmt: skip
        shop = [Member(key("shop"), member_policy), Payee(key("meter"), payee_policy)]
        return [
            Node(self, "hub", [Hub(key("hub"), hub_policy)], directory / "hub.db"),
            Node(self, "shop", shop, directory / "shop.db"),
            Node(self, "owner", [Member(key("owner"), member_policy)], directory / "owner.db"),
        ]

    # Life

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001  handed to the test's thread
            self._failure = error
        finally:
            self._ready.set()

    async def _main(self) -> None:
        self.loop = asyncio.get_running_loop()
        settings = MqttSettings(
            "127.0.0.1", self.broker.site_port, "gateway", self.broker.ca_pem, "gateway",
            self.broker.password_path("site", "gateway"), retry_max_s=1.0,
        )  # fmt: skip
        async with MqttLink(settings) as self.link:
            self.link.subscribe(f"perunika/1/{SITE}/+/up", self._from_device)
            await self.link.wait_connected(10)
            await self._fund()
            ticks = [asyncio.create_task(node.shell.run_ticks()) for node in self.nodes]
            ticks.append(asyncio.create_task(self._meter()))
            self._ready.set()
            while not self._stopping.is_set():
                await asyncio.sleep(0.05)
            for task in [*ticks, *self._tasks]:
                task.cancel()
        for node in self.nodes:
            await node.shell.close()
            node.store.close()

    async def _fund(self) -> None:
        for name, params in self.channels.items():
            await self.hub.shell.request(key("hub").address, "opened", params=params)
            await self._show(self.hub, "hub", name)
            node = {"shop": self.shop, "owner": self.owner}.get(name)
            if node is not None:
                await node.shell.request(key(name).address, "adopt", params=params)
                await self._show(node, name, name)
        for address in self.payees():
            await self.shop.shell.request(key("shop").address, "serve payee", payee=address)
        for addresses in self.devices.values():
            for address in addresses:
                await self.owner.shell.request(
                    key("owner").address, "allow", payer=address, limit=50_000, max_fee=10**15
                )

    def payees(self) -> list[bytes]:
        """Return every payee key that the shop's member serves: its own meter and any board."""
        return [key("meter").address, *(address for addresses in self.devices.values() for address in addresses)]

    async def _show(self, node: Node, endpoint: str, name: str) -> None:
        await node.shell.request(
            key(endpoint).address, "chain", channel_id=self.channels[name].digest(DOMAIN), withdraw_nonce=0,
            block=self.block, time_s=int(time.time()), **self.figures,
        )  # fmt: skip

    def call(self, work: Coroutine[Any, Any, Any], timeout_s: float = 10) -> Any:
        """Run a coroutine in the cast's loop and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout_s)

    def send(self, device: str, message: Message) -> None:
        """Publish a message to a board, as anybody who may write to its topic could."""
        self.call(self._down(device, encode(message)))

    # Relay

    async def _from_device(self, topic: str, raw: bytes) -> None:
        device = topic.split("/")[3]
        message = decode(raw)
        self.received.append((device, message))
        if self.filter(device, message):
            self._soon(self._route(device, message, raw))

    async def _route(self, device: str, message: Message, raw: bytes) -> None:
        if message.name == "Ready":
            self._learn(message)
        to = message.to
        if to is None:
            to = self.handles.get((device, message["id"]))
        if message.to is None and message.name == "Voucher":
            await self._keep(message)
        if to is not None:
            await self._pass_on(to, raw)

    async def _keep(self, message: Message) -> None:
        virtual = self.virtuals.get(message["id"])
        if virtual is not None:
            evidence = VoucherEvidence(message["amount"], message["signature"])
            try:
                await self.shop.shell.request(key("shop").address, "keep evidence", virtual=virtual, evidence=evidence)
            except PerunikaError as error:
                self.shop.notices.append(Notify("evidence refused", {"code": error.code}))

    async def _pass_on(self, to: bytes, raw: bytes) -> None:
        node = next((node for node in self.nodes if to in node.party.endpoints), None)
        if node is not None:
            await node.shell.receive(raw)
            return
        for device, addresses in self.devices.items():
            if to in addresses:
                await self._down(device, raw)

    async def _down(self, device: str, raw: bytes) -> None:
        await self.link.publish(f"perunika/1/{SITE}/{device}/down", raw)

    def _learn(self, message: Message) -> None:
        """Remember both ends of a handle: every Ready passes here."""
        ready = message["ready"]
        for device, addresses in self.devices.items():
            if message.to in addresses:
                self.handles[device, ready.handle] = message.sender or b""
            if message.sender in addresses:
                self.handles[device, ready.handle] = message.to or b""
        self.virtuals[ready.handle] = ready.virtual_id

    def _soon(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def act(self, node: Node, effect: Any) -> None:
        """Do what a party's step asks for."""
        if isinstance(effect, Send):
            message = effect.message
            if not effect.link and message.to is None:
                message = Message(message.name, message.body, message.request_id, effect.to, message.sender)
            if message.name == "Ready":
                self._learn(message)
            self._soon(self._pass_on(effect.to, encode(message)))
        elif isinstance(effect, Look):
            self._soon(self._answer(node, effect))
        elif isinstance(effect, Notify):
            node.notices.append(effect)

    async def _answer(self, node: Node, look: Look) -> None:
        await node.shell.request(
            look.viewer, "looked", look=look, block=self.block, time_s=int(time.time()), **self.figures
        )

    # The shop's metered service

    async def _meter(self) -> None:
        """Serve each channel one unit a period, as long as it is paid for."""
        while True:
            await asyncio.sleep(self.unit_ms / 1000)
            if not self.serving:
                continue
            for stream in self.streams():
                if stream.phase == "serving":
                    try:
                        await self.shop.shell.request(
                            key("meter").address, "serve", virtual=stream.params.digest(DOMAIN)
                        )
                    except PerunikaError:
                        pass  # unpaid: the payer is away or has stopped; the meter waits

    def streams(self) -> list[Stream]:
        """Return the channels that the meter is paid through."""
        return scan(self.shop.shell.view(), Stream, b"s" + bytes((PAYEE,)))

    def vouchers(self, device: str) -> list[Message]:
        """Return every voucher of a virtual channel that this board has sent."""
        return [m for d, m in list(self.received) if d == device and m.name == "Voucher" and m.to is None]
