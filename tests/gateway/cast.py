"""The stage of the gateway's tests: a real chain, a real broker, gateway processes, and actors (see actors.py).

Shop G sells seconds at its meter and is the member of seller S; owner F hands out an allowance to payer 2; payer 1 has
a basic channel of its own. All devices are at the shop's site.
"""

import asyncio
import hashlib
import json
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from eth_account import Account

from perunika.crypto import PrivateKey
from perunika.eip712 import Domain
from perunika.hub import Hub
from perunika.member import Member
from perunika.messages import Fees
from perunika.payee import Payee
from perunika.payer import Payer
from perunika.policies import HubPolicy, MemberPolicy, PayeePolicy, PayerPolicy
from perunika.structs import NATIVE, BasicParams, Open
from perunika_cli.stack.broker import Broker
from perunika_cli.stack.process import Process
from perunika_host.chain import Chain
from perunika_host.chain_actions import ChainActions, deploy
from perunika_host.chain_calls import Opening
from perunika_host.mqtt_settings import MqttSettings
from perunika_host.rpc import Rpc
from tests.gateway.actors import DeviceActor, HubActor
from tests.gateway.upstream import Upstream
from tests.support.node import Node

SITE = "shop"
ETHER = 10**18
PRICE_WEI = 1000
UNIT_S = 0.2
CAPACITY_WEI = 10_000_000
DEPOSIT_WEI = 10**12
TOKEN = "test-admin-token"
PASSWORD = "long enough password"
FEES = Fees(1000, 200, 50, 1, ETHER, 2**40)
PARTIES = ("hub", "shop", "owner", "device1", "meter", "payer1", "payer2", "visitor", "seller")


def key(name):
    return PrivateKey(secret(name))


def secret(name):
    return hashlib.sha256(b"gateway test " + name.encode()).digest()


class Cast:
    """``with Cast() as cast``: everything but the gateways runs; ``start_gateway`` starts those."""

    def __init__(self, confirmations=1, boards=None):
        self.boards = boards or {}  # name -> address of payers that make their own keys
        self.confirmations = confirmations
        self.keys = {name: key(name) for name in PARTIES}
        self.a = {name: each.address for name, each in self.keys.items()}
        self.gateways = {}
        self.ports = {}
        self.devices = []

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.directory = Path(self._folder.name)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.node = Node().__enter__()
        try:
            self._set_stage()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _set_stage(self):
        a = self.a
        devices = {a[n].hex(): n + " password" for n in ("payer1", "payer2", "seller", "device1")}
        devices |= {address.hex(): "board password" for address in self.boards.values()}
        members = {a[n].hex(): n + " password" for n in ("shop", "owner")}
        self.broker = Broker(
            self.directory / "broker", site=SITE, devices=devices, gateways={"shop": "shop password"},
            members=members, hub={"hub": "hub password"}, kind="mosquitto",
        )  # fmt: skip
        self.broker.start()
        self.upstream = Upstream()
        self.run(self.upstream.start())
        self.run(self._deploy())
        self._bring_hub_and_channels()

    def __exit__(self, *_):
        for process in self.gateways.values():
            process.kill()
        for device in self.devices:
            self.run(device.stop())
        for name in ("hub", "upstream"):
            if hasattr(self, name):
                self.run(getattr(self, name).stop())
        if hasattr(self, "chain"):
            self.run(self.chain.close())
        if hasattr(self, "broker"):
            self.broker.kill()
        self.node.__exit__()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()
        self._folder.cleanup()

    def run(self, coroutine, timeout_s=30):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout_s)

    def until(self, condition, timeout_s=15, what=""):
        deadline_s = time.monotonic() + timeout_s
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline_s:
                raise AssertionError(f"not within {timeout_s} s: {what}\n{self.logs()}")
            time.sleep(0.02)

    def logs(self):
        return "\n".join(f"--- {n}\n{p.output()[-3000:]}" for n, p in self.gateways.items())

    # --- chain and hub

    def _bring_hub_and_channels(self):
        self.run(self._open_channels())
        self.run(self._start_hub())

    async def _deploy(self):
        accounts = self.node.accounts
        async with Rpc(self.node.url) as rpc:
            self.contract, _ = await deploy(rpc, accounts[0], 60, 86400 * 30)
        self.chain = await Chain.connect(self.node.url, self.contract, self.node.chain_id, self.confirmations)
        self.domain = Domain(self.node.chain_id, self.contract)
        hub_owner = ChainActions(self.chain, accounts[1], 20)
        self.owner = ChainActions(self.chain, accounts[2], 20)
        await hub_owner.set_operator(self.a["hub"])
        await hub_owner.deposit(hub_owner.sender.address, 100 * DEPOSIT_WEI)
        self.hub_owner = hub_owner.sender.address

    async def _open_channels(self):
        self.channels = {
            name: BasicParams(
                self.a[name], self.a["hub"], self.owner.sender.address, self.hub_owner, NATIVE, 3600,
                int(time.time()) + 86400, secret("salt " + name),
            )
            for name in ("shop", "owner", "device1")
        }  # fmt: skip
        self.ids = {name: params.digest(self.domain) for name, params in self.channels.items()}
        for params in self.channels.values():
            promise = Open(params.digest(self.domain), DEPOSIT_WEI, 10 * DEPOSIT_WEI, int(time.time()) + 86400)
            signed = self.keys["hub"].sign(promise.digest(self.domain))
            await self.owner.open(
                Opening(params, DEPOSIT_WEI, 10 * DEPOSIT_WEI, promise.valid_until, signed)
            )  # fmt: skip
        self.node.mine(self.confirmations + 1)

    async def _start_hub(self):
        policy = HubPolicy(FEES, self.hub_owner, 60, 86400, 3600, 86400 * 30, 5, 100, 0, ETHER, 3600, 4)
        hub = Hub(self.keys["hub"], policy)
        self.hub = HubActor(self.domain, hub, self.directory / "hub", self._settings("hub", "hub"))
        await self.hub.start("perunika/1/hub/+/up", 0.2)
        for name, params in self.channels.items():
            await self.hub.request(self.a["hub"], "opened", params=params)
            await self.hub.show_chain(self.chain, self.a["hub"], self.ids[name])

    def _settings(self, listener, user, broker=None):
        broker = broker or self.broker
        port = broker.hub_port if listener == "hub" else broker.site_port
        return MqttSettings(
            "localhost", port, "test-" + user[:12], ca_file=broker.ca_pem, user=user,
            password_file=broker.password_path(listener, user), retry_max_s=0.5,
        )  # fmt: skip

    # --- gateways

    def start_gateway(self, name, *overrides, wait=True):
        """Start (or restart) the process of a gateway; ``overrides`` are key=value of its configuration."""
        config = self.write_config(name)
        arguments = [part for override in overrides for part in ("--set", override)]
        argv = [sys.executable, "-m", "perunika_gateway", "--config", str(config), *arguments]
        process = Process("gateway " + name, argv, self.directory / f"{name}.log")
        self.gateways[name] = process
        process.start()
        if wait:
            self.wait_ready(name)
        return process

    def wait_ready(self, name):
        ready = self.gateways[name].wait_for_line(
            r"^perunika gateway ready member=0x\w+ http=[\d.]+:(\d+)(?: meter=[\d.]+:(\d+))?$", 30
        )
        self.ports[name] = (int(ready[1]), int(ready[2] or 0))

    def write_config(self, name):
        folder = self.directory / name
        path = folder / "gateway.toml"
        if not path.exists():
            folder.mkdir(mode=0o700)
            for each in (name, "meter"):
                self._write_keystore(folder, each)
            self._write_private(folder / "admin.token", TOKEN)
            fields = {n: getattr(self.channels[name], n) for n, _ in BasicParams.FIELDS}
            plain = {n: "0x" + v.hex() if isinstance(v, bytes) else v for n, v in fields.items()}
            self._write_private(folder / "channel.json", json.dumps(plain))
            self._write_private(path, self._toml(name))
        return path

    def _write_keystore(self, folder, name):
        # A cheap key derivation: what is tested here is not scrypt.
        kept = Account.encrypt(secret(name), PASSWORD, kdf="pbkdf2", iterations=1000)
        self._write_private(folder / f"{name}.json", json.dumps(kept))
        self._write_private(folder / f"{name}.password", PASSWORD)

    def _write_private(self, path, text):
        path.write_text(text)
        path.chmod(0o600)

    def _toml(self, name):
        user = self.a[name].hex()
        common = f"""
[chain]
rpc = "{self.node.url}"
contract = "0x{self.contract.hex()}"
chain_id = {self.node.chain_id}
confirmations = {self.confirmations}
refresh_s = "200ms"
[member]
keystore = "{name}.json"
password_file = "{name}.password"
channel = "channel.json"
[store]
path = "first/gateway.sqlite"
second_path = "second/gateway.sqlite"
[hub]
address = "0x{self.a["hub"].hex()}"
host = "localhost"
port = {self.broker.hub_port}
ca_file = "{self.broker.ca_pem}"
user = "{user}"
password_file = "{self.broker.password_path("hub", user)}"
[http]
port = 0
admin_token_file = "admin.token"
"""
        boards = "".join(
            f'[[device]]\nname = "{n}"\nkind = "payer"\naddress = "0x{address.hex()}"\nallowance_wei = {CAPACITY_WEI}\n'
            for n, address in self.boards.items()
        )
        return common + (self._shop_toml() if name == "shop" else self._owner_toml()) + boards

    def _owner_toml(self):
        return f"""
[[device]]
name = "pump"
kind = "payer"
address = "0x{self.a["payer2"].hex()}"
allowance_wei = {2 * CAPACITY_WEI}
[[device]]
name = "visitor"
kind = "payer"
address = "0x{self.a["visitor"].hex()}"
allowance_wei = {CAPACITY_WEI}
"""

    def _shop_toml(self):
        return f"""
[site]
host = "localhost"
port = {self.broker.site_port}
ca_file = "{self.broker.ca_pem}"
user = "shop"
password_file = "{self.broker.password_path("site", "shop")}"
name = "{SITE}"
[meter]
kind = "http"
keystore = "meter.json"
password_file = "meter.password"
port = 0
upstream = "{self.upstream.http_url}"
unit_price_wei = {PRICE_WEI}
unit_s = "{round(UNIT_S * 1000)}ms"
idle_s = "60s"
grace_s = "1500ms"
max_clients = 8
[[device]]
name = "gate"
kind = "payer"
address = "0x{self.a["payer1"].hex()}"
member = "0x{self.a["device1"].hex()}"
[[device]]
name = "pump"
kind = "payer"
address = "0x{self.a["payer2"].hex()}"
[[device]]
name = "sensor"
kind = "seller"
address = "0x{self.a["seller"].hex()}"
"""

    def api(self, name, path, body=None, token=None):
        """Return (status, JSON) of one call of a gateway's API."""
        headers = {"Authorization": "Bearer " + token} if token else {}
        content = json.dumps(body).encode() if body is not None else None
        url = f"http://127.0.0.1:{self.ports[name][0]}{path}"
        request = urllib.request.Request(url, content, headers, method="POST" if content is not None else "GET")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    # --- devices

    def payer1(self):
        """Return a running payer with a basic channel of its own."""
        member = Member(self.keys["device1"], MemberPolicy(self.a["hub"], FEES, 60, 86400, 86400 * 30))
        payer = Payer(self.keys["payer1"], self._payer_policy("device1"))
        device = self._device("payer1", [member, payer])
        self.run(device.request(self.a["device1"], "adopt", params=self.channels["device1"]))
        self.run(device.show_chain(self.chain, self.a["device1"], self.ids["device1"]))
        self.run(
            device.request(self.a["device1"], "allow", payer=self.a["payer1"], limit=10**12, max_fee=10**12)
        )  # fmt: skip
        return device

    def allowance(self, payer):
        """Return what the owner's API says about a payer's allowance."""
        shown = self.api("owner", "/v1/allowances")[1]["allowances"]
        return next(each for each in shown if each["payer"] == "0x" + self.a[payer].hex())

    def payer2(self):
        """Return a running payer that spends the owner's allowance."""
        return self._device("payer2", [Payer(self.keys["payer2"], self._payer_policy("owner"))])

    def seller(self, unit_price_wei=500):
        """Return a running seller of readings, behind the shop."""
        policy = PayeePolicy(
            self.channels["shop"], self.a["shop"], self.a["shop"], unit_price_wei, 0, 1, 600, 60, 86400, 600,
            unit_price_wei, 60,
        )  # fmt: skip
        return self._device("seller", [Payee(self.keys["seller"], policy)])

    def _payer_policy(self, member):
        return PayerPolicy(self.a[member], self.ids[member], self.a["shop"], 10**6, 10**9, 10**9, 10**7, 86400)

    def visitor(self, broker, site):
        """Return a running payer that spends the owner's allowance at another site, with a broker of its own."""
        return self._device("visitor", [Payer(self.keys["visitor"], self._payer_policy("owner"))], broker, site)

    def _device(self, name, endpoints, broker=None, site=SITE):
        device_id = self.a[name]
        settings = self._settings("site", device_id.hex(), broker)
        device = DeviceActor(name, self.domain, endpoints, device_id, site, self.directory / "devices", settings)
        self.run(device.start(f"perunika/1/{site}/{device_id.hex()}/#", 0.05))
        self.devices.append(device)
        return device

    def buy(self, device, payee, capacity=CAPACITY_WEI):
        """Open a virtual channel from ``device`` to ``payee`` and return its id once it pays."""
        known = len(device.seen("paying"))
        self.run(
            device.request(device.id, "buy", payee=self.a[payee], capacity=capacity, validity_s=3600)
        )  # fmt: skip
        paying = self.until(lambda: device.seen("paying")[known:], what=f"{device.name} does not pay {device.notices}")
        return paying[-1]["virtual"]

    def buy_gate(self, device):
        """Open a channel to the meter; return its id and the headers that let a client in."""
        virtual = self.buy(device, "meter")
        access = json.loads(self.until(lambda: device.access, what="no access token came"))
        return virtual, {"Perunika-Channel": access["handle"], "Perunika-Token": access["token"]}

    def close(self, device, virtual):
        """End a virtual channel from the payer's side and wait until all of it is settled between the members."""
        self.run(device.request(device.id, "close", virtual_id=virtual))
        self.until(
            lambda: [n for n in self.hub.seen("collected") if n["virtual"] == virtual], what="the hub has not collected"
        )

    def gateway_stream(self, name, virtual):
        streams = self.api(name, "/v1/streams")[1]["streams"]
        return next(each for each in streams if each["virtual"] == "0x" + virtual.hex())
