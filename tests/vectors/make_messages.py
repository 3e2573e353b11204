"""Make messages.json: every message of the wire, encoded by cbor2, which shares no code with perunika.cbor.

Run: python tests/vectors/make_messages.py   (rewrites tests/vectors/messages.json; a test checks it is up to date)

A case has the message's ``name``, its ``header`` (request id, to, from; null on a link), its ``body`` with integers as
decimal text, bytes as 0x-text and signed structs as arrays, and the ``hex`` that everybody must write and read.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import cbor2

from perunika.messages import TABLE, fields_of

BORDER = (1 << 64) - 1
AMOUNT_MAX = (1 << 96) - 1
SIZES = {"address": 20, "bytes32": 32, "bytes8": 8, "signature": 65}
VARIANTS = ("least", "mixed", "border", "beyond", "most")


def seed(*words: Any) -> bytes:
    return hashlib.sha256(" ".join(map(str, words)).encode()).digest()


def raw_bytes(size: int, variant: str, *words: Any) -> bytes:
    if variant == "least":
        return bytes(size)
    if variant == "most":
        return b"\xff" * size
    return b"".join(seed(i, *words) for i in range(size // 32 + 1))[:size]


def integer(bits: int, signed: bool, variant: str, *words: Any) -> int:
    """Return an integer of the kind: smallest, mixed, around the 64-bit border, largest."""
    top = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1
    low = -top - 1 if signed else 0
    if variant == "mixed":
        return low + int.from_bytes(seed(*words), "big") % (top - low + 1)
    wanted = {"least": low, "border": BORDER, "beyond": BORDER + 1, "most": top}[variant]
    if signed and variant == "border":
        wanted = -BORDER - 1
    if signed and variant == "beyond":
        wanted = -BORDER - 2
    return max(low, min(top, wanted))


def text(limit: int, variant: str, *words: Any) -> str:
    if variant == "least":
        return ""
    if variant == "most":
        return "ä" * (limit // 2)
    return seed(*words).hex()[: limit // 2]


def plain(kind: str, variant: str, *words: Any) -> Any:
    """Return one value of a plain kind."""
    if kind in SIZES:
        return raw_bytes(SIZES[kind], variant, *words)
    if kind == "retired" or kind == "bytes":
        return raw_bytes({"least": 0, "most": 1024}.get(variant, 40), "mixed", *words)
    if kind in ("text", "word"):
        return text(200 if kind == "text" else 40, variant, *words)
    bits = {"amount": 96, "signed": 128}.get(kind) or int(kind.lstrip("uint"))
    return integer(bits, kind.startswith("int") or kind == "signed", variant, *words)


def value(kind: Any, variant: str, link: bool, *words: Any) -> Any:
    """Return one value of any kind of the table; ``None`` leaves an optional one out."""
    if kind == "route":
        return integer(32, False, variant, *words) if link else raw_bytes(32, variant, *words)
    if isinstance(kind, tuple):
        if variant == "least" and kind[-1] == "?":
            return None
        choices = [choice for choice in kind if not isinstance(choice, str)]
        kind = choices[-1 if variant in ("beyond", "most") else 0]
    if isinstance(kind, str):
        if kind.endswith("?"):
            return None if variant == "least" else plain(kind[:-1], variant, *words)
        return plain(kind, variant, *words)
    return [value(each, variant, link, *words, name) for name, each in kind.fields()]


def shown(item: Any) -> Any:
    """Return ``item`` for JSON: numbers as text, because other readers round large ones."""
    if isinstance(item, bytes):
        return "0x" + item.hex()
    if isinstance(item, list):
        return [shown(each) for each in item]
    return str(item) if isinstance(item, int) else item


def case(number: int, variant: str, link: bool) -> dict[str, Any]:
    name, fields = fields_of(number)
    items: dict[int, Any] = {0: number}
    header = [None, None, None]
    if not link:
        header = [raw_bytes(8, variant, name), raw_bytes(20, variant, name, "to"), raw_bytes(20, variant, name, "from")]
        items.update(zip((1, 2, 3), header, strict=True))
    body = {}
    for key, (field, kind) in enumerate(fields):
        chosen = value(kind, variant, link, name, field)
        if chosen is not None:
            items[4 + key] = chosen
            body[field] = shown(chosen)
    encoded = cbor2.dumps(items, canonical=True)
    return {"name": name, "variant": variant, "header": shown(header), "body": body, "hex": encoded.hex()}


def make() -> list[dict[str, Any]]:
    cases = []
    for number in range(len(TABLE)):
        routed = any(kind == "route" for _, kind in fields_of(number)[1])
        cases += [case(number, variant, False) for variant in VARIANTS]
        cases += [case(number, variant, True) for variant in (VARIANTS if routed else ("mixed",))]
    return cases


def make_text() -> str:
    lines = [json.dumps(each, ensure_ascii=False) for each in make()]
    return '{"cases": [\n' + ",\n".join(lines) + "\n]}\n"


if __name__ == "__main__":
    Path(__file__).with_name("messages.json").write_text(make_text())
