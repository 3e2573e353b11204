"""Closing on chain: in batches, never twice, across kill -9, with what it cost in the books."""

import asyncio

from perunika_host.chain_actions import ChainActions
from perunika_host.chain_calls import Closing
from tests.hub.cast import ETHER, Person, hexed


def gas_nonce(stage):
    return int(stage.node.call("eth_getTransactionCount", stage.account(2).address, "pending"), 16)


def balance(stage, account):
    return int(stage.node.call("eth_getBalance", account.address, "latest"), 16)


async def status_of(stage, person):
    async with await stage.chain() as chain:
        return (await chain.channel(person.channel_id))[3]


async def until_closed(hub, *people):
    for person in people:
        await hub.until("/v1/channels/" + hexed(person.channel_id), lambda channel: channel["status"] == "closed")


def test_many_closes_go_in_one_transaction_and_the_books_agree_with_the_chain(stage, make_hub, play):
    async def scene():
        hub = make_hub(settle__wait="1h").start()
        async with Person(stage, "m2") as a, Person(stage, "m3") as b, Person(stage, "m4") as c:
            people = (a, b, c)
            for person in people:
                await person.open(hub, member_wei=ETHER // 100, hub_wei=1000)
            before, nonce = balance(stage, stage.account(3)), gas_nonce(stage)
            for person in people:
                await person.close_channel(hub)
            await hub.until("/v1/health", lambda health: health["settlement"]["waiting"] == 3)
            done = await hub.post("/v1/settle")
            assert sorted(done["closed"]) == sorted(hexed(person.channel_id) for person in people)
            assert len(done["transactions"]) == 1 and gas_nonce(stage) == nonce + 1
            assert balance(stage, stage.account(3)) - before == 3 * ETHER // 100
            stage.mine(3)
            await until_closed(hub, *people)
            assert (await hub.get("/v1/health"))["settlement"]["waiting"] == 0
            books = await hub.get("/v1/books")
            assert books["payouts"] == {"members_wei": str(3 * ETHER // 100), "hub_wei": "3000"}
            (transaction,) = books["transactions"]
            receipt = stage.node.call("eth_getTransactionReceipt", transaction["hash"])
            assert transaction["kind"] == "closeMany" and transaction["hash"] == done["transactions"][0]
            assert transaction["gas_used"] == int(receipt["gasUsed"], 16)
            assert transaction["gas_price_wei"] == str(int(receipt["effectiveGasPrice"], 16))
            assert books["gas_wei"] == str(transaction["gas_used"] * int(transaction["gas_price_wei"]))
            # Nothing is left to send.
            assert (await hub.post("/v1/settle"))["transactions"] == []

    play(scene())


def test_a_close_agreed_before_kill_9_is_sent_after_the_restart(stage, make_hub, play):
    async def scene():
        hub = make_hub(settle__wait="1h").start()
        async with Person(stage, "m2") as person:
            await person.open(hub)
            await person.close_channel(hub)
            hub.process.kill()
            nonce = gas_nonce(stage)
            make_hub(settle__wait="50ms").start()
            async with asyncio.timeout(15):
                while await status_of(stage, person) == 1:
                    await asyncio.sleep(0.05)
            assert gas_nonce(stage) == nonce + 1

    play(scene())


def test_a_close_under_way_at_kill_9_is_not_sent_twice_and_still_booked(stage, make_hub, play):
    async def scene():
        hub = make_hub(settle__wait="50ms").start()
        async with Person(stage, "m2") as person:
            await person.open(hub)
            nonce = gas_nonce(stage)
            stage.node.call("evm_setAutomine", False)
            try:
                await person.close_channel(hub)
                async with asyncio.timeout(10):
                    while gas_nonce(stage) == nonce:
                        await asyncio.sleep(0.02)
                hub.process.kill()
                hub.start()
                await asyncio.sleep(0.5)
                assert gas_nonce(stage) == nonce + 1
            finally:
                stage.node.call("evm_setAutomine", True)
            stage.mine(4)
            await until_closed(hub, person)
            books = await hub.until("/v1/books", lambda books: books["transactions"])
            assert [each["kind"] for each in books["transactions"]] == ["close"]
            assert gas_nonce(stage) == nonce + 1

    play(scene())


def test_a_close_that_a_member_sent_itself_costs_the_hub_nothing(stage, make_hub, play):
    async def scene():
        hub = make_hub(settle__wait="1h").start()
        async with Person(stage, "m2") as person:
            await person.open(hub)
            await person.close_channel(hub)
            basic, nonce = person.record(), gas_nonce(stage)
            async with await stage.chain() as chain:
                closing = Closing(basic.params, basic.close.net, basic.close.valid_until, basic.close_alice,
                                  basic.close_bob)  # fmt: skip
                await ChainActions(chain, stage.account(3), 20).close(closing)
            assert (await hub.post("/v1/settle")) == {"closed": [], "transactions": [], "waiting": 1}
            stage.mine(3)
            await until_closed(hub, person)
            books = await hub.get("/v1/books")
            assert books["transactions"] == [] and gas_nonce(stage) == nonce
            assert (await hub.get("/v1/health"))["settlement"]["waiting"] == 0

    play(scene())


def test_a_close_taken_out_by_a_reorganisation_is_sent_again(stage, make_hub, play):
    async def scene():
        hub = make_hub(settle__wait="50ms", chain__confirmations=4).start()
        async with Person(stage, "m2") as person:
            opening = await person.quote(hub)
            async with await stage.chain() as chain:
                await ChainActions(chain, stage.account(3), 20).open(opening)
            stage.mine(5)
            await hub.until("/v1/channels", lambda found: found["channels"])
            snapshot = stage.node.call("evm_snapshot")
            await person.close_channel(hub)
            await hub.until("/v1/books", lambda books: books["transactions"])
            stage.node.call("evm_revert", snapshot)
            assert await status_of(stage, person) == 1
            stage.mine(6)
            async with asyncio.timeout(15):
                while await status_of(stage, person) == 1:
                    await asyncio.sleep(0.05)
            stage.mine(5)
            await until_closed(hub, person)

    play(scene())


def test_a_payout_that_both_signed_is_brought_on_chain_and_the_channel_goes_on(stage, make_hub, play):
    async def scene():
        hub = make_hub(settle__wait="50ms").start()
        async with Person(stage, "m2") as person:
            await person.open(hub, member_wei=5000, hub_wei=3000)
            person.request("withdraw", channel_id=person.channel_id, to_alice=2000, to_bob=1000)
            async with asyncio.timeout(15):
                while stage.node.call("eth_blockNumber") and not (await hub.get("/v1/books"))["transactions"]:
                    await asyncio.sleep(0.05)
            stage.mine(3)
            path = "/v1/channels/" + hexed(person.channel_id)
            channel = await hub.until(path, lambda channel: channel["total"] == "5000")
            assert (channel["base"], channel["status"], channel["free_member"]) == ("3000", "open", "3000")
            assert channel["free_hub"] == "2000"
            await hub.until("/v1/health", lambda health: health["settlement"]["waiting"] == 0)
            books = await hub.get("/v1/books")
            assert books["payouts"] == {"members_wei": "2000", "hub_wei": "1000"}
            assert [each["kind"] for each in books["transactions"]] == ["withdrawFromChannel"]

    play(scene())


def test_closed_slots_are_swept_when_their_id_cannot_be_opened_any_more(stage, make_hub, play):
    async def scene():
        hub = make_hub(settle__wait="50ms", settle__sweep=True, limits__open_within="1m").start()
        async with Person(stage, "m2") as person:
            await person.open(hub)
            await person.close_channel(hub)
            await hub.until("/v1/books", lambda books: books["transactions"])
            assert await status_of(stage, person) == 4
            stage.mine(3)
            await until_closed(hub, person)
            stage.node.advance(130)
            stage.mine(4)
            async with asyncio.timeout(15):
                while await status_of(stage, person) != 0:
                    await asyncio.sleep(0.05)
            books = await hub.until("/v1/books", lambda books: len(books["transactions"]) == 2)
            assert [each["kind"] for each in books["transactions"]] == ["close", "sweep"]

    play(scene())


def test_closes_of_channels_that_this_hub_never_kept_are_not_its_books(stage, make_hub, play):
    async def scene():
        first = make_hub(settle__wait="0s").start()
        async with Person(stage, "m1") as person:
            await person.open(first, member_wei=ETHER // 100, hub_wei=1000)
            await person.close_channel(first)
            await first.until("/v1/books", lambda books: len(books["transactions"]) == 1)
        stage.mine(3)
        first.process.kill()
        fresh = make_hub(chain__start_block=0, store__path="fresh.sqlite3").start()  # same gas account, nothing kept
        await fresh.until("/v1/health", lambda health: health["chain"]["block"] is not None)
        await fresh.post("/v1/settle")
        assert (await fresh.get("/v1/books"))["transactions"] == []

    play(scene())
