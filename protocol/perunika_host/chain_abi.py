"""The contract's ABI as committed with this package: calls to bytes, answers, events and errors back."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError

from perunika.crypto import keccak256
from perunika.errors import ChainError, LocalError

Item = Mapping[str, Any]

PANICS = {0x01: "assertion", 0x11: "overflow", 0x12: "division by zero", 0x32: "index out of range"}


class Abi:
    """Functions, events and errors of one compiled contract (``bytecode`` is its creation code)."""

    def __init__(self, artifact: Mapping[str, Any]) -> None:
        self.bytecode = bytes.fromhex(artifact["bytecode"].removeprefix("0x"))
        self._constructor: Item = next((i for i in artifact["abi"] if i["type"] == "constructor"), {"inputs": []})
        named = [item for item in artifact["abi"] if "name" in item]
        self._functions = {item["name"]: item for item in named if item["type"] == "function"}
        self._errors = {selector(item): item for item in named if item["type"] == "error"}
        self._events = {keccak256(signature(item).encode()): item for item in named if item["type"] == "event"}

    def encode_call(self, name: str, arguments: Sequence[object]) -> bytes:
        """Return selector and arguments of a call; structs are mappings by field name.

        Raises LocalError when an argument does not fit its type.
        """
        function = self._functions[name]
        return selector(function) + _encode(name, function["inputs"], arguments)

    def encode_deployment(self, arguments: Sequence[object]) -> bytes:
        """Return creation code with constructor arguments."""
        return self.bytecode + _encode("constructor", self._constructor["inputs"], arguments)

    def decode_answer(self, name: str, answer: bytes) -> Any:
        """Return the one thing a view returned: a value, or {field: value} for a struct. Raises ChainError."""
        (output,) = self._functions[name]["outputs"]
        try:
            (value,) = decode([_type(output)], answer)
        except DecodingError as error:
            text = f"{name} answers something else than our contract does"
            raise ChainError("chain.contract", text, "check the contract's address") from error
        if output["type"] != "tuple":
            return value
        return {part["name"]: field for part, field in zip(output["components"], value, strict=True)}

    def decode_event(self, topics: Sequence[bytes], body: bytes) -> tuple[str, dict[str, Any]] | None:
        """Return (name, {field: value}) of a log, or None for an event that this version does not know."""
        item = self._events.get(topics[0]) if topics else None
        if item is None:
            return None
        indexed = [i for i in item["inputs"] if i["indexed"]]
        plain = [i for i in item["inputs"] if not i["indexed"]]
        values = {i["name"]: decode([i["type"]], topic)[0] for i, topic in zip(indexed, topics[1:], strict=True)}
        values.update(zip((i["name"] for i in plain), decode(_types(plain), body), strict=True))
        return item["name"], {i["name"]: _bytes_of(i["type"], values[i["name"]]) for i in item["inputs"]}

    def decode_error(self, revert: bytes) -> tuple[str, dict[str, Any]]:
        """Return (name, {field: value}) of what a call reverted with; unknown ones keep their bytes as text."""
        item = self._errors.get(revert[:4])
        try:
            if item is not None:
                values = decode(_types(item["inputs"]), revert[4:])
                named = zip(item["inputs"], values, strict=True)
                return item["name"], {i["name"]: _bytes_of(i["type"], value) for i, value in named}
            if revert[:4] == keccak256(b"Error(string)")[:4]:
                return "Error", {"text": decode(["string"], revert[4:])[0]}
            if revert[:4] == keccak256(b"Panic(uint256)")[:4]:
                number = decode(["uint256"], revert[4:])[0]
                return "Panic", {"text": PANICS.get(number, f"0x{number:02x}")}
        except (DecodingError, UnicodeDecodeError):
            pass
        return "unknown", {"text": "0x" + revert.hex()}


@cache
def perunika_abi() -> Abi:
    """Return the ABI of the singleton this version was built with."""
    return Abi(json.loads((files("perunika_host") / "Perunika.json").read_text("utf-8")))


def selector(item: Item) -> bytes:
    """Return the first four bytes of the hash of a function's or an error's signature."""
    digest: bytes = keccak256(signature(item).encode())
    return digest[:4]


def signature(item: Item) -> str:
    """Return ``name(type,…)`` with structs written out."""
    return str(item["name"]) + "(" + ",".join(_types(item["inputs"])) + ")"


def _types(items: Sequence[Item]) -> list[str]:
    return [_type(item) for item in items]


def _type(item: Item) -> str:
    name = str(item["type"])
    if name.startswith("tuple"):
        return "(" + ",".join(_types(item["components"])) + ")" + name.removeprefix("tuple")
    return name


def _encode(name: str, items: Sequence[Item], arguments: Sequence[object]) -> bytes:
    try:
        values = [_shaped(item, argument) for item, argument in zip(items, arguments, strict=True)]
        return encode(_types(items), values)
    except (EncodingError, ValueError, TypeError, KeyError) as error:
        raise LocalError("chain.argument", f"an argument of {name} does not fit: {error}", "") from error


def _shaped(item: Item, value: Any) -> Any:
    """Put a struct given as {field: value} into the order of its components, at any depth."""
    kind = str(item["type"])
    if kind.endswith("[]"):
        one = {**item, "type": kind.removesuffix("[]")}
        return [_shaped(one, entry) for entry in value]
    if kind == "tuple":
        return tuple(_shaped(component, value[component["name"]]) for component in item["components"])
    return value


def _bytes_of(kind: str, value: Any) -> Any:
    """Addresses inside this program are 20 bytes; text forms are for the edges."""
    return bytes.fromhex(value[2:]) if kind == "address" else value


def snake_case(name: str) -> str:
    """Return ``toAlice`` as ``to_alice``."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()
