"""What goes wrong around a hub: bad messages, forged senders, node, broker and disk away, wrong configuration."""

import asyncio
import os
import resource
import signal
import time

import pytest

from perunika import cbor
from perunika.messages import Message, encode
from perunika.structs import Voucher
from perunika_host.mqtt_link import MqttLink
from perunika_host.mqtt_settings import MqttSettings
from perunika_hub.service import main
from tests.hub.cast import Person, hexed, key, paid, pay

HUB = key("hub").address


def errors(person):
    return [fields["code"] for fields in person.heard("peer error")]


def voucher(sender, to=HUB):
    body = {"id": b"\x01" * 32, "amount": 1, "signature": b"\x02" * 65}
    return encode(Message("Voucher", body, b"request!", to, sender))


async def refused(person, raw):
    """Say ``raw`` and return the code of the hub's Error."""
    before = len(errors(person))
    await person.say(raw)
    await person.until(lambda: len(errors(person)) > before)
    return errors(person)[-1]


def test_every_bad_message_is_answered_with_whose_fault_it_is_and_nothing_stops(stage, hub, play):
    async def scene():
        async with Person(stage, "m5") as person, Person(stage, "m6") as other:
            me = person.member.address
            good = voucher(me)
            assert await refused(other, voucher(other.member.address)) == "channel.unknown"
            assert await refused(person, good) == "channel.unknown"
            assert await refused(person, good[:-1]) == "cbor.truncated"
            assert await refused(person, good + b"\x00") == "cbor.trailing"
            assert await refused(person, good + b"\x00" * 2048) == "message.size"
            assert await refused(person, b"\xa1\x00\x19\xff\xff") == "message.unknown_type"
            assert await refused(
                person, encode(Message("Voucher", {"id": 7, "amount": 1, "signature": b"\x02" * 65}))
            ) == ("message.header")
            assert await refused(person, voucher(HUB)) == "message.from"
            assert await refused(person, voucher(other.member.address)) == "message.from"
            assert await refused(person, voucher(me, to=b"\x99" * 20)) == "message.to"
            assert await refused(person, voucher(me, to=me)) == "message.to"
            incomplete = cbor.encode({0: 6, 1: b"request!", 2: HUB, 3: me, 4: 5})
            assert (await refused(person, incomplete)).startswith("message.")
            health = await hub.get("/v1/health")
            assert health["messages"]["refused"] == 12 and health["status"] == "ok"
            await person.open(hub)

    play(scene())


def test_a_wrong_topic_is_counted_and_ignored(stage, hub, play):
    async def scene():
        settings = MqttSettings("127.0.0.1", stage.broker.hub_port, "misled", stage.broker.ca_pem, "hub",
                                stage.broker.password_path("hub", "hub"))  # fmt: skip
        async with MqttLink(settings) as link:
            await link.publish_confirmed("perunika/1/hub/nobody/up", voucher(key("m5").address), 10)
        await hub.until("/v1/health", lambda health: health["messages"]["refused"] == 1)

    play(scene())


def test_a_member_cannot_refuse_or_speak_in_anothers_name(stage, hub, play):
    async def scene():
        async with (
            Person(stage, "m0", "meter") as shop,
            Person(stage, "m1", "purse") as buyer,
            Person(stage, "m5") as forger,
        ):
            await shop.open(hub)
            await buyer.open(hub)
            shop.be_payee()
            buyer.be_payer()
            shop.deaf.add("OfferLeg")
            buyer.request("buy", buyer.device.address, payee=shop.device.address, capacity=10_000, validity_s=3600)
            (virtual,) = (await hub.until("/v1/virtuals", lambda found: found["virtuals"]))["virtuals"]
            body = {"virtual": bytes.fromhex(virtual["id"][2:]), "code": "no", "text": "forged"}
            forged = encode(Message("NotOk", body, b"request!", HUB, shop.member.address))
            assert await refused(forger, forged) == "message.from"
            assert (await hub.get("/v1/virtuals/" + virtual["id"]))["phase"] == "offered"

    play(scene())


@pytest.mark.parametrize("case", ["a repetition", "the forger's own"])
def test_a_member_does_not_get_the_messages_of_another_that_is_quiet(stage, hub, play, case):
    """The hub takes both messages; neither is signed by the member whose name it bears."""

    async def scene():
        async with Person(stage, "m2") as quiet, Person(stage, "m5") as forger:
            await quiet.open(hub)
            await forger.open(hub)
            owner = quiet if case == "a repetition" else forger
            amount = 0 if case == "a repetition" else 7
            domain = stage.domain
            signature = forger.member.sign(Voucher(owner.channel_id, amount).digest(domain))
            body = {"id": owner.channel_id, "amount": amount, "signature": signature}
            await forger.say(encode(Message("Voucher", body, b"request!", HUB, quiet.member.address)))
            await hub.until("/v1/health", lambda health: health["messages"]["received"] >= 1)
            await quiet.see_chain()
            await hub.post(f"/v1/channels/{hexed(quiet.channel_id)}/close")
            await quiet.until(lambda: quiet.record().close_bob is not None, timeout_s=5)

    play(scene())


def test_a_device_with_its_own_channel_behind_a_gateway_is_reached_also_after_kill_9(stage, hub, play):
    async def scene():
        async with (
            Person(stage, "m0", "meter") as shop,
            Person(stage, "m7") as gateway,
            Person(stage, "m6", "purse", behind=gateway) as device,
        ):
            await shop.open(hub)
            await device.open(hub)
            shop.be_payee()
            device.be_payer()
            virtual_id = await pay(device, shop, seconds=1)
            device.deaf.add("Collect")
            device.request("close", device.device.address, virtual_id=virtual_id)
            path = "/v1/virtuals/" + hexed(virtual_id)
            await hub.until(path, lambda virtual: virtual["phase"] == "paid")
            hub.process.kill()
            hub.start()
            device.deaf.clear()
            await hub.until(path, lambda virtual: virtual["phase"] == "collected")

    play(scene())


def test_without_a_node_the_state_stays_openings_are_refused_and_it_recovers_by_itself(stage, make_hub, play):
    async def scene():
        hub = make_hub(limits__min_window="1m").start()
        async with Person(stage, "m0", "meter") as shop, Person(stage, "m1", "purse") as buyer:
            await shop.open(hub)
            await buyer.open(hub)
            shop.be_payee()
            buyer.be_payer()
            virtual_id = await pay(buyer, shop, seconds=2)
            # The node goes away: what is open goes on being paid, the hub says what is wrong.
            stage.node.stop()
            try:
                status, health = await _until_degraded(hub)
                assert status == 503 and "chain.unreachable" in health["chain"]["error"]
                shop.request("serve", shop.device.address, virtual=virtual_id)
                await shop.until(lambda: paid(shop, virtual_id) == 300)
                status, body = await hub.call("POST", "/v1/settle")
                assert status in (200, 503)
                assert (await hub.get("/v1/channels"))["channels"]
                # Also a hub that starts now comes up, and waits.
                hub.process.kill()
                hub.start()
                assert (await hub.call("GET", "/v1/health"))[0] == 503
            finally:
                stage.node.start()
            stage.mine(3)
            await hub.until("/v1/health", lambda health: health["status"] == "ok", 40)
            buyer.request("close", buyer.device.address, virtual_id=virtual_id)
            await hub.until("/v1/virtuals/" + hexed(virtual_id), lambda virtual: virtual["phase"] == "collected")

    play(scene())


async def _until_degraded(hub):
    async with asyncio.timeout(15):
        while True:
            status, health = await hub.call("GET", "/v1/health")
            if status != 200:
                return status, health
            await asyncio.sleep(0.05)


def test_an_old_view_of_the_chain_refuses_openings(stage, make_hub, play):
    async def mine_on():
        while True:
            stage.mine()
            await asyncio.sleep(0.2)

    async def fresh(hub):
        task = asyncio.create_task(mine_on())
        await hub.until("/v1/health", lambda health: health["chain"]["time"] >= int(time.time()))
        return task

    async def scene():
        hub = make_hub(limits__min_window="2s").start()
        async with Person(stage, "m0", "meter") as shop, Person(stage, "m1", "purse") as buyer:
            await shop.open(hub)
            await buyer.open(hub, challenge_duration_s=4)
            shop.be_payee()
            buyer.be_payer()
            # The member itself believes its view to be fresh: here it is the hub that must refuse (R13).
            basic = buyer.record()
            buyer.request("chain", channel_id=buyer.channel_id, status=1, base=basic.base, total=basic.total,
                          withdraw_nonce=0, block=2**40, time_s=2**40)  # fmt: skip
            mining = await fresh(hub)
            await pay(buyer, shop, seconds=1)
            mining.cancel()
            await asyncio.sleep(3)
            buyer.request("buy", buyer.device.address, payee=shop.device.address, capacity=10_000, validity_s=3600)
            await buyer.until(lambda: "chain.stale" in [fields["code"] for fields in buyer.heard("refused")])
            mining = await fresh(hub)
            await pay(buyer, shop, seconds=1)
            mining.cancel()

    play(scene())


def test_the_broker_goes_and_comes_back(stage, hub, play):
    async def scene():
        async with Person(stage, "m5") as person:
            stage.broker.stop()
            try:
                status, health = await _until_degraded(hub)
                assert status == 503 and health["mqtt"]["error"].startswith("mqtt.")
            finally:
                stage.broker.start()
            await hub.until("/v1/health", lambda health: health["status"] == "ok")
            await person.link.wait_connected(15)
            assert await refused(person, voucher(person.member.address)) == "channel.unknown"

    play(scene())


def test_a_full_disk_refuses_clearly_loses_nothing_and_goes_on_afterwards(stage, hub, play):
    async def scene():
        async with Person(stage, "m5") as person:
            await person.open(hub, member_wei=1000)
            before = (await hub.get("/v1/channels"))["channels"]
            database = hub.process.log_path.parent / "hub.sqlite3-wal"
            # The hub's files may not grow beyond this: what a full disk does, for one process.
            limit = os.path.getsize(database)
            resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            asked = {"member": hexed(person.member.address), "member_owner": hexed(stage.owner),
                     "member_deposit": "1", "hub_deposit": "1"}  # fmt: skip
            status, body = await hub.call("POST", "/v1/quotes", asked)
            assert status == 503 and body["error"]["fault"] == "us" and "hub.sqlite3" in body["error"]["text"], body
            quote = {"member": person.member.address, "member_owner": stage.owner, "asset": bytes(20),
                     "member_deposit": 1, "hub_deposit": 1, "challenge_duration": 3600,
                     "salt": b"\x07" * 32}  # fmt: skip
            asking = encode(Message("QuoteRequest", quote, b"request!", HUB, person.member.address))
            assert (await refused(person, asking)).startswith("store.")
            stage.mine(3)
            assert [{**each, "block": 0, "seen": 0} for each in (await hub.get("/v1/channels"))["channels"]] == [
                {**each, "block": 0, "seen": 0} for each in before
            ]
            resource.prlimit(hub.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            await hub.post("/v1/quotes", asked)
            head = int(stage.node.call("eth_blockNumber"), 16)
            await hub.until("/v1/health", lambda health: health["chain"]["block"] >= head - 2)

    play(scene())


def test_sigterm_ends_it_cleanly_and_members_messages_wait(stage, hub, play):
    async def scene():
        async with Person(stage, "m5") as person:
            hub.process.signal(signal.SIGTERM)
            assert hub.process.wait(10) == 0
            await person.say(voucher(person.member.address))
            hub.start()
            await person.until(lambda: "channel.unknown" in errors(person))

    play(scene())


@pytest.mark.parametrize(
    ("change", "named", "proposal"),
    [
        ({"chain__chain_id": 1}, "chain.wrong-chain", "chain id"),
        ({"chain__contract": "0x" + "77" * 20}, "chain.no-contract", "contract"),
        ({"chain__confirmations": "two"}, "chain.confirmations", "whole number"),
        ({"chain__rpc_url": "localhost:8545"}, "chain.rpc_url", "http://127.0.0.1:8545"),
        ({"chain__conformations": 2}, "chain.conformations", "did you mean chain.confirmations"),
        ({"fees__ppm": -1}, "fees.ppm", "from 0 to 1000000"),
        ({"limits__min_window": "1s"}, "limits.min_window", "inside what the contract allows"),
        ({"limits__max_hub_deposit": "1 BTC"}, "limits.max_hub_deposit", "0.01 ETH"),
        ({"keys__hub_password_file": "keys/gas.json"}, "hub.json", "right password"),
        ({"keys__gas_keystore": "keys/none.json"}, "none.json", "No such file"),
        ({"http__admin_token_file": "keys/none"}, "keys/none", "No such file"),
        ({"mqtt__ca_file": "none.pem"}, "none.pem", "PEM"),
        ({"store__path": "none/hub.sqlite3"}, "none/hub.sqlite3", "create the directory"),
    ],
)
def test_a_wrong_configuration_is_named_with_what_to_do(stage, tmp_path, capsys, change, named, proposal):
    assert main(stage.write_config(tmp_path, **change)) == 2
    told = capsys.readouterr().err
    assert named in told and proposal in told and "Traceback" not in told


def test_two_hubs_do_not_share_a_store(stage, hub, make_hub):
    second = make_hub()
    second.process.start()
    assert second.process.wait(20) == 2
    assert "store.locked" in second.process.output()
