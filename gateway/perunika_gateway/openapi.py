"""The OpenAPI 3.1 document of the gateway's API, made from short tables; committed as docs/openapi/gateway.json."""

from typing import Any

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
NUMBER: Json = {"type": "number"}
WHOLE: Json = {"type": "integer"}
FLAG: Json = {"type": "boolean"}
WEI: Json = {"type": "string", "pattern": "^[0-9]+$", "description": "An amount in wei, in decimal digits."}
SIGNED_WEI: Json = {"type": "string", "pattern": "^-?[0-9]+$", "description": "An amount in wei, may be negative."}
ADDRESS: Json = {"type": "string", "pattern": "^0x[0-9a-f]{40}$"}
ID: Json = {"type": "string", "pattern": "^0x[0-9a-f]{64}$"}
COUNTS: Json = {"type": "object", "additionalProperties": WHOLE}


def _or_null(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(**fields: Json) -> Json:
    return {"type": "object", "required": list(fields), "properties": fields, "additionalProperties": False}


def _list(name: str) -> Json:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


SCHEMAS: Json = {
    "Error": _object(error=_object(code=TEXT, text=TEXT, hint=TEXT, fault={"enum": ["us", "peer", "chain"]})),
    "Health": _object(
        ok=FLAG, errors={"type": "object", "additionalProperties": TEXT}, clients=WHOLE, links=WHOLE, refused=COUNTS
    ),
    "Info": _object(
        member=ADDRESS, channel=ID, payees={"type": "array", "items": ADDRESS}, site=TEXT, hub=ADDRESS,
        chain_id=WHOLE, contract=ADDRESS,
        meter=_or_null(_object(kind=TEXT, port=WHOLE, unit_price_wei=WEI, unit_ms=WHOLE)),
    ),
    "Device": _object(
        name=TEXT, kind={"enum": ["payer", "seller"]}, address=ADDRESS, member=_or_null(ADDRESS),
        availability={"enum": ["online", "offline", "unknown"]}, seen_s=NUMBER, messages=WHOLE, refused=COUNTS,
    ),
    "Stream": _object(
        virtual=ID, payer=ADDRESS, payee=ADDRESS, capacity_wei=WEI, validity=WHOLE,
        role={"enum": ["payee", "payer's member", "payee's member"]}, phase=TEXT, paid_wei=WEI,
        served=_or_null(WHOLE), price_wei=_or_null(WEI), unit_ms=_or_null(WHOLE),
        handle=_or_null({"type": "string", "pattern": "^[0-9a-f]{8}$"}), exposure_wei=WEI,
    ),
    "Channel": _object(
        id=ID, member=ADDRESS, hub=ADDRESS, status={"enum": ["none", "open", "dispute", "folded", "closed"]},
        base_wei=SIGNED_WEI, total_wei=WEI, member_paid_wei=WEI, hub_paid_wei=WEI, free_member_wei=SIGNED_WEI,
        free_hub_wei=SIGNED_WEI, terminated=WHOLE, frozen=FLAG, checkpoint_version=WHOLE, block=WHOLE, seen_s=WHOLE,
        closing=FLAG,
    ),
    "Books": _object(
        earned_wei=SIGNED_WEI, spent_wei=SIGNED_WEI, fees_wei=WEI, open_earnings_wei=SIGNED_WEI, locked_wei=WEI,
        virtual_channels=WHOLE, channels=_list("Channel"),
    ),
    "Reading": _object(
        device=ADDRESS, sequence=WHOLE, time=WHOLE, kind=TEXT, value={"type": "string", "pattern": "^-?[0-9]+$"},
        exponent=WHOLE, signature={"type": "string", "pattern": "^0x[0-9a-f]{130}$"}, buyer=_or_null(ADDRESS),
        seen_s=NUMBER,
    ),
    "Allowance": _object(payer=ADDRESS, limit_wei=WEI, used_wei=WEI, max_fee_wei=WEI, paused=FLAG),
    "Allow": {
        "type": "object",
        "required": ["payer", "limit_wei"],
        "properties": {"payer": ADDRESS, "limit_wei": WEI, "max_fee_wei": WEI, "paused": FLAG},
    },
    "Devices": _object(devices=_list("Device")),
    "Streams": _object(streams=_list("Stream")),
    "Channels": _object(channels=_list("Channel")),
    "Readings": _object(readings=_list("Reading")),
    "Allowances": _object(allowances=_list("Allowance")),
}  # fmt: skip

# method, path, operation, what it does, schema of the answer, schema of the body
OPERATIONS: tuple[tuple[str, str, str, str, str, str | None], ...] = (
    ("get", "/v1/health", "health", "Is everything connected, and what was refused?", "Health", None),
    ("get", "/v1/info", "info", "Who this gateway is, and what it sells.", "Info", None),
    ("get", "/v1/devices", "devices", "The configured devices.", "Devices", None),
    ("get", "/v1/streams", "streams", "Virtual channels that end here or that our channel carries.", "Streams", None),
    ("get", "/v1/channels", "channels", "Our basic channels.", "Channels", None),
    ("get", "/v1/books", "books", "Earned, spent, fees.", "Books", None),
    ("get", "/v1/readings", "readings", "The last signed reading of each seller.", "Readings", None),
    ("get", "/v1/allowances", "allowances", "What payer keys may lock of our channel.", "Allowances", None),
    ("post", "/v1/allowances", "allow", "Set or pause an allowance.", "Allowance", "Allow"),
    ("post", "/v1/streams/{virtual}/close", "closeStream", "Stop serving a channel, collect it.", "Stream", None),
    ("post", "/v1/channels/{id}/close", "closeChannel", "Sign a close, offer it to the hub.", "Channel", None),
)


def document() -> Json:
    """Return the document that ``/openapi.json`` serves."""
    paths: Json = {}
    for method, path, operation, summary, answer, body in OPERATIONS:
        paths.setdefault(path, {})[method] = _operation(method, path, operation, summary, answer, body)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Perunika gateway",
            "version": "1",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"admin": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(method: str, path: str, operation: str, summary: str, answer: str, body: str | None) -> Json:
    described: Json = {
        "operationId": operation,
        "summary": summary,
        "responses": {
            "200": {"description": "Done.", "content": _content(answer)},
            "default": {"description": "Refused; the error says whose fault it is.", "content": _content("Error")},
        },
    }
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    if names:
        described["parameters"] = [{"name": name, "in": "path", "required": True, "schema": ID} for name in names]
    if body is not None:
        described["requestBody"] = {"required": True, "content": _content(body)}
    if method == "post":
        described["security"] = [{"admin": []}]
    return described


def _content(schema: str) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
