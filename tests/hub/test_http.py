"""The HTTP interface: every path of the OpenAPI document, in every answer it names that can be brought about."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from perunika_hub import openapi
from tests.hub.cast import Person, hexed, pay

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "openapi" / "hub.json"
DOCUMENT = openapi.document()
NOWHERE = "0x" + "00" * 32


def check(path, method, status, body):
    """Compare an answer with the schema that the document gives for it."""
    responses = DOCUMENT["paths"][path][method.lower()]["responses"]
    assert str(status) in responses, f"{method} {path} answers {status}, which the document does not name: {body}"
    schema = responses[str(status)]["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(body)


class Caller:
    """Calls a hub, checks each answer against the document, and remembers what was called."""

    def __init__(self, hub):
        self.hub = hub
        self.seen = set()

    async def __call__(self, method, path, status, body=None, query="", values=(), **more):
        concrete = path
        for value in values:
            concrete = concrete.replace("{id}", value, 1)
        found, answer = await self.hub.call(method, concrete + query, body, **more)
        check(path, method, found, answer)
        assert found == status, answer
        self.seen.add((method, path, found))
        if found >= 400 and path != "/v1/health":
            assert answer["error"]["text"] and answer["error"]["fault"] in ("us", "peer", "chain")
            return answer["error"]["code"]
        return answer


def test_the_document_is_valid_and_committed():
    validate(DOCUMENT)
    assert json.loads(COMMITTED.read_text()) == DOCUMENT, "write it again: python -m perunika_hub.openapi > that file"


def test_every_path_answers_as_the_document_says(stage, make_hub, play):
    async def scene():
        hub = make_hub(http__quotes_per_minute=6, settle__wait="1h").start()
        call = Caller(hub)
        async with Person(stage, "m0", "meter") as shop, Person(stage, "m1", "purse") as buyer:
            await shop.open(hub)
            await buyer.open(hub)
            shop.be_payee()
            buyer.be_payer()
            virtual_id = hexed(await pay(buyer, shop, seconds=1))
            channel_id = hexed(shop.channel_id)

            assert (await call("GET", "/v1/health", 200))["status"] == "ok"
            assert (await call("GET", "/v1/info", 200))["contract"] == hexed(stage.contract)
            assert await call("GET", "/openapi.json", 200) == DOCUMENT
            first = await call("GET", "/v1/channels", 200, query="?limit=1")
            second = await call("GET", "/v1/channels", 200, query="?limit=1&after=" + first["next"])
            ids = sorted(hexed(person.channel_id) for person in (shop, buyer))
            assert [page["channels"][0]["id"] for page in (first, second)] == ids and second["next"] is None
            assert await call("GET", "/v1/channels", 400, query="?limit=0") == "request.field"
            assert (await call("GET", "/v1/channels/{id}", 200, values=[channel_id]))["live"] == 1
            assert await call("GET", "/v1/channels/{id}", 404, values=[NOWHERE]) == "channel.unknown"
            assert await call("GET", "/v1/channels/{id}", 400, values=["0x12"]) == "request.field"
            assert (await call("GET", "/v1/virtuals", 200))["virtuals"][0]["id"] == virtual_id
            assert await call("GET", "/v1/virtuals", 400, query="?after=1") == "request.field"
            assert (await call("GET", "/v1/virtuals/{id}", 200, values=[virtual_id]))["phase"] == "open"
            assert await call("GET", "/v1/virtuals/{id}", 404, values=[NOWHERE]) == "virtual.unknown"
            assert await call("GET", "/v1/virtuals/{id}", 400, values=["zz"]) == "request.field"

            for path in ("/v1/channels/{id}/close", "/v1/channels/{id}/checkpoint"):
                assert await call("POST", path, 401, values=[channel_id], token="") == "admin.token"
                assert await call("POST", path, 401, values=[channel_id], token="guess") == "admin.token"
                assert await call("POST", path, 404, values=[NOWHERE]) == "channel.unknown"
                assert await call("POST", path, 400, values=["0x"]) == "request.field"
            assert await call("POST", "/v1/channels/{id}/close", 409, values=[channel_id]) == "channel.live"
            assert (await call("POST", "/v1/channels/{id}/checkpoint", 200, values=[channel_id]))["offered"] is False
            assert await call("POST", "/v1/settle", 401, token="") == "admin.token"

            buyer.request("close", buyer.device.address, virtual_id=bytes.fromhex(virtual_id[2:]))
            await hub.until("/v1/virtuals/" + virtual_id, lambda virtual: virtual["phase"] == "collected")
            assert (await call("POST", "/v1/channels/{id}/checkpoint", 200, values=[channel_id]))["offered"] is True
            await hub.until("/v1/channels/" + channel_id, lambda channel: channel["checkpoint_version"] == 1)
            assert (await call("POST", "/v1/channels/{id}/close", 200, values=[channel_id]))["offered"] is True
            await hub.until("/v1/health", lambda health: health["settlement"]["waiting"] == 1)
            assert (await call("POST", "/v1/settle", 200))["closed"] == [channel_id]
            assert (await call("GET", "/v1/books", 200))["transactions"][0]["kind"] == "close"

            asked = {"member": hexed(buyer.member.address), "member_owner": hexed(stage.owner), "member_deposit": "1",
                     "hub_deposit": "1"}  # fmt: skip
            same = {**asked, "salt": "0x" + "5a" * 32}
            assert await call("POST", "/v1/quotes", 200, same) == await call("POST", "/v1/quotes", 200, same)
            assert await call("POST", "/v1/quotes", 409, {**same, "hub_deposit": "2"}) == "quote.again"
            while (await hub.call("POST", "/v1/quotes", asked))[0] == 200:
                pass
            assert await call("POST", "/v1/quotes", 429, asked) == "quote.rate"
            stage.node.pause()
            try:
                hub.process.signal(0)
            finally:
                stage.node.resume()
        called = {(method.lower(), path) for method, path, status in call.seen if status == 200}
        assert called | {("post", "/v1/quotes")} == {
            (method, path) for path, entry in DOCUMENT["paths"].items() for method in entry if method != "parameters"
        }

    play(scene())


@pytest.fixture(scope="module")
def any_hub(stage, tmp_path_factory):
    from tests.hub.cast import HubProcess

    with HubProcess(stage.write_config(tmp_path_factory.mktemp("hub"))) as hub:
        yield hub


ASKED = {"member": "0x" + "ab" * 20, "member_owner": "0x" + "cd" * 20, "member_deposit": "1", "hub_deposit": "1"}


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({"member": "0xab"}, "request.field", "member"),
        ({"member": "0x" + "00" * 20}, "request.field", "member"),
        ({"member_owner": None}, "request.field", "member_owner"),
        ({"member_deposit": 5}, "request.field", "member_deposit"),
        ({"member_deposit": "-5"}, "request.field", "member_deposit"),
        ({"hub_deposit": str(2**96)}, "request.field", "hub_deposit"),
        ({"challenge_duration_s": True}, "request.field", "challenge_duration_s"),
        ({"challenge_duration_s": 2**32}, "request.field", "challenge_duration_s"),
        ({"salt": "0x00"}, "request.field", "salt"),
        ({"deposit": "5"}, "request.field", "deposit"),
        ({"challenge_duration_s": 1}, "quote.duration", "1 s"),
    ],
)
def test_a_wrong_quote_request_names_what_is_wrong(any_hub, play, change, code, named):
    status, body = play(any_hub.call("POST", "/v1/quotes", {**ASKED, **change}))
    check("/v1/quotes", "POST", status, body)
    assert status in (400, 409) and body["error"]["code"] == code and named in body["error"]["text"]


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff\xfe", b'"x"'])
def test_a_body_that_is_no_object_is_refused(any_hub, play, raw):
    status, body = play(any_hub.call("POST", "/v1/quotes", raw=raw))
    check("/v1/quotes", "POST", status, body)
    assert status == 400 and body["error"]["code"] == "request.json"


def test_a_huge_body_an_unknown_path_and_a_wrong_method_are_refused_as_json(any_hub, play):
    status, body = play(any_hub.call("POST", "/v1/quotes", raw=b"x" * 20_000))
    assert status == 413 and body["error"]["code"] == "request.size"
    check("/v1/quotes", "POST", status, body)
    status, body = play(any_hub.call("GET", "/v2/quotes"))
    assert status == 404 and body["error"]["code"] == "request.path"
    status, body = play(any_hub.call("DELETE", "/v1/quotes"))
    assert status == 405 and body["error"]["code"] == "request.method"
