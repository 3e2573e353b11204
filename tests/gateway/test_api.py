"""The HTTP API keeps its OpenAPI document: every path, every answer, every refusal."""

import json
import time
import urllib.request
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from perunika_gateway.openapi import OPERATIONS, document
from tests.gateway.cast import TOKEN

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi" / "gateway.json"


@pytest.fixture(scope="module")
def shop(cast):
    cast.start_gateway("shop")
    device = cast.payer1()
    virtual = cast.buy(device, "meter")
    return cast, "0x" + virtual.hex()


def check(schema_name, value):
    full = document()
    schema = {"$ref": f"#/components/schemas/{schema_name}", "components": full["components"]}
    Draft202012Validator(schema).validate(value)


def test_the_committed_document_is_valid_and_is_the_one_served(shop):
    cast, _ = shop
    validate(document())
    assert json.loads(COMMITTED.read_text()) == document()
    assert cast.api("shop", "/openapi.json") == (200, document())


def test_every_reading_path_answers_by_its_schema(shop):
    cast, _ = shop
    reading = [(path, answer) for method, path, _, _, answer, _ in OPERATIONS if method == "get"]
    assert len(reading) == 8
    for path, answer in reading:
        status, value = cast.api("shop", path)
        assert status == 200, (path, value)
        check(answer, value)


def test_the_answers_say_what_is_so(shop):
    cast, virtual = shop
    info = cast.api("shop", "/v1/info")[1]
    assert info["member"] == "0x" + cast.a["shop"].hex() and info["payees"] == ["0x" + cast.a["meter"].hex()]
    assert info["channel"] == "0x" + cast.ids["shop"].hex() and info["meter"]["kind"] == "http"
    (channel,) = cast.api("shop", "/v1/channels")[1]["channels"]
    assert (channel["status"], channel["base_wei"], channel["total_wei"]) == ("open", str(10**12), str(11 * 10**12))
    stream = next(s for s in cast.api("shop", "/v1/streams")[1]["streams"] if s["virtual"] == virtual)
    assert (stream["role"], stream["phase"], stream["capacity_wei"]) == ("payee", "serving", "10000000")
    assert [d["kind"] for d in cast.api("shop", "/v1/devices")[1]["devices"]] == ["payer", "payer", "seller"]


def test_an_allowance_is_set_and_kept_over_a_restart(shop):
    cast, _ = shop
    payer = "0x" + "ab" * 20
    body = {"payer": payer, "limit_wei": "5000", "max_fee_wei": "70"}
    status, value = cast.api("shop", "/v1/allowances", body, TOKEN)
    check("Allowance", value)
    assert status == 200 and value == {**body, "used_wei": "0", "paused": False}
    cast.gateways["shop"].kill()
    cast.start_gateway("shop")
    assert cast.api("shop", "/v1/allowances")[1]["allowances"] == [value]


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"payer": "0x12", "limit_wei": "1"},
        {"payer": "0x" + "ab" * 20, "limit_wei": 1},
        {"payer": "0x" + "ab" * 20, "limit_wei": "-1"},
        {"payer": "0x" + "ab" * 20, "limit_wei": "1" * 200},
        {"payer": "0x" + "ab" * 20, "limit_wei": "1", "paused": "no"},
        {"payer": "0x" + "ab" * 20, "limit_wei": "1", "more": "x" * 20_000},
    ],
)
def test_a_wrong_body_is_refused_by_name(shop, body):
    cast, _ = shop
    status, value = cast.api("shop", "/v1/allowances", body if body is not None else "no object", TOKEN)
    check("Error", value)
    assert status in (400, 413) and value["error"]["fault"] == "peer"


def test_calls_that_change_something_need_the_admin_token(shop):
    cast, virtual = shop
    paths = [
        path.format(virtual=virtual, id="0x" + cast.ids["shop"].hex())
        for method, path, *_ in OPERATIONS
        if method == "post"
    ]
    assert len(paths) == 3
    for path in paths:
        for token in (None, "wrong", TOKEN + "x"):
            status, value = cast.api("shop", path, {}, token)
            check("Error", value)
            assert (status, value["error"]["code"]) == (401, "admin.token")
    assert cast.api("shop", "/v1/channels")[1]["channels"][0]["closing"] is False


def test_what_does_not_exist_is_told_in_the_same_form(shop):
    cast, _ = shop
    nothing = "0x" + "00" * 32
    for path, body, expected in (
        (f"/v1/streams/{nothing}/close", {}, 404),
        (f"/v1/channels/{nothing}/close", {}, 404),
        ("/v1/streams/0x12/close", {}, 400),
        ("/v1/nothing", None, 404),
        ("/v1/books", {}, 405),
    ):
        status, value = cast.api("shop", path, body, TOKEN)
        check("Error", value)
        assert status == expected, path


def test_a_channel_with_an_open_stream_does_not_close_then_it_does(shop):
    cast, virtual = shop
    path = f"/v1/channels/0x{cast.ids['shop'].hex()}/close"
    status, value = cast.api("shop", path, {}, TOKEN)
    assert (status, value["error"]["code"]) == (409, "channel.live")
    status, stream = cast.api("shop", f"/v1/streams/{virtual}/close", {}, TOKEN)
    check("Stream", stream)
    assert status == 200
    cast.until(lambda: cast.gateway_stream("shop", bytes.fromhex(virtual[2:]))["phase"] == "paid", what="not collected")
    status, channel = cast.api("shop", path, {}, TOKEN)
    check("Channel", channel)
    assert status == 200 and channel["closing"] is True
    cast.until(lambda: cast.hub.seen("close signed"), what="the hub did not countersign")


def test_it_listens_on_loopback_only(shop):
    cast, _ = shop
    assert re_ready(cast).startswith("http=127.0.0.1:")
    url = f"http://127.0.0.1:{cast.ports['shop'][0]}/v1/health"
    began_s = time.monotonic()
    with urllib.request.urlopen(url, timeout=5) as answer:
        assert answer.headers["Content-Type"].startswith("application/json")
    assert time.monotonic() - began_s < 5


def re_ready(cast):
    line = next(each for each in cast.gateways["shop"].output().splitlines() if "gateway ready" in each)
    return next(word for word in line.split() if word.startswith("http="))
