"""A fleet of 100 devices on one basic channel, settled on a real chain: how many transactions exist because of it."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from eth_account import Account

from perunika.crypto import PrivateKey
from perunika.eip712 import Domain
from perunika.payer import Payer
from perunika.policies import PayerPolicy
from perunika.records import HUB, Funding, scan
from perunika.structs import Open
from perunika_cli.stack.node import Node
from perunika_host.chain import Chain
from perunika_host.chain_actions import ChainActions, deploy
from perunika_host.chain_calls import Closing, Opening
from perunika_host.rpc import Rpc
from tests.support import network

DEVICES = 100
MEMBER_WEI, HUB_WEI = 10**6, 2 * 10**6


async def _fleet(node: Node) -> dict[str, Any]:
    """Open the owner's and the shop's channel, pay from 100 payer keys, close; count what the chain holds."""
    deployer = Account.from_key(node.accounts[0].private_key)
    hub_owner, owner = Account.from_key(_secret("hub owner")), Account.from_key(_secret("owner owner"))
    shop_owner = Account.from_key(_secret("shop owner"))
    for account in (hub_owner, owner, shop_owner):
        node.call("anvil_setBalance", account.address, hex(10**18))
    rpc = Rpc(node.rpc_url)
    contract, _ = await deploy(rpc, deployer, 60, 30 * 86400)
    chain = await Chain.connect(node.rpc_url, contract)
    world = _world(node, Domain(chain.chain_id, contract))
    vault = ChainActions(chain, hub_owner)
    await vault.set_operator(world.a["hub"])
    await vault.deposit(hub_owner_address(hub_owner), 10**9)
    before = _transactions(node)
    for name, account in (("owner", owner), ("shop", shop_owner)):
        await ChainActions(chain, account).open(_opening(world, name))
    _pay_from_all(world)
    await vault.close_many([_closing(world, "owner")])
    fleet = [each for each in _transactions(node)[len(before) :] if each["from"].lower() != shop_owner.address.lower()]
    await vault.close(_closing(world, "shop"))
    total = len(_transactions(node)) - len(before)
    await chain.close()
    await rpc.close()
    return {
        "value": len(fleet), "devices": DEVICES, "beside it: shop's channel": total - len(fleet),
        "beside it: operator and vault, once per hub": 2,
    }  # fmt: skip


def hub_owner_address(account: Any) -> bytes:
    return bytes.fromhex(account.address[2:])


def _secret(name: str) -> bytes:
    return network.secret(name)


def _world(node: Node, domain: Domain) -> network.World:
    now_s = int(node.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    return network.World(domain=domain, now_s=max(now_s, int(time.time())), fees=network.FEES, checkpoint_every=50)


def _opening(world: network.World, name: str) -> Opening:
    params = world.channels[name]
    until = world.start_s + 3600
    promise = Open(world.ids[name], MEMBER_WEI, HUB_WEI, until)
    signature = world.keys["hub"].sign(promise.digest(world.domain))
    return Opening(params, MEMBER_WEI, HUB_WEI, until, signature)


def _pay_from_all(world: network.World) -> None:
    """Give 100 keys an allowance on the owner's channel; each opens, pays one unit and closes."""
    policy = world.device2.party.endpoints[world.a["payer2"]].policy
    for number in range(DEVICES):
        key = PrivateKey(_secret(f"fleet {number}"))
        device = network.Node(world, f"fleet {number}", [Payer(key, PayerPolicy(*policy.row()))])
        world.nodes.append(device)
        world.owner.request(world.a["owner"], "allow", payer=key.address, limit=5000, max_fee=10**15)
        device.request(key.address, "buy", payee=world.a["meter"], capacity=5000, validity_s=3600)
        world.settle()
    world.run(3)
    for device in world.nodes[6:]:
        for virtual_id in [n["virtual"] for n in device.seen("paying")]:
            device.request(next(iter(device.party.endpoints)), "close", virtual_id=virtual_id)
    world.settle()
    world.run(5)
    done = [f for f in scan(world.hub.store, Funding, b"f" + bytes((HUB,))) if f.phase == "collected" and f.forward]
    if len(done) != DEVICES:
        raise RuntimeError(f"only {len(done)} of {DEVICES} devices paid and were collected")


def _closing(world: network.World, name: str) -> Closing:
    node = getattr(world, name)
    world.submitted.clear()
    node.request(world.a[name], "close", channel_id=world.ids[name])
    world.settle()
    fields = world.submitted[0][1].fields
    return Closing(fields["params"], fields["close"].net, fields["close"].valid_until, fields["alice"], fields["bob"])


def _transactions(node: Node) -> list[dict[str, Any]]:
    """Return every transaction that the chain holds."""
    head = int(node.call("eth_blockNumber"), 16)
    blocks = [node.call("eth_getBlockByNumber", hex(number), True) for number in range(head + 1)]
    return [each for block in blocks for each in block["transactions"]]


def fleet_of_100() -> dict[str, Any]:
    """Transactions of a fleet of 100 payer keys on one channel: its owner's open and close."""
    with tempfile.TemporaryDirectory() as name, Node(Path(name), block_time_s=None) as node:
        return asyncio.run(_fleet(node))
