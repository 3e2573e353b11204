"""Values of the command line, checked where they are read: amounts, durations, addresses, ids, configuration files."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from perunika.errors import LocalError
from perunika_cli.command import Option, option
from perunika_host import config_kinds as kinds
from perunika_host.config import overrides_from_environment, parse_overrides
from perunika_host.units import parse_duration, parse_ether

V = TypeVar("V")


def _checked(read: Callable[[str], V]) -> Callable[[str], V]:
    """Return ``read`` as argparse wants it: what was expected becomes the complaint."""

    def checked(text: str) -> V:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is wrong, expected {error}") from error

    return checked


def _address(text: str) -> bytes:
    read = kinds.address().read(text, Path())
    return read if isinstance(read, bytes) else b""


def _id32(text: str) -> bytes:
    expected = "an id: 0x and 64 hexadecimal digits"
    digits = text.removeprefix("0x")
    if len(digits) != 64 or not text.startswith("0x"):
        raise ValueError(expected)
    try:
        return bytes.fromhex(digits)
    except ValueError as error:
        raise ValueError(expected) from error


def _whole_duration(text: str) -> int:
    read = kinds.whole_duration().read(text, Path())
    return read if isinstance(read, int) else 0


amount = _checked(parse_ether)
duration = _checked(parse_duration)
whole_duration = _checked(_whole_duration)
address = _checked(_address)
id32 = _checked(_id32)

SET = option(
    "--set", action="append", default=[], metavar="KEY=VALUE", help="replace a key of the configuration (repeatable)"
)
YES = option("--yes", action="store_true", help="ask nothing")


def config_option(name: str) -> Option:
    """Return ``--config`` for hub or gateway."""
    text = f"configuration (default: {name}.toml here, else {name}/{name}.toml)"
    return option("--config", type=Path, metavar="FILE", help=text)


def found_config(name: str, given: Path | None) -> Path:
    """Return the configuration file meant: the one given, ./<name>.toml, or ./<name>/<name>.toml.

    Raises LocalError when neither of the usual places has one.
    """
    if given is not None:
        return given
    usual = [Path(f"{name}.toml"), Path(name) / f"{name}.toml"]
    for path in usual:
        if path.exists():
            return path
    hint = f"run `perunika {name} init`, or name a file with --config"
    raise LocalError("config.missing", f"there is neither {usual[0]} nor {usual[1]}", hint)


def overrides(arguments: argparse.Namespace) -> dict[str, str]:
    """Return what the environment (PERUNIKA_<TABLE>__<KEY>) and --set put in place of the file's values."""
    return {**overrides_from_environment(os.environ), **parse_overrides(getattr(arguments, "set", []))}


def hex_of(value: bytes) -> str:
    """Return 0x-hex."""
    return "0x" + value.hex()
