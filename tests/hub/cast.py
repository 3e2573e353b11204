"""The cast of the hub's tests: a real chain, a real broker, the hub as a process, and members built from the core.

Members speak only through ``perunika/1/hub/<member>``; vouchers in link form go straight from payer to payee, as
over a device's own link.
"""

import asyncio
import hashlib
import json
import os
import sys
import time
from pathlib import Path

import aiohttp
from eth_account import Account

from perunika.context import Look, Notify, Send
from perunika.crypto import PrivateKey
from perunika.eip712 import Domain
from perunika.member import Member
from perunika.messages import Fees, Message, encode, peek
from perunika.party import Party
from perunika.payee import Payee
from perunika.payer import Payer
from perunika.policies import MemberPolicy, PayeePolicy, PayerPolicy
from perunika.records import PAYEE, Basic, Stream, basic_key, load, stream_key
from perunika.store import MemoryStore, Overlay
from perunika.structs import BasicParams
from perunika_cli.stack.broker import Broker
from perunika_cli.stack.node import Node
from perunika_cli.stack.process import Process
from perunika_host.chain import Chain
from perunika_host.chain_actions import ChainActions, deploy
from perunika_host.chain_calls import Opening
from perunika_host.mqtt_link import MqttLink
from perunika_host.mqtt_settings import MqttSettings
from perunika_host.rpc import Rpc

ETHER = 10**18
GWEI = 10**9
WINDOW_S = 600
MEMBERS = tuple(f"m{number}" for number in range(8))
FEES = Fees(GWEI, 500, 100, 1000, ETHER, 2**40)
READY_S = 30


def key(name: str) -> PrivateKey:
    return PrivateKey(hashlib.sha256(b"hub test " + name.encode()).digest())


def hexed(value: bytes) -> str:
    return "0x" + value.hex()


def write_private(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(text)
    path.chmod(0o600)
    return path


class Stage:
    """Chain with contract and vault, broker, and the files of a hub; ``hub()`` is its process."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.node = Node(directory / "node", block_time_s=None, keep_chain=True)
        passwords = {key(name).address.hex(): "password of " + name for name in MEMBERS}
        self.broker = Broker(directory / "broker", members=passwords, hub={"hub": "hub's password"})
        self.contract = b""
        self.wealthy: list[str] = []

    def __enter__(self):
        self.node.start()
        self.broker.start()
        self.wealthy = [account.private_key for account in self.node.accounts]
        asyncio.run(self._prepare())
        return self

    def __exit__(self, *_):
        self.broker.kill()
        self.node.kill()

    async def _prepare(self):
        async with Rpc(self.node.rpc_url) as rpc:
            self.contract, _ = await deploy(rpc, self.account(0), 2, 30 * 86400)
        async with await self.chain() as chain:
            owner = ChainActions(chain, self.account(1))
            await owner.set_operator(key("hub").address)
            await owner.deposit(self.owner, 50 * ETHER)
        self.mine(3)

    def account(self, number):
        return Account.from_key(self.wealthy[number])

    @property
    def owner(self) -> bytes:
        return bytes.fromhex(self.account(1).address[2:])

    async def chain(self, confirmations=2) -> Chain:
        return await Chain.connect(self.node.rpc_url, self.contract, self.node.chain_id, confirmations)

    @property
    def domain(self) -> Domain:
        return Domain(self.node.chain_id, self.contract)

    def mine(self, blocks=1):
        self.node.call("anvil_mine", hex(blocks))

    def write_config(self, directory: Path, **changes) -> Path:
        """Write hub.toml with keys; ``changes`` are dotted keys with ``__`` for the dot and TOML values."""
        keys = directory / "keys"
        for name, secret in (("hub", key("hub")), ("gas", self.account(2).key)):
            secret = hashlib.sha256(b"hub test hub").digest() if name == "hub" else secret
            # The weakest key derivation of the format: these keys guard nothing, and tests start many hubs.
            write_private(keys / f"{name}.json", json.dumps(Account.encrypt(secret, "password", "pbkdf2", 2)))
            write_private(keys / f"{name}.password", "password\n")
        write_private(keys / "admin.token", "token of the admin\n")
        values = {
            "chain.rpc_url": self.node.rpc_url,
            "chain.contract": hexed(self.contract),
            "chain.chain_id": self.node.chain_id,
            "chain.poll": "50ms",
            "keys.vault_owner": hexed(self.owner),
            "mqtt.client_id": "hub-" + os.urandom(6).hex(),
            "mqtt.port": self.broker.hub_port,
            "mqtt.ca_file": str(self.broker.ca_pem),
            "mqtt.user": "hub",
            "mqtt.password_file": str(self.broker.password_path("hub", "hub")),
            "http.port": 0,
            "http.quotes_per_minute": 1000,
            "limits.min_window": "1m",
            "limits.max_window": "30d",
            "limits.checkpoint_every": 2,
            "settle.wait": "100ms",
        }
        values |= {name.replace("__", "."): value for name, value in changes.items()}
        tables: dict[str, list[str]] = {}
        for name, value in values.items():
            table, _, setting = name.partition(".")
            tables.setdefault(table, []).append(f"{setting} = {json.dumps(value)}")
        text = "\n".join(f"[{table}]\n" + "\n".join(lines) for table, lines in tables.items())
        path = directory / "hub.toml"
        path.write_text(text + "\n" + self.devices())
        return path

    def devices(self) -> str:
        return "".join(
            f'[[devices]]\naddress = "{hexed(key(device).address)}"\nmember = "{hexed(key(member).address)}"\n'
            for device, member in (("meter", "m0"),)
        )


class HubProcess:
    """``python -m perunika_hub`` and its HTTP interface."""

    def __init__(self, config: Path) -> None:
        argv = [sys.executable, "-m", "perunika_hub", "--config", config]
        self.process = Process("hub", argv, config.parent / "hub.log")
        self.url = ""

    def start(self):
        self.process.start()
        self.url = self.process.wait_for_line(r"^perunika hub ready http=(\S+)", READY_S)[1]
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.process.kill()

    async def call(self, method, path, body=None, token="token of the admin", raw=None):
        """Return (status, JSON)."""
        headers = {"Authorization": "Bearer " + token} if token else {}
        payload = raw if raw is not None else (json.dumps(body) if body is not None else None)
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, data=payload, headers=headers) as response,
        ):
            return response.status, await response.json()

    async def get(self, path):
        status, body = await self.call("GET", path)
        assert status == 200, body
        return body

    async def post(self, path, body=None):
        status, answer = await self.call("POST", path, body)
        assert status == 200, answer
        return answer

    async def until(self, path, condition, timeout_s=15):
        """Return the JSON of ``path`` once ``condition`` holds of it."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            status, body = await self.call("GET", path)
            if status == 200 and condition(body):
                return body
            assert time.monotonic() < deadline_s, f"{path} never came to be: {status} {body}\n{self.process.output()}"
            await asyncio.sleep(0.03)


class Person:
    """A member with one device, on one connection; the core decides, this only carries.

    ``behind`` is another member through whose connection this one speaks, as a device does through its gateway.
    """

    def __init__(self, stage: Stage, name: str, device: str | None = None, behind: "Person | None" = None) -> None:
        self.stage, self.name = stage, name
        self.behind = behind
        self.guests: list[Person] = []
        self.member = key(name)
        self.device = key(device) if device else None
        self.params: BasicParams | None = None
        self.store = MemoryStore()
        self.party = Party(stage.domain, [])
        self.notices: list[Notify] = []
        self.deaf: set[str] = set()  # names of messages that never reach us
        self.peer: Person | None = None
        self.looks: list[Look] = []
        self._add(Member(self.member, MemberPolicy(key("hub").address, FEES, 60, 30 * 86400, 30 * 86400)))
        port, ca = stage.broker.hub_port, stage.broker.ca_pem
        user = self.member.address.hex()
        settings = MqttSettings("127.0.0.1", port, f"{name}-{os.urandom(4).hex()}", ca, user,
                                stage.broker.password_path("hub", user))  # fmt: skip
        self.link = MqttLink(settings)

    def _add(self, endpoint):
        self.party.endpoints[endpoint.address] = endpoint

    def be_payee(self):
        policy = PayeePolicy(self.params, self.member.address, self.member.address, 100, 1000, 1000, WINDOW_S, 60,
                             86400, 600, 100, 60)  # fmt: skip
        self._add(Payee(self.device, policy))
        self.request("serve payee", payee=self.device.address)

    def be_payer(self):
        policy = PayerPolicy(self.member.address, self.channel_id, self.member.address, 1000, 1000, ETHER, 5000, 86400)
        self._add(Payer(self.device, policy))
        self.request("allow", payer=self.device.address, limit=ETHER, max_fee=10**15)

    @property
    def channel_id(self) -> bytes:
        return self.params.digest(self.stage.domain)

    async def __aenter__(self):
        if self.behind is None:
            await self.link.__aenter__()
            self.link.subscribe(self.topic("down"), self._heard)
            await self.link.wait_connected(10)
        else:
            self.behind.guests.append(self)
        self._ticks = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_):
        self._ticks.cancel()
        if self.behind is None:
            await self.link.close()

    def topic(self, way):
        return f"perunika/1/hub/{self.member.address.hex()}/{way}"

    async def _heard(self, topic, payload):
        name, _, to, _ = peek(payload)
        for guest in self.guests:
            if to in guest.party.endpoints:
                await guest._heard(topic, payload)
                return
        if name in self.deaf:
            return
        self.run(self.party.receive, payload)

    async def _tick(self):
        while True:
            await asyncio.sleep(0.2)
            for look in list(self.looks):
                self.looks.remove(look)
                await self._look(look)
            self.run(self.party.tick)

    def run(self, call, *arguments, **fields):
        """Step, store, then act."""
        view = Overlay(self.store)
        effects = call(view, *arguments, int(time.time() * 1000), os.urandom(32), **fields)
        view.commit()
        for effect in effects:
            self._act(effect)

    def request(self, name, address=None, **fields):
        view = Overlay(self.store)
        where = address or self.member.address
        effects = self.party.request(view, where, name, int(time.time() * 1000), os.urandom(32), **fields)
        view.commit()
        for effect in effects:
            self._act(effect)

    def _act(self, effect):
        if isinstance(effect, Send) and effect.link:
            self.peer.run(self.peer.party.receive, encode(effect.message))
        elif isinstance(effect, Send):
            said = effect.message
            if said.to is None:
                said = Message(said.name, said.body, said.request_id, effect.to, said.sender)
            asyncio.get_running_loop().create_task(self.say(encode(said)))
        elif isinstance(effect, Look):
            self.looks.append(effect)
        elif isinstance(effect, Notify):
            self.notices.append(effect)

    async def say(self, raw: bytes):
        speaker = self.behind or self
        await speaker.link.publish(speaker.topic("up"), raw)

    async def _look(self, look):
        async with await self.stage.chain() as chain:
            seen = await chain.chain_view(look.channel)
        self.request("looked", look=look, status=seen.status, base=seen.base_wei, total=seen.total_wei,
                     block=seen.block, time_s=int(time.time()))  # fmt: skip

    async def see_chain(self):
        """Take over what the confirmed chain shows of our channel."""
        async with await self.stage.chain() as chain:
            seen = await chain.chain_view(self.channel_id)
        self.request("chain", channel_id=self.channel_id, status=seen.status, base=seen.base_wei, total=seen.total_wei,
                     withdraw_nonce=seen.withdraw_nonce, block=seen.block, time_s=int(time.time()))  # fmt: skip

    def record(self) -> Basic:
        return load(self.store, Basic, basic_key(self.channel_id))

    def heard(self, kind):
        return [notice.fields for notice in self.notices if notice.kind == kind]

    async def until(self, condition, timeout_s=15):
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline_s, f"{self.name}: it never came true; {self.notices[-5:]}"
            await asyncio.sleep(0.02)

    async def quote(self, hub: HubProcess, member_wei=10**15, hub_wei=10**15, **more) -> Opening:
        """Ask the hub for a quote over HTTP and adopt its channel."""
        owner = bytes.fromhex(self.stage.account(3).address[2:])
        asked = {"member": hexed(self.member.address), "member_owner": hexed(owner), "member_deposit": str(member_wei),
                 "hub_deposit": str(hub_wei), "challenge_duration_s": WINDOW_S}  # fmt: skip
        quote = await hub.post("/v1/quotes", asked | more)
        fields = [quote["params"][name] for name, _ in BasicParams.FIELDS]
        self.params = BasicParams(*[bytes.fromhex(value[2:]) if isinstance(value, str) else value for value in fields])
        assert quote["channel"] == hexed(self.channel_id)
        self.request("adopt", params=self.params)
        signature = bytes.fromhex(quote["signature"][2:])
        return Opening(self.params, member_wei, hub_wei, quote["open"]["valid_until"], signature)

    async def open(self, hub: HubProcess, **more):
        """Quote, open on chain, wait until the hub counts it."""
        opening = await self.quote(hub, **more)
        async with await self.stage.chain() as chain:
            await ChainActions(chain, self.stage.account(3), 20).open(opening)
        self.stage.mine(3)
        await hub.until("/v1/channels/" + hexed(self.channel_id), lambda channel: channel["status"] == "open")
        await self.see_chain()

    async def close_channel(self, hub: HubProcess):
        """Agree with the hub to close; returns when both have signed."""
        await self.see_chain()
        self.request("close", channel_id=self.channel_id)
        await self.until(lambda: self.record().close_bob is not None)


async def pay(buyer: Person, shop: Person, seconds: int = 5, capacity: int = 100_000) -> bytes:
    """Open a virtual channel, serve and pay for ``seconds`` units; return its id."""
    buyer.peer, shop.peer = shop, buyer
    known = len(shop.heard("serving"))
    buyer.request("buy", buyer.device.address, payee=shop.device.address, capacity=capacity, validity_s=3600)
    await shop.until(lambda: len(shop.heard("serving")) > known)
    virtual_id = shop.heard("serving")[-1]["virtual"]
    await buyer.until(lambda: any(fields["virtual"] == virtual_id for fields in buyer.heard("paying")))
    for unit in range(seconds):
        shop.request("serve", shop.device.address, virtual=virtual_id)
        await shop.until(lambda due=unit + 1: paid(shop, virtual_id) >= 100 * due)
    return virtual_id


def paid(shop: Person, virtual_id: bytes) -> int:
    """Return what the payee holds a voucher for, in wei."""
    return load(shop.store, Stream, stream_key(PAYEE, virtual_id)).paid()
