"""The OpenAPI 3.1 document of the hub's HTTP interface; docs/openapi/hub.json is its committed copy."""

import json
import sys
from typing import Any

Json = dict[str, Any]

WEI: Json = {"type": "string", "pattern": "^-?[0-9]+$", "description": "wei, decimal digits"}
ID: Json = {"type": "string", "pattern": "^0x[0-9a-f]{64}$"}
ADDRESS: Json = {"type": "string", "pattern": "^0x[0-9a-f]{40}$"}
SIGNATURE: Json = {"type": "string", "pattern": "^0x[0-9a-f]{130}$"}
WHOLE: Json = {"type": "integer"}
SECONDS: Json = {"type": "integer", "minimum": 0, "description": "seconds"}
UNIX: Json = {"type": "integer", "minimum": 0, "description": "Unix seconds"}
TEXT: Json = {"type": "string"}
YES_NO: Json = {"type": "boolean"}
MAYBE_TEXT: Json = {"type": ["string", "null"]}


def _object(optional: tuple[str, ...] = (), **properties: Json) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _list(item: Json) -> Json:
    return {"type": "array", "items": item}


def _ref(name: str) -> Json:
    return {"$ref": "#/components/schemas/" + name}


SCHEMAS: Json = {
    "Error": _object(
        error=_object(
            code=TEXT,
            text=TEXT,
            hint=TEXT,
            fault={"enum": ["us", "peer", "chain"], "description": "as the hub sees it"},
        )
    ),
    "Fees": _object(base=WEI, ppm=WHOLE, ppm_per_day=WHOLE, min_capacity=WEI, max_capacity=WEI, valid_until=UNIX),
    "BasicParams": _object(
        alice=ADDRESS,
        bob=ADDRESS,
        alice_owner=ADDRESS,
        bob_owner=ADDRESS,
        asset=ADDRESS,
        challenge_duration=SECONDS,
        open_before=UNIX,
        salt=ID,
    ),  # fmt: skip
    "VirtualParams": _object(
        payer_channel=ID,
        payee_channel=ID,
        payer=ADDRESS,
        payee=ADDRESS,
        payer_capacity=WEI,
        payee_capacity=WEI,
        validity=UNIX,
        window=SECONDS,
        salt=ID,
    ),  # fmt: skip
    "Info": _object(
        hub=ADDRESS,
        owner=ADDRESS,
        chain_id=WHOLE,
        contract=ADDRESS,
        confirmations=WHOLE,
        fees=_ref("Fees"),
        limits=_object(
            min_window_s=SECONDS,
            max_window_s=SECONDS,
            challenge_duration_s=SECONDS,
            max_validity_s=SECONDS,
            offer_timeout_s=SECONDS,
            max_uncollected=WHOLE,
            early_floor=WEI,
            max_hub_deposit=WEI,
            open_within_s=SECONDS,
            checkpoint_every=WHOLE,
        ),
        version=TEXT,
    ),  # fmt: skip
    "Health": _object(
        status={"enum": ["ok", "degraded"]},
        chain=_object(block=WHOLE, time=UNIX, error=MAYBE_TEXT),
        mqtt=_object(connected=YES_NO, error=MAYBE_TEXT, dropped_in=WHOLE, dropped_out=WHOLE),
        settlement=_object(waiting=WHOLE, error=MAYBE_TEXT),
        messages=_object(received=WHOLE, sent=WHOLE, relayed=WHOLE, refused=WHOLE),
    ),
    "QuoteRequest": _object(
        ("challenge_duration_s", "salt"),
        member={"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$", "description": "the member's own key"},
        member_owner={"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$", "description": "who is paid out"},
        member_deposit={"type": "string", "pattern": "^[0-9]{1,40}$"},
        hub_deposit={"type": "string", "pattern": "^[0-9]{1,40}$"},
        challenge_duration_s=SECONDS,
        salt={"type": "string", "pattern": "^0x[0-9a-fA-F]{64}$", "description": "the same salt gives the same quote"},
    ),
    "Quote": _object(
        channel=ID,
        params=_ref("BasicParams"),
        open=_object(channel_id=ID, member_deposit=WEI, hub_deposit=WEI, valid_until=UNIX),
        signature=SIGNATURE,
        fees=_ref("Fees"),
    ),
    "Channel": _object(
        id=ID,
        params=_ref("BasicParams"),
        status={"enum": ["none", "open", "dispute", "folded", "closed"]},
        base=WEI,
        total=WEI,
        member_paid=WEI,
        hub_paid=WEI,
        fees_due=WEI,
        free_member=WEI,
        free_hub=WEI,
        live=WHOLE,
        terminated=WHOLE,
        checkpoint_version=WHOLE,
        closing=YES_NO,
        block=WHOLE,
        seen=UNIX,
    ),  # fmt: skip
    "Channels": _object(channels=_list(_ref("Channel")), next={"type": ["string", "null"]}),
    "Virtual": _object(
        id=ID,
        params=_ref("VirtualParams"),
        phase={"enum": ["offered", "refusing", "refused", "open", "netting", "paid", "collected"]},
        fee=WEI,
        proved=WEI,
        asked=UNIX,
        reason=TEXT,
    ),  # fmt: skip
    "Virtuals": _object(virtuals=_list(_ref("Virtual")), next={"type": ["string", "null"]}),
    "Transaction": _object(hash=ID, kind=TEXT, gas_used=WHOLE, gas_price_wei=WEI, block=WHOLE, channels=_list(ID)),
    "ChannelBooks": _object(
        id=ID,
        member=ADDRESS,
        member_owner=ADDRESS,
        fees_wei=WEI,
        member_paid_wei=WEI,
        member_deposit_wei=WEI,
        hub_deposit_wei=WEI,
        to_member_wei=WEI,
        to_hub_wei=WEI,
        closed=YES_NO,
    ),  # fmt: skip
    "Books": _object(
        fees_wei=WEI,
        paid_early_wei=WEI,
        collected_wei=WEI,
        virtuals_opened=WHOLE,
        vault_wei={**WEI, "type": ["string", "null"]},
        gas_wei=WEI,
        deposits=_object(members_wei=WEI, hub_wei=WEI),
        payouts=_object(members_wei=WEI, hub_wei=WEI),
        transactions=_list(_ref("Transaction")),
        channels=_list(_ref("ChannelBooks")),
    ),  # fmt: skip
    "Offered": _object(channel=ID, offered=YES_NO),
    "Settled": _object(closed=_list(ID), transactions=_list(ID), waiting=WHOLE),
}

PAGE_PARAMETERS = [
    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}},
    {"name": "after", "in": "query", "schema": ID, "description": "`next` of the page before"},
]
ID_PARAMETER = {"name": "id", "in": "path", "required": True, "schema": ID}


def _content(schema: Json, description: str) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _operation(name: str, summary: str, answer: str, *errors: int, **more: Any) -> Json:
    responses = {"200": _content(_ref(answer), summary)}
    reasons = {
        400: "The request is wrong.", 401: "The admin token is missing or wrong.", 404: "There is no such thing.",
        409: "Not now: the error says why.", 413: "The request is too large.", 429: "Too many requests.",
        503: "The chain or the store does not allow it now.",
    }  # fmt: skip
    for status in errors:
        responses[str(status)] = _content(_ref("Error"), reasons[status])
    return {"operationId": name, "summary": summary, "responses": responses, **more}


def _admin(name: str, summary: str, answer: str, *errors: int, **more: Any) -> Json:
    return _operation(name, summary, answer, 401, *errors, security=[{"adminToken": []}], **more)


def _paths() -> Json:
    by_id = {"parameters": [ID_PARAMETER]}
    health = _operation("getHealth", "Whether openings would be accepted now.", "Health")
    health["responses"]["503"] = _content(_ref("Health"), "Openings are refused now; the reasons stand inside.")
    document = {
        "operationId": "getOpenapi", "summary": "This document.",
        "responses": {"200": _content({"type": "object"}, "OpenAPI 3.1")},
    }  # fmt: skip
    quote = {"requestBody": {"required": True, "content": {"application/json": {"schema": _ref("QuoteRequest")}}}}
    return {
        "/v1/health": {"get": health},
        "/v1/info": {"get": _operation("getInfo", "Who this hub is and what it asks for.", "Info")},
        "/v1/quotes": {
            "post": _operation(
                "postQuote", "A signed offer to open a channel.", "Quote", 400, 409, 413, 429, 503, **quote
            )
        },
        "/v1/channels": {
            "get": _operation("getChannels", "Basic channels.", "Channels", 400, parameters=PAGE_PARAMETERS)
        },
        "/v1/channels/{id}": {"get": _operation("getChannel", "One basic channel.", "Channel", 400, 404), **by_id},
        "/v1/virtuals": {
            "get": _operation("getVirtuals", "Virtual channels.", "Virtuals", 400, parameters=PAGE_PARAMETERS)
        },
        "/v1/virtuals/{id}": {"get": _operation("getVirtual", "One virtual channel.", "Virtual", 400, 404), **by_id},
        "/v1/books": {"get": _operation("getBooks", "The hub's books.", "Books")},
        "/v1/channels/{id}/close": {
            "post": _admin("postClose", "Offer the member to close.", "Offered", 400, 404, 409, 503), **by_id
        },
        "/v1/channels/{id}/checkpoint": {
            "post": _admin("postCheckpoint", "Offer a checkpoint.", "Offered", 400, 404, 409, 503), **by_id
        },
        "/v1/settle": {"post": _admin("postSettle", "Send waiting closes now.", "Settled", 409, 503)},
        "/openapi.json": {"get": document},
    }  # fmt: skip


def document() -> Json:
    """Return the document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Perunika hub",
            "version": "1",
            "description": "Amounts are decimal strings of wei, ids and addresses lower-case hex with 0x. Errors have "
            "a stable code, a sentence, a hint and whose fault it is.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _paths(),
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"adminToken": {"type": "http", "scheme": "bearer"}},
        },
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(), indent=2) + "\n")
