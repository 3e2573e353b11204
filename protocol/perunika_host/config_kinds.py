"""The kinds of values a configuration can hold: how each is read, checked, written and explained."""

import ipaddress
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from eth_utils.address import is_checksum_address

from perunika_host.units import (
    AMOUNT_EXPECTED,
    DURATION_EXPECTED,
    format_duration,
    format_ether,
    parse_duration_ms,
    parse_ether,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """``read(value, directory)`` returns the checked value or raises ValueError(what was expected).

    ``write(value)`` is its TOML text; ``typed`` says that a text from the command line is TOML (numbers,
    true, lists) and not the text itself; ``directory`` is what relative paths start from.
    """

    expected: str
    read: Callable[[object, Path], object]
    write: Callable[[object], str]
    typed: bool = False

    def from_text(self, text: str) -> object:
        """Return what TOML would have given for ``text`` of the command line or the environment."""
        if not self.typed:
            return text
        try:
            return tomllib.loads("value = " + text)["value"]
        except tomllib.TOMLDecodeError:
            return text


def quoted(value: object) -> str:
    """Return a TOML basic string."""
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'


def _string(value: object, expected: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(expected)
    return value


def text(expected: str = "a text in quotes") -> Kind:
    """Any text that is not empty."""
    return Kind(expected, lambda value, _: _string(value, expected), quoted)


def choice(*names: str) -> Kind:
    """One of a few words."""
    expected = "one of " + ", ".join(quoted(name) for name in names)

    def read(value: object, _: Path) -> str:
        if value not in names:
            raise ValueError(expected)
        return str(value)

    return Kind(expected, read, quoted)


def path() -> Kind:
    """A Path; a relative one starts at the configuration's directory, ``~`` is the user's home."""
    expected = "a file or directory name in quotes"
    return Kind(expected, lambda value, base: base / Path(_string(value, expected)).expanduser(), quoted)


def address() -> Kind:
    """20 bytes from 0x-hex; when letters of both cases occur, the EIP-55 checksum must be right."""
    expected = "an address: 0x and 40 hexadecimal digits, with a correct checksum if upper and lower case are mixed"

    def read(value: object, _: Path) -> bytes:
        digits = _string(value, expected).removeprefix("0x")
        if len(digits) != 40 or not str(value).startswith("0x"):
            raise ValueError(expected)
        if digits not in (digits.lower(), digits.upper()) and not is_checksum_address(value):
            raise ValueError(expected)
        return bytes.fromhex(digits)

    return Kind(expected, read, lambda value: quoted("0x" + value.hex() if isinstance(value, bytes) else value))


def amount() -> Kind:
    """Wei as int."""
    return Kind(AMOUNT_EXPECTED, lambda value, _: parse_ether(value), _written_amount)


def _written_amount(value: object) -> str:
    return quoted(format_ether(value) if isinstance(value, int) else value)


def integer(low: int, high: int) -> Kind:
    """An int in low..high, both included."""
    expected = f"a whole number from {low} to {high}"

    def read(value: object, _: Path) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(expected)
        return value

    return Kind(expected, read, str, typed=True)


def boolean() -> Kind:
    """true or false."""

    def read(value: object, _: Path) -> bool:
        if not isinstance(value, bool):
            raise ValueError("true or false, without quotes")
        return value

    return Kind("true or false, without quotes", read, lambda value: str(value).lower(), typed=True)


def _duration(low: str, high: str, finest_ms: int) -> Kind:
    low_ms, high_ms = parse_duration_ms(low), parse_duration_ms(high)
    expected = f"{DURATION_EXPECTED}, from {low} to {high}" + (", in whole seconds" if finest_ms == 1000 else "")

    def read(value: object, _: Path) -> float:
        length_ms = parse_duration_ms(value)
        if not low_ms <= length_ms <= high_ms or length_ms % finest_ms:
            raise ValueError(expected)
        return length_ms // 1000 if finest_ms == 1000 else length_ms / 1000

    return Kind(
        expected, read, lambda value: quoted(value if isinstance(value, str) else format_duration(_number(value)))
    )


def _number(value: object) -> float:
    return value if isinstance(value, (int, float)) else 0.0


def duration(low: str = "0s", high: str = "10000d") -> Kind:
    """Seconds as float."""
    return _duration(low, high, 1)


def whole_duration(low: str = "0s", high: str = "10000d") -> Kind:
    """Whole seconds as int: what the chain counts in."""
    return _duration(low, high, 1000)


def url(*schemes: str) -> Kind:
    """An address such as http://127.0.0.1:8545 with one of the schemes and a host."""
    expected = f"an address such as {schemes[0]}://127.0.0.1:8545 ({' or '.join(schemes)})"

    def read(value: object, _: Path) -> str:
        parts = urlsplit(_string(value, expected))
        try:
            complete = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError as error:
            raise ValueError(expected) from error
        if not complete:
            raise ValueError(expected)
        return str(value)

    return Kind(expected, read, quoted)


def host() -> Kind:
    """A host name or IP address without port."""
    expected = 'a host name or IP address such as "127.0.0.1", without port'

    def read(value: object, _: Path) -> str:
        name = _string(value, expected)
        try:
            ipaddress.ip_address(name)
        except ValueError as error:
            if any(c in name for c in ":/ "):
                raise ValueError(expected) from error
        return name

    return Kind(expected, read, quoted)


def list_of(kind: Kind) -> Kind:
    """A tuple of values of one kind."""
    expected = f"a list in brackets, each entry {kind.expected}"

    def read(value: object, base: Path) -> tuple[object, ...]:
        if not isinstance(value, list):
            raise ValueError(expected)
        return tuple(kind.read(entry, base) for entry in value)

    def write(value: object) -> str:
        entries = value if isinstance(value, (list, tuple)) else ()
        return "[" + ", ".join(kind.write(entry) for entry in entries) + "]"

    return Kind(expected, read, write, typed=True)
