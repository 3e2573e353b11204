"""The relay: allowance and seller through two gateways, readings, and every kind of message that does not belong."""

import asyncio
import json
import os

import pytest

from perunika.evidence import sign_voucher
from perunika.messages import Message, encode
from perunika.records import PAYEE, PAYEE_MEMBER, Funding, funding_key, load
from perunika.statements import Reading
from perunika.structs import Finish
from perunika_host.mqtt_link import MqttLink
from perunika_host.sqlite_store import SqliteStore


@pytest.fixture(scope="module")
def site(cast):
    cast.start_gateway("shop")
    cast.start_gateway("owner")
    return cast, cast.payer2(), cast.seller()


@pytest.fixture(scope="module")
def sale(site):
    """Payer 2 has a channel with the seller: funded by the owner F, carried by the shop G."""
    cast, payer, seller = site
    return cast, payer, seller, cast.buy(payer, "seller")


def reading(cast, sequence, device="seller", signer="seller"):
    value = Reading(cast.a[device], sequence, 1_800_000_000, b"temperature".ljust(32, b"\0"), -2150, -2)
    body = {"reading": value, "signature": cast.keys[signer].sign(value.digest(cast.domain))}
    return encode(Message("Reading", body, None, cast.a["payer2"], cast.a["seller"]))


def funding_in(path, virtual):
    with SqliteStore(path, read_only=True) as store:
        return load(store, Funding, funding_key(PAYEE_MEMBER, virtual))


def test_a_payer_on_an_allowance_pays_a_seller_of_the_same_site_by_short_messages(sale):
    cast, payer, seller, virtual = sale
    cast.run(payer.request(payer.id, "pay", virtual_id=virtual, amount=700))
    cast.until(lambda: seller.stream(PAYEE).paid() == 700, what="the seller was not paid")
    cast.until(lambda: payer.stream().acked == 700, what="the payer got no acknowledgement")
    vouchers = [m for m in seller.heard if m.name == "Voucher"]
    assert vouchers and all(m.to is None and type(m["id"]) is int for m in vouchers)


def test_what_is_paid_to_a_seller_is_in_both_databases_of_its_member(sale):
    cast, payer, seller, virtual = sale
    cast.run(payer.request(payer.id, "pay", virtual_id=virtual, amount=300))
    cast.until(lambda: seller.stream(PAYEE).paid() >= 1000, what="the seller was not paid")
    paid = seller.stream(PAYEE).paid()
    for place in ("first", "second"):
        kept = funding_in(cast.directory / "shop" / place / "gateway.sqlite", virtual)
        assert kept.forward.amount == paid


def test_a_signed_reading_reaches_the_buyer_and_the_api_a_forged_one_neither(sale):
    cast, payer, seller, _ = sale
    cast.run(seller.raw(reading(cast, 7)))
    cast.until(lambda: payer.readings, what="the reading did not come")
    (shown,) = cast.api("shop", "/v1/readings")[1]["readings"]
    assert (shown["sequence"], shown["value"], shown["exponent"], shown["kind"]) == (7, "-2150", -2, "temperature")
    for forged in (reading(cast, 8, signer="payer2"), reading(cast, 8, device="payer2", signer="payer2")):
        seller.errors.clear()
        cast.run(seller.raw(forged))
        cast.until(lambda: seller.errors, what="no Error for a forged reading")
        assert seller.errors[-1] in ("reading.signature", "reading.device")
    assert len(payer.readings) == 1
    assert cast.api("shop", "/v1/readings")[1]["readings"][0]["sequence"] == 7


def test_a_forged_or_excessive_payment_to_a_seller_does_not_pass_the_gateway(sale):
    cast, payer, seller, virtual = sale
    handle, before = payer.stream().ready.handle, len([m for m in seller.heard if m.name == "Voucher"])
    evidence = sign_voucher(cast.domain, cast.keys["seller"], virtual, 10**6)
    body = {"id": handle, "amount": evidence.amount, "signature": evidence.signature}
    cast.run(payer.raw(encode(Message("Voucher", body))))
    cast.until(lambda: "voucher.signer" in payer.errors, what="no Error for a forged voucher")
    assert len([m for m in seller.heard if m.name == "Voucher"]) == before
    assert seller.stream(PAYEE).paid() < 10**6


def test_an_allowance_can_be_paused_and_spent_and_both_are_told_to_the_payer(sale):
    cast, payer, _, _ = sale
    allowance = cast.allowance("payer2")
    assert allowance["used_wei"] == "10000000"
    body = {"payer": allowance["payer"], "limit_wei": allowance["limit_wei"], "paused": True}
    assert cast.api("owner", "/v1/allowances", body, "test-admin-token")[0] == 200
    cast.run(payer.request(payer.id, "buy", payee=cast.a["seller"], capacity=1000, validity_s=600))
    cast.until(lambda: "allowance.none" in payer.errors, what="the pause was not told")
    cast.api("owner", "/v1/allowances", {**body, "paused": False}, "test-admin-token")
    cast.run(payer.request(payer.id, "buy", payee=cast.a["seller"], capacity=20_000_000, validity_s=600))
    cast.until(lambda: "allowance.spent" in payer.errors, what="the limit was not told")


CASES = {
    "oversized": (lambda cast, payer: b"\xa1" + b"x" * 5000, "message.size"),
    "not CBOR": (lambda cast, payer: b"\xff\xff", None),
    "truncated": (
        lambda cast, payer: encode(Message("TermsRequest", {"payer": payer.id}, None, cast.a["meter"], payer.id))[:-3],
        None,
    ),
    "unknown type": (lambda cast, payer: b"\xa1\x00\x18\xc8", "message.unknown_type"),
    "unknown handle": (lambda cast, payer: encode(Message("Ack", {"id": 99, "amount": 1})), "virtual.unknown"),
    "unknown channel": (
        lambda cast, payer: encode(Message("Ack", {"id": os.urandom(32), "amount": 1})),
        "virtual.unknown",
    ),
    "another's name": (
        lambda cast, payer: encode(
            Message("TermsRequest", {"payer": payer.id}, b"8" * 8, cast.a["meter"], cast.a["seller"])
        ),
        "message.from",
    ),
    "no sender": (
        lambda cast, payer: encode(Message("TermsRequest", {"payer": payer.id}, None, cast.a["meter"])),
        "message.from",
    ),
    "no receiver": (
        lambda cast, payer: encode(Message("ReadyRequest", {"virtual": bytes(32)}, None, None, payer.id)),
        "message.to",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_message_is_answered_with_an_error_and_counted_and_stops_nothing(sale, case):
    cast, payer, seller, virtual = sale
    make, code = CASES[case]
    refused, answered = counted(cast), len(payer.errors)
    cast.run(payer.raw(make(cast, payer)))
    cast.until(lambda: len(payer.errors) > answered, what="no Error")
    assert code is None or payer.errors[-1] == code
    assert counted(cast) == refused + 1
    before = payer.stream().acked
    cast.run(payer.request(payer.id, "pay", virtual_id=virtual, amount=1))
    cast.until(lambda: payer.stream().acked == before + 1, what="the relay stands still")


def counted(cast):
    devices = cast.api("shop", "/v1/devices")[1]["devices"]
    return sum(next(d for d in devices if d["name"] == "pump")["refused"].values())


def test_nobody_elsewhere_speaks_in_the_name_of_an_address_of_this_site(sale):
    """The payer of a channel holds its payee's Finish once it is over: it must not be able to ask for the close."""
    cast, _, seller, virtual = sale
    signature = cast.keys["seller"].sign(Finish(virtual).digest(cast.domain))
    forged = Message("CloseLeg", {"virtual": virtual, "signature": signature}, b"12345678", cast.a["shop"])
    forged.sender = cast.a["seller"]
    before = cast.api("shop", "/v1/health")[1]["refused"].get("message.from", 0)
    cast.run(cast.hub.link.publish(f"perunika/1/hub/{cast.a['shop'].hex()}/down", encode(forged)))
    cast.until(lambda: cast.api("shop", "/v1/health")[1]["refused"].get("message.from", 0) == before + 1, what="taken")
    assert seller.stream(PAYEE).phase == "serving"


def test_an_error_is_never_answered_with_an_error(sale):
    cast, payer, _, _ = sale
    answered, refused = len(payer.errors), counted(cast)
    cast.run(payer.raw(encode(Message("Error", {"code": "x", "text": "y"}, None, cast.a["meter"], cast.a["seller"]))))
    cast.until(lambda: counted(cast) == refused + 1, what="not counted")
    assert len(payer.errors) == answered


def test_a_device_that_is_not_configured_is_told_so(site):
    cast = site[0]
    stranger = cast.a["device1"]  # has a login at the broker, but no entry of its own
    heard = []

    async def ask():
        async with MqttLink(cast._settings("site", stranger.hex())) as link:

            async def take(topic, raw):
                heard.append(raw)

            link.subscribe(f"perunika/1/shop/{stranger.hex()}/down", take)
            await link.wait_connected(10)
            await link.publish(
                f"perunika/1/shop/{stranger.hex()}/up",
                encode(Message("TermsRequest", {"payer": stranger}, b"12345678", cast.a["meter"], stranger)),
            )
            for _ in range(100):
                if heard:
                    return
                await asyncio.sleep(0.05)

    cast.run(ask())
    assert b"device.unknown" in heard[0] and b"12345678" in heard[0]
    assert cast.api("shop", "/v1/health")[1]["refused"]["device.unknown"] == 1


def test_people_see_availability_and_state_on_retained_topics(site):
    cast = site[0]
    gateway = cast.a["shop"].hex()
    seen = {}

    async def look():
        async with MqttLink(cast._settings("site", "shop")) as link:

            async def take(topic, raw):
                seen[topic.split("/", 3)[3]] = raw

            link.subscribe(f"perunika/1/shop/{gateway}/+", take)
            await link.wait_connected(10)
            for _ in range(100):
                if len(seen) == 2:
                    return
                await asyncio.sleep(0.05)

    cast.run(look())
    assert seen[gateway + "/availability"] == b"online"
    assert json.loads(seen[gateway + "/state"])["ok"] is True
    assert cast.api("shop", "/v1/devices")[1]["devices"][1]["availability"] == "unknown"


def test_closing_from_the_payer_collects_from_the_owner_and_pays_the_shop(sale):
    cast, payer, seller, virtual = sale
    paid = payer.stream().paid()
    cast.close(payer, virtual)
    cast.until(lambda: seller.stream(PAYEE).phase == "paid", what="the seller was not told")
    owner, shop = cast.api("owner", "/v1/books")[1], cast.api("shop", "/v1/books")[1]
    assert (owner["spent_wei"], shop["earned_wei"]) == (str(paid), str(paid))
    fee = cast.hub.seen("virtual opened")[0]["fee"]
    assert owner["fees_wei"] == str(fee) != "0"
    assert cast.allowance("payer2")["used_wei"] == str(paid)
    late = {"id": payer.stream().ready.handle, "amount": paid + 1, "signature": bytes(65)}
    cast.run(payer.raw(encode(Message("Voucher", late))))
    cast.until(lambda: "virtual.closed" in payer.errors, what="a late payer is not told that the channel is over")
