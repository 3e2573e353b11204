"""Gateways and the hub's own process: quote, open, pay by the second, close, and books that agree."""

import asyncio
import json
import sys
import urllib.error
import urllib.request

import pytest
from eth_account import Account

from perunika.structs import BasicParams
from perunika_cli.stack.process import Process
from perunika_host.chain_calls import Opening
from tests.gateway.cast import DEPOSIT_WEI, PASSWORD, TOKEN, Cast, secret
from tests.gateway.client import Download


class RealHubCast(Cast):
    """The stage with ``python -m perunika_hub`` for a hub; channels are opened with its quotes."""

    def _bring_hub_and_channels(self):
        folder = self.directory / "hub"
        folder.mkdir(mode=0o700)
        self._write_keystore(folder, "hub")
        gas = Account.encrypt(self.node.accounts[3].key, PASSWORD, kdf="pbkdf2", iterations=1000)
        self._write_private(folder / "gas.json", json.dumps(gas))
        self._write_private(folder / "admin.token", TOKEN)
        self._write_private(folder / "hub.toml", self._hub_toml())
        self.node.mine(self.confirmations + 1)  # the vault's deposit counts
        argv = [sys.executable, "-m", "perunika_hub", "--config", str(folder / "hub.toml")]
        self.gateways["hub"] = Process("hub", argv, self.directory / "hub.log")
        self.gateways["hub"].start()
        self.hub_url = self.gateways["hub"].wait_for_line(r"^perunika hub ready http=(\S+)", 30)[1]
        self.until(lambda: self.ask_hub("/v1/health", quiet=True), what="the hub does not get healthy")
        self.channels = {name: self.run(self._open(name)) for name in ("shop", "owner", "device1")}
        self.ids = {name: params.digest(self.domain) for name, params in self.channels.items()}
        self.node.mine(self.confirmations + 1)
        self.until(lambda: len(self.ask_hub("/v1/channels")["channels"]) == 3, what="the hub counts no channels")

    def _hub_toml(self):
        return f"""
[chain]
rpc_url = "{self.node.url}"
contract = "0x{self.contract.hex()}"
chain_id = {self.node.chain_id}
confirmations = {self.confirmations}
poll = "100ms"
start_block = 0
[keys]
hub_keystore = "hub.json"
hub_password_file = "hub.password"
vault_owner = "0x{self.hub_owner.hex()}"
gas_keystore = "gas.json"
gas_password_file = "hub.password"
[mqtt]
host = "localhost"
port = {self.broker.hub_port}
ca_file = "{self.broker.ca_pem}"
user = "hub"
password_file = "{self.broker.password_path("hub", "hub")}"
[http]
port = 0
admin_token_file = "admin.token"
[fees]
base = "1000 wei"
ppm = 200
ppm_per_day = 50
min_capacity = "1 wei"
[limits]
min_window = "1m"
"""

    async def _open(self, name):
        member, owner = self.a[name], self.owner.sender.address
        asked = {
            "member": "0x" + member.hex(), "member_owner": "0x" + owner.hex(), "member_deposit": str(DEPOSIT_WEI),
            "hub_deposit": str(10 * DEPOSIT_WEI), "challenge_duration_s": 3600, "salt": "0x" + secret(name).hex(),
        }  # fmt: skip
        quote = await asyncio.to_thread(self.ask_hub, "/v1/quotes", asked)
        told = quote["params"]
        read = [int(told[n]) if k.startswith("uint") else bytes.fromhex(told[n][2:]) for n, k in BasicParams.FIELDS]
        params = BasicParams(*read)
        signature = bytes.fromhex(quote["signature"][2:])
        until = int(quote["open"]["valid_until"])
        await self.owner.open(Opening(params, DEPOSIT_WEI, 10 * DEPOSIT_WEI, until, signature))
        return params

    def ask_hub(self, path, body=None, quiet=False):
        content = json.dumps(body).encode() if body is not None else None
        try:
            with urllib.request.urlopen(urllib.request.Request(self.hub_url + path, content), timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if quiet:
                return None
            raise AssertionError(error.read()) from error


@pytest.fixture(scope="module")
def stage():
    with RealHubCast() as cast:
        cast.start_gateway("owner", f"hub.url={cast.hub_url}")
        cast.start_gateway("shop", f"hub.url={cast.hub_url}", "meter.serve_while_open=true")
        yield cast


def settled(cast, virtual):
    virtuals = cast.ask_hub("/v1/virtuals")["virtuals"]
    return [v for v in virtuals if v["phase"] == "collected" and virtual.hex() in json.dumps(v)]


def end(cast, device, virtual):
    cast.run(device.request(device.id, "close", virtual_id=virtual))
    cast.until(lambda: settled(cast, virtual), what="the hub has not collected")


def test_the_gateways_agree_with_the_hub_about_key_chain_and_fees(stage):
    for name in ("shop", "owner"):
        stage.until(lambda name=name: stage.api(name, "/v1/health")[1]["ok"], what="not healthy")


def test_a_device_with_a_channel_of_its_own_pays_the_gate_behind_the_shops_gateway(stage):
    cast = stage
    device = cast.payer1()
    virtual, headers = cast.buy_gate(device)
    download = Download(cast.ports["shop"][1], "/stream", headers)
    cast.until(lambda: download.received > 30_000, what="no bytes")
    end(cast, device, virtual)
    cast.until(lambda: download.ended, 5, "the download goes on after the end")
    paid = device.stream().paid()
    assert paid > 0
    cast.until(lambda: cast.api("shop", "/v1/books")[1]["earned_wei"] == str(paid), what="the shop's books differ")


def test_a_device_on_an_allowance_of_another_gateway_pays_a_seller(stage):
    cast = stage
    payer = cast.payer2()
    cast.seller()
    before = int(cast.api("shop", "/v1/books")[1]["earned_wei"])
    virtual = cast.buy(payer, "seller")
    cast.run(payer.request(payer.id, "pay", virtual_id=virtual, amount=4321))
    cast.until(lambda: payer.stream().acked == 4321, what="not acknowledged")
    end(cast, payer, virtual)
    cast.until(lambda: cast.api("owner", "/v1/books")[1]["spent_wei"] == "4321", what="the owner's books differ")
    cast.until(lambda: int(cast.api("shop", "/v1/books")[1]["earned_wei"]) == before + 4321, what="the shop's too")


def test_the_hubs_books_and_the_gateways_books_add_up(stage):
    cast = stage
    hub, owner = cast.ask_hub("/v1/books"), cast.api("owner", "/v1/books")[1]
    shop = cast.api("shop", "/v1/books")[1]
    assert hub["collected_wei"] == hub["paid_early_wei"] == shop["earned_wei"]
    device_fee = int(hub["fees_wei"]) - int(owner["fees_wei"])
    assert int(owner["fees_wei"]) > 0 and device_fee > 0


def test_a_hub_that_asks_more_than_we_accept_is_named_right_after_the_start(stage):
    cast = stage
    cast.gateways["owner"].stop()
    cast.start_gateway("owner", f"hub.url={cast.hub_url}", "limits.fee_ppm=100")
    told = cast.until(lambda: cast.api("owner", "/v1/health")[1]["errors"].get("hub terms"), what="nothing is told")
    assert "ppm = 200, we accept 100" in told


def test_a_channel_is_closed_on_chain_when_the_gateway_asks(stage):
    cast = stage
    status, _ = cast.api("shop", f"/v1/channels/0x{cast.ids['shop'].hex()}/close", {}, TOKEN)
    assert status == 200

    def mined():
        cast.node.mine(1)
        return cast.api("shop", "/v1/channels")[1]["channels"][0]["status"] == "closed"

    cast.until(mined, 20, "not closed on chain")
