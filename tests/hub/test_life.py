"""The life of a channel with the hub as a process: quote, confirmations, virtual channels, kill -9, the books."""

from perunika.ledger import free_cash
from perunika_host.chain_actions import ChainActions
from tests.hub.cast import ETHER, Person, hexed, paid, pay


async def phase(hub, virtual_id, wanted):
    await hub.until("/v1/virtuals/" + hexed(virtual_id), lambda virtual: virtual["phase"] == wanted)


def test_a_deposit_counts_only_after_n_confirmations(stage, hub, play):
    async def scene():
        async with Person(stage, "m2") as person:
            opening = await person.quote(hub, member_wei=5000, hub_wei=7000)
            path = "/v1/channels/" + hexed(person.channel_id)
            async with await stage.chain() as chain:
                await ChainActions(chain, stage.account(3), 20).open(opening)
                before = (await hub.get("/v1/health"))["chain"]["block"]
                for _ in range(2):
                    assert (await hub.call("GET", path))[0] == 404
                    stage.mine(1)
                    before += 1
                    await hub.until("/v1/health", lambda health, block=before: health["chain"]["block"] >= block)
                channel = await hub.until(path, lambda channel: channel["status"] == "open")
            assert (channel["base"], channel["total"]) == ("5000", "12000")
            assert (channel["free_member"], channel["free_hub"]) == ("5000", "7000")
            # The quote has become a channel: the same salt is not quoted again.
            books = await hub.get("/v1/books")
            assert books["deposits"] == {"members_wei": "5000", "hub_wei": "7000"}

    play(scene())


def test_a_reorganised_opening_never_counts(stage, hub, play):
    async def scene():
        async with Person(stage, "m2") as person:
            opening = await person.quote(hub)
            snapshot = stage.node.call("evm_snapshot")
            async with await stage.chain() as chain:
                await ChainActions(chain, stage.account(3), 20).open(opening)
                stage.mine(1)
                stage.node.call("evm_revert", snapshot)
                stage.mine(4)
                height = await chain.confirmed_block()
            await hub.until("/v1/health", lambda health: health["chain"]["block"] >= height)
            status, body = await hub.call("GET", "/v1/channels/" + hexed(person.channel_id))
            assert status == 404 and body["error"]["code"] == "channel.unknown"
            assert (await hub.get("/v1/health"))["status"] == "ok"

    play(scene())


def test_virtual_channels_open_pay_close_collect_and_fold(stage, hub, play):
    async def scene():
        async with Person(stage, "m0", "meter") as shop, Person(stage, "m1", "purse") as buyer:
            await shop.open(hub)
            await buyer.open(hub)
            shop.be_payee()
            buyer.be_payer()
            for round_number in (1, 2):
                virtual_id = await pay(buyer, shop, seconds=3)
                await phase(hub, virtual_id, "open")
                buyer.request("close", buyer.device.address, virtual_id=virtual_id)
                await phase(hub, virtual_id, "collected")
                books = await hub.get("/v1/books")
                assert books["paid_early_wei"] == books["collected_wei"] == str(300 * round_number)
                assert books["virtuals_opened"] == round_number
            # After two ended channels (checkpoint_every) the hub folds them on both sides.
            for person, moved in ((shop, 600), (buyer, -600)):
                path = "/v1/channels/" + hexed(person.channel_id)
                channel = await hub.until(path, lambda channel: channel["checkpoint_version"] == 1)
                assert (channel["live"], channel["terminated"]) == (0, 0)
                await person.until(lambda person=person: person.record().checkpoint is not None)
                fees = int(channel["member_paid"])
                assert channel["free_member"] == str(10**15 + moved - fees)
                assert free_cash(person.record()) == (int(channel["free_member"]), int(channel["free_hub"]))
            fees = int((await hub.get("/v1/books"))["fees_wei"])
            assert fees == buyer.record().ab == buyer.record().due > 2 * 10**9

    play(scene())


def test_kill_9_in_the_middle_of_opening_and_closing_goes_on_after_the_restart(stage, hub, play):
    async def scene():
        async with Person(stage, "m0", "meter") as shop, Person(stage, "m1", "purse") as buyer:
            await shop.open(hub)
            await buyer.open(hub)
            shop.be_payee()
            buyer.be_payer()
            buyer.peer, shop.peer = shop, buyer

            shop.deaf.add("OfferLeg")
            buyer.request("buy", buyer.device.address, payee=shop.device.address, capacity=10_000, validity_s=3600)
            virtuals = (await hub.until("/v1/virtuals", lambda found: found["virtuals"]))["virtuals"]
            assert virtuals[0]["phase"] == "offered"
            virtual_id = bytes.fromhex(virtuals[0]["id"][2:])
            hub.process.kill()
            shop.deaf.clear()
            hub.start()
            await buyer.until(lambda: buyer.heard("paying"))
            await phase(hub, virtual_id, "open")
            shop.request("serve", shop.device.address, virtual=virtual_id)
            await shop.until(lambda: paid(shop, virtual_id) == 100)

            # The payer's member is away: the hub has paid, dies, and collects when the member is back.
            buyer.deaf.add("Collect")
            buyer.request("close", buyer.device.address, virtual_id=virtual_id)
            await phase(hub, virtual_id, "paid")
            hub.process.kill()
            hub.start()
            await phase(hub, virtual_id, "paid")
            buyer.deaf.clear()
            await phase(hub, virtual_id, "collected")
            books = await hub.get("/v1/books")
            assert (books["paid_early_wei"], books["collected_wei"]) == ("100", "100")

    play(scene())


def test_the_hubs_vault_bounds_what_it_quotes(stage, hub, play):
    async def scene():
        async with Person(stage, "m2") as person:
            asked = {"member": hexed(person.member.address), "member_owner": hexed(stage.owner),
                     "member_deposit": "1", "hub_deposit": str(2 * ETHER)}  # fmt: skip
            status, body = await hub.call("POST", "/v1/quotes", asked)
            assert status == 409 and body["error"]["code"] == "quote.liquidity"

    play(scene())
