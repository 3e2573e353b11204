"""A payer at one site, a seller and a meter at another: everything goes through both gateways and the hub."""

import pytest

from perunika.messages import Message, encode
from perunika.records import PAYEE
from perunika.statements import Reading
from perunika_cli.stack.broker import Broker
from perunika_host.sqlite_store import SqliteStore
from tests.gateway.cast import PRICE_WEI
from tests.gateway.test_relay import funding_in

HOME = "home"


@pytest.fixture(scope="module")
def sites(cast):
    visitor = cast.a["visitor"].hex()
    directory = cast.directory / "home-broker"
    with Broker(directory, site=HOME, devices={visitor: "v password"}, gateways={"owner": "o password"}) as home:
        settings = {
            "host": "localhost", "port": home.site_port, "ca_file": home.ca_pem, "user": "owner", "name": HOME,
            "password_file": home.password_path("site", "owner"),
        }  # fmt: skip
        cast.start_gateway("owner", *[f"site.{name}={value}" for name, value in settings.items()])
        cast.start_gateway("shop", "meter.serve_while_open=true")
        # The hub's operator has said where these two are; payers become known by their requests.
        cast.hub.places.update({cast.a["seller"]: cast.a["shop"], cast.a["meter"]: cast.a["shop"]})
        device = cast.visitor(home, HOME)
        yield cast, device
        cast.run(device.stop())
        cast.devices.remove(device)


def test_short_payments_leave_the_site_in_full_form_and_are_kept_at_the_sellers_gateway(sites):
    cast, visitor = sites
    seller = cast.seller()
    virtual = cast.buy(visitor, "seller", capacity=1_000_000)
    cast.run(visitor.request(visitor.id, "pay", virtual_id=virtual, amount=900))
    cast.until(lambda: seller.stream(PAYEE).paid() == 900, what="the payment did not cross")
    (voucher,) = [m for m in seller.heard if m.name == "Voucher"][-1:]
    assert (voucher["id"], voucher.to, voucher.sender) == (virtual, seller.id, visitor.id)
    cast.until(lambda: visitor.stream().acked == 900, what="no acknowledgement came back")
    assert funding_in(cast.directory / "shop" / "second" / "gateway.sqlite", virtual).forward.amount == 900
    value = Reading(seller.id, 1, 1_800_000_000, b"level".ljust(32, b"\0"), 5, 0)
    body = {"reading": value, "signature": cast.keys["seller"].sign(value.digest(cast.domain))}
    cast.run(seller.raw(encode(Message("Reading", body, None, visitor.id, seller.id))))
    cast.until(lambda: visitor.readings, what="the reading did not cross")
    cast.close(visitor, virtual)
    cast.until(lambda: cast.api("shop", "/v1/books")[1]["earned_wei"] == "900", what="the shop was not paid")


def test_a_meter_is_paid_by_the_second_from_another_site(sites):
    cast, visitor = sites
    virtual = cast.buy(visitor, "meter", capacity=1_000_000)

    def acked():
        return next(s for s in visitor.streams() if s.params.digest(cast.domain) == virtual).acked

    cast.until(lambda: acked() >= 5 * PRICE_WEI, what="payments do not flow")
    served = cast.gateway_stream("shop", virtual)["served"]
    assert served >= 5
    cast.close(visitor, virtual)


def test_handles_are_in_the_store_of_both_gateways(sites):
    cast, _ = sites
    for name in ("owner", "shop"):
        with SqliteStore(cast.directory / name / "first" / "gateway.sqlite", read_only=True) as store:
            assert len(store.scan(b"%link")) == 2


def test_after_both_gateways_were_killed_a_payment_still_finds_its_way(sites):
    cast, visitor = sites
    seller = next(device for device in cast.devices if device.name == "seller")
    virtual = cast.buy(visitor, "seller", capacity=1_000_000)
    for name in ("owner", "shop"):
        cast.gateways[name].kill()
    for name in ("owner", "shop"):
        cast.gateways[name].start()
        cast.wait_ready(name)
    cast.run(visitor.request(visitor.id, "pay", virtual_id=virtual, amount=77))
    cast.until(lambda: [s for s in seller.streams(PAYEE) if s.paid() == 77], what="the payment was lost")
