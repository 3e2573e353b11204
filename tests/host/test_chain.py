"""The chain client against a real node and the committed contract: life of a channel, refusals, outages, events."""

import asyncio
import hashlib
import time

import pytest
from eth_account import Account
from support.node import Node

from perunika.crypto import PrivateKey
from perunika.eip712 import Domain
from perunika.errors import ChainError, LocalError
from perunika.structs import BasicParams, Close, Open, TickChain, Voucher, Withdraw
from perunika_host import chain_events as events
from perunika_host.chain import STATUS_CLOSED, STATUS_DISPUTE, STATUS_NONE, STATUS_OPEN, Chain
from perunika_host.chain_actions import ChainActions, deploy
from perunika_host.chain_calls import Closing, Opening, Withdrawal, tick, voucher
from perunika_host.chain_errors import RevertError
from perunika_host.chain_events import decode_log
from perunika_host.chain_follow import Follower
from perunika_host.rpc import Rpc

MEMBER, HUB = PrivateKey(b"\x01" * 32), PrivateKey(b"\x02" * 32)
ETHER = 10**18


@pytest.fixture(scope="module")
def node():
    with Node() as running:
        yield running


class Scene:
    """A deployed contract, a hub with a filled vault, a member's owner; ``channel()`` makes new parameters."""

    def __init__(self, node, chain, owner, hub_owner):
        self.node, self.chain = node, chain
        self.owner, self.hub_owner = ChainActions(chain, owner, 20), ChainActions(chain, hub_owner, 20)
        self.domain = Domain(chain.chain_id, chain.contract)
        self.count = 0

    def channel(self, open_before=2**39):
        self.count += 1
        parties = (MEMBER.address, HUB.address, self.owner.sender.address, self.hub_owner.sender.address)
        return BasicParams(*parties, bytes(20), 60, open_before, self.count.to_bytes(32, "big"))

    def opening(self, params, member_wei=1000, hub_wei=500):
        offer = Open(params.digest(self.domain), member_wei, hub_wei, 2**40)
        return Opening(params, member_wei, hub_wei, 2**40, HUB.sign(offer.digest(self.domain)))

    def closing(self, params, net_wei):
        digest = Close(params.digest(self.domain), net_wei, 2**40).digest(self.domain)
        return Closing(params, net_wei, 2**40, MEMBER.sign(digest), HUB.sign(digest))


def play(node, act, **options):
    """Deploy, fund the hub and run ``act(scene)``."""

    async def run():
        async with Rpc(node.url) as rpc:
            contract, _ = await deploy(rpc, node.accounts[0], 60, 86400)
        async with await Chain.connect(node.url, contract, node.chain_id, **options) as chain:
            scene = Scene(node, chain, node.accounts[1], node.accounts[2])
            await scene.hub_owner.set_operator(HUB.address)
            await scene.hub_owner.deposit(scene.hub_owner.sender.address, 100_000)
            await act(scene)

    asyncio.run(asyncio.wait_for(run(), 60))


def test_a_channel_lives_from_open_to_sweep(node):
    async def act(scene):
        chain, params = scene.chain, scene.channel()
        channel_id = await chain.channel_id(params)
        assert channel_id == params.digest(scene.domain)
        assert await chain.is_operator(scene.hub_owner.sender.address, HUB.address)
        assert await chain.windows_s() == (60, 86400)

        await scene.owner.open(scene.opening(params))
        assert await chain.channel(channel_id) == (1500, 1000, 0, STATUS_OPEN)
        assert await chain.vault_wei(scene.hub_owner.sender.address) == 99_500

        await scene.owner.top_up(params, True, 200)
        digest = Withdraw(channel_id, 0, 50, 20, 2**40).digest(scene.domain)
        await scene.owner.withdraw_from_channel(
            params, Withdrawal(0, 50, 20, 2**40, MEMBER.sign(digest), HUB.sign(digest))
        )
        assert await chain.channel(channel_id) == (1630, 1150, 1, STATUS_OPEN)

        before = await chain.balance_wei(scene.owner.sender.address)
        receipt = await scene.hub_owner.close(scene.closing(params, 300))
        assert await chain.balance_wei(scene.owner.sender.address) - before == 850
        assert await chain.vault_wei(scene.hub_owner.sender.address) == 99_500 + 20 + 780
        assert await chain.channel(channel_id) == (0, 0, 0, STATUS_CLOSED)
        assert [decode_log(log) for log in receipt.logs] == [
            events.Closed(receipt.block, 0, receipt.transaction, channel_id, 850, 780)
        ]
        await scene.hub_owner.withdraw_vault(300, scene.hub_owner.sender.address)
        assert await chain.vault_wei(scene.hub_owner.sender.address) == 100_000

    play(node, act)


def test_a_closed_channel_is_swept_after_its_last_day_to_open(node):
    async def act(scene):
        now = int((await scene.chain.block(await scene.chain.rpc.number("eth_blockNumber")))["timestamp"], 16)
        params = scene.channel(open_before=now + 1000)
        await scene.owner.open(scene.opening(params))
        await scene.owner.close(scene.closing(params, 0))
        with pytest.raises(RevertError) as caught:
            await scene.owner.sweep(params)
        assert caught.value.name == "TooEarly"
        node.advance(2000)
        await scene.owner.sweep(params)
        assert (await scene.chain.channel(params.digest(scene.domain)))[3] == STATUS_NONE

    play(node, act)


def test_many_open_and_close_in_one_transaction_each_and_a_bad_entry_is_reported(node):
    async def act(scene):
        all_params = [scene.channel() for _ in range(5)]
        openings = [scene.opening(params) for params in all_params]
        openings[3] = scene.opening(all_params[3], hub_wei=10**9)
        receipt = await scene.owner.open_many(openings, value_wei=5000)
        told = [decode_log(log) for log in receipt.logs]
        failed = [event for event in told if isinstance(event, events.EntryFailed)]
        assert [event.channel_id for event in failed] == [all_params[3].digest(scene.domain)]
        assert sum(isinstance(event, events.Opened) for event in told) == 4
        good = [params for number, params in enumerate(all_params) if number != 3]
        receipt = await scene.hub_owner.close_many([scene.closing(params, 100) for params in good])
        assert [type(decode_log(log)) for log in receipt.logs] == [events.Closed] * 4

    play(node, act)


def test_a_dispute_takes_vouchers_and_ticks_and_settles(node):
    async def act(scene):
        params = scene.channel()
        channel_id = params.digest(scene.domain)
        await scene.owner.open(scene.opening(params))
        paid = voucher(400, MEMBER.sign(Voucher(channel_id, 400).digest(scene.domain)))
        root = preimage = b"\x07" * 32
        for _ in range(3):
            root = hashlib.sha256(root).digest()
        chain_of_ticks = TickChain(channel_id, 10, 5, 3, root)
        back = tick(10, 5, 3, root, 3, preimage, HUB.sign(chain_of_ticks.digest(scene.domain)))
        await scene.hub_owner.challenge(params, paid)
        await scene.owner.challenge(params, bob_to_alice=back)
        posted = await scene.chain.dispute(channel_id)
        assert (posted.alice_to_bob_wei, posted.bob_to_alice_wei) == (400, 25)
        assert (await scene.chain.channel(channel_id))[3] == STATUS_DISPUTE
        with pytest.raises(RevertError, match="TooEarly"):
            await scene.hub_owner.settle(params)
        node.advance(61)
        receipt = await scene.hub_owner.settle(params)
        settled = [decode_log(log) for log in receipt.logs][-1]
        assert (settled.to_alice, settled.to_bob, settled.ended) == (1000 - 400 + 25, 1500 - 625, True)

    play(node, act)


def test_the_contracts_reasons_come_with_facts_and_a_hint(node):
    async def act(scene):
        params = scene.channel()
        with pytest.raises(RevertError) as caught:
            await scene.owner.open(scene.opening(params, hub_wei=200_000))
        assert caught.value.name == "VaultTooLow" and caught.value.fields["needed"] == 200_000
        assert caught.value.fields["owner"] == scene.hub_owner.sender.address
        assert "deposit into the vault" in caught.value.hint and caught.value.fault == "chain"
        await scene.owner.open(scene.opening(params))
        wrong = Closing(params, 1, 2**40, HUB.sign(b"\1" * 32), HUB.sign(b"\1" * 32))
        with pytest.raises(RevertError, match="BadSignature"):
            await scene.owner.close(wrong)
        with pytest.raises(LocalError, match=r"chain\.argument.*does not fit"):
            await scene.owner.deposit(b"\1" * 20, -1)
        with pytest.raises(LocalError, match="65 bytes"):
            await scene.owner.close(Closing(params, 1, 2**40, b"\1" * 64))

    play(node, act)


def test_an_account_without_coin_is_told_so(node):
    async def act(scene):
        poor = ChainActions(scene.chain, Account.from_key(b"\x77" * 32))
        with pytest.raises(ChainError, match=r"chain\.funds") as caught:
            await poor.deposit(b"\1" * 20, 5)
        assert "send coin" in caught.value.hint

    play(node, act)


def test_many_transactions_at_once_from_one_account_get_nonces_in_order(node):
    async def act(scene):
        owner = b"\x42" * 20
        receipts = await asyncio.gather(*(scene.owner.deposit(owner, n) for n in range(1, 21)))
        assert len({receipt.transaction for receipt in receipts}) == 20
        assert await scene.chain.vault_wei(owner) == 210
        # A refused one in between must not leave a gap in the nonces.
        results = await asyncio.gather(
            scene.owner.deposit(owner, 1),
            scene.owner.withdraw_vault(10**20, owner),
            scene.owner.deposit(owner, 1),
            return_exceptions=True,
        )
        assert isinstance(results[1], RevertError)
        assert await scene.chain.vault_wei(owner) == 212

    play(node, act)


def test_wrong_chain_no_contract_another_contract_and_no_node_are_told_apart(node):
    async def act(scene):
        for contract, chain_id, url, code in (
            (scene.chain.contract, 1, node.url, "chain.wrong-chain"),
            (b"\x99" * 20, None, node.url, "chain.no-contract"),
            (scene.chain.contract, None, "http://127.0.0.1:1", "chain.unreachable"),
        ):
            with pytest.raises(ChainError) as caught:
                await Chain.connect(url, contract, chain_id)
            assert caught.value.code == code and caught.value.hint

    play(node, act)


def test_something_else_than_a_node_is_told():
    async def answer(reader, writer):
        await reader.read(1000)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        writer.close()

    async def run():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with Rpc(f"http://127.0.0.1:{port}") as rpc:
            with pytest.raises(ChainError, match=r"chain\.unreachable"):
                await rpc.call("eth_chainId")
        server.close()

    asyncio.run(run())


def test_a_deposit_counts_only_after_its_confirmations(node):
    async def act(scene):
        params = scene.channel()
        channel_id = params.digest(scene.domain)
        receipt = await scene.owner.open(scene.opening(params))
        assert (await scene.chain.channel(channel_id))[3] == STATUS_OPEN
        assert (await scene.chain.chain_view(channel_id)).status == STATUS_NONE
        node.mine(1)
        assert (await scene.chain.chain_view(channel_id)).status == STATUS_NONE
        node.mine(1)
        view = await scene.chain.chain_view(channel_id)
        assert (view.status, view.total_wei, view.base_wei, view.block) == (STATUS_OPEN, 1500, 1000, receipt.block)
        assert abs(view.time_s - int((await scene.chain.block(receipt.block))["timestamp"], 16)) == 0

    play(node, act)


async def collect(batches, last_block):
    found = []
    async for batch in batches:
        found.append(batch)
        if batch.last_block >= last_block:
            return found
    return found


def test_the_follower_gives_confirmed_events_once_in_order_and_goes_on_from_its_cursor(node):
    async def act(scene):
        start = await scene.chain.rpc.number("eth_blockNumber") + 1
        params = scene.channel()
        opened = await scene.owner.open(scene.opening(params))
        topped = await scene.owner.top_up(params, False, 7)
        node.mine(1100)
        follower = Follower(scene.chain, poll_s=0.05)
        batches = await collect(follower.follow(start), start + 1050)
        assert (batches[0].first_block, batches[0].last_block) == (start, start + 999)
        assert batches[1].first_block == start + 1000
        channel_id = params.digest(scene.domain)
        assert [event for batch in batches for event in batch.events] == [
            events.Opened(opened.block, 0, opened.transaction, channel_id, 1000, 500, 2**40),
            events.ToppedUp(topped.block, 0, topped.transaction, channel_id, False, 7),
        ]
        head = await scene.chain.rpc.number("eth_blockNumber")
        assert batches[-1].last_block <= head - 2 and batches[-1].head == head

        last = batches[-1]
        closed = await scene.owner.close(scene.closing(params, 0))
        node.mine(2)
        more = await collect(follower.follow(last.cursor, last.last_hash), closed.block)
        assert [type(event) for batch in more for event in batch.events] == [events.Closed]

    play(node, act)


def test_the_follower_refuses_another_history(node):
    async def act(scene):
        node.mine(5)
        with pytest.raises(ChainError, match=r"chain\.reorganised"):
            await collect(Follower(scene.chain).follow(3, b"\x12" * 32), 3)

    play(node, act)


def test_a_node_that_is_killed_and_comes_back_loses_nothing():
    with Node(block_time=1) as node:

        async def act(scene):
            follower = Follower(scene.chain, poll_s=0.05)
            start = await scene.chain.rpc.number("eth_blockNumber") + 1
            collecting = asyncio.create_task(collect(follower.follow(start), start + 6))
            params = scene.channel()
            await scene.owner.open(scene.opening(params))
            # The node writes its chain every second, and at a clean end.
            await asyncio.to_thread(node.stop)
            with pytest.raises(ChainError, match=r"chain\.unreachable"):
                await scene.chain.channel(bytes(32))
            while follower.last_error is None:
                await asyncio.sleep(0.05)
            assert follower.last_error.code == "chain.unreachable"
            await asyncio.to_thread(node.restart)
            await scene.owner.top_up(params, True, 1)
            found = await collecting
            kinds = [type(event) for batch in found for event in batch.events]
            assert kinds == [events.Opened, events.ToppedUp]
            assert follower.last_error is None

        play(node, act)


def test_a_transaction_whose_answer_is_lost_is_not_sent_twice():
    with Node(block_time=1) as node:

        async def act(scene):
            scene.chain.rpc.timeout_s = 0.5
            owner = b"\x43" * 20
            started = time.monotonic()
            sending = asyncio.create_task(scene.owner.deposit(owner, 5))
            # Frozen as soon as the transaction waits in the pool: no answer, or no receipt, for two seconds.
            account = scene.owner.sender.account.address
            nonce = await scene.chain.rpc.number("eth_getTransactionCount", account, "latest")
            while await scene.chain.rpc.number("eth_getTransactionCount", account, "pending") == nonce:
                await asyncio.sleep(0.005)
            node.pause()
            await asyncio.sleep(2)
            node.resume()
            await sending
            assert time.monotonic() - started >= 2
            assert await scene.chain.vault_wei(owner) == 5

        play(node, act)


def test_a_transaction_that_no_block_takes_is_reported_as_pending():
    with Node(block_time=600) as node:

        async def run():
            async with Rpc(node.url) as rpc:
                scene = ChainActions(Chain(rpc, b"\x01" * 20, node.chain_id), node.accounts[1], receipt_timeout_s=0.5)
                with pytest.raises(ChainError, match=r"chain\.pending.*look for it before") as caught:
                    await scene.set_operator(b"\1" * 20)
                assert "no block after 0.5 s" in caught.value.text

        asyncio.run(run())


def test_a_transaction_that_a_killed_node_forgot_is_sent_again():
    with Node(block_time=2) as node:

        async def act(scene):
            owner = b"\x44" * 20
            # anvil writes its chain every second: after two, what was done so far survives kill -9.
            await asyncio.sleep(2)
            head = await scene.chain.rpc.number("eth_blockNumber")
            sending = asyncio.create_task(scene.owner.deposit(owner, 5))
            account = scene.owner.sender.account.address
            nonce = await scene.chain.rpc.number("eth_getTransactionCount", account, "latest")
            while await scene.chain.rpc.number("eth_getTransactionCount", account, "pending") == nonce:
                await asyncio.sleep(0.005)
            node.kill()
            await asyncio.to_thread(node.restart)
            assert await scene.chain.rpc.number("eth_getTransactionCount", account, "pending") == nonce
            receipt = await sending
            assert receipt.block > head and await scene.chain.vault_wei(owner) == 5

        play(node, act)
