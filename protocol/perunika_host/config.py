"""TOML configuration into frozen dataclasses that describe themselves; every problem is named, all at once.

@dataclass(frozen=True)
class Fees:
    ppm: int = setting(integer(0, 10**6), 500, "Fee in millionths of the capacity.")

@dataclass(frozen=True)
class HubConfig:
    fees: Fees = section(Fees, "What the hub asks for a virtual channel.")

config = load(HubConfig, "hub.toml", {"fees.ppm": "700"})
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar, cast

from perunika.errors import LocalError
from perunika_host.config_kinds import Kind
from perunika_host.config_lines import line_of_keys

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong, missing or unknown key: ``line`` in the file or None, and what to do instead."""

    key: str
    line: int | None
    text: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return where + f"{self.key}: {self.text}" + (f"; {self.hint}" if self.hint else "")


class ConfigError(LocalError):
    """The configuration cannot be used: ``problems`` names every key that is wrong, ``path`` the file."""

    def __init__(self, path: str, problems: Sequence[Problem], hint: str = "") -> None:
        self.path = path
        self.problems = tuple(problems)
        lines = "".join("\n  " + str(problem) for problem in problems)
        super().__init__("config.wrong", f"{path}: {len(self.problems)} problem(s){lines}", hint)


def setting(kind: Kind, default: object = MISSING, comment: str = "", example: object = None) -> Any:
    """Declare one key; without default it is required, and ``example`` (TOML value) stands in the template."""
    described = {"kind": kind, "comment": comment, "example": example}
    if default is MISSING:
        return field(metadata=described, kw_only=True)
    return field(default=default, metadata=described, kw_only=True)


def section(cls: type, comment: str = "") -> Any:
    """Declare a table ``[name]`` read into another such dataclass."""
    return field(metadata={"section": cls, "comment": comment}, kw_only=True)


def sections(cls: type, comment: str = "") -> Any:
    """Declare any number of tables ``[[name]]``, read into a tuple of dataclasses."""
    return field(metadata={"sections": cls, "comment": comment}, kw_only=True)


class _Reader:
    """Collects problems while values are read, so that all of them are told together."""

    def __init__(self, directory: Path, lines: Mapping[str, int]) -> None:
        self.directory = directory
        self.lines = lines
        self.problems: list[Problem] = []

    def problem(self, key: str, text: str, hint: str = "") -> None:
        self.problems.append(Problem(key, self.lines.get(key), text, hint))

    def table(self, cls: type, values: object, prefix: str) -> Any:
        """Return ``cls`` filled from a table, or None when something in it was wrong."""
        if not isinstance(values, dict):
            self.problem(prefix.rstrip("."), f"expected a table [{prefix.rstrip('.')}]")
            return None
        self._name_unknown(cls, values, prefix)
        before = len(self.problems)
        read = {known.name: self._field(known, values, prefix) for known in fields(cls)}
        return cls(**read) if len(self.problems) == before else None

    def _name_unknown(self, cls: type, values: dict[str, object], prefix: str) -> None:
        names = [known.name for known in fields(cls)]
        for name in values:
            if name not in names:
                close = difflib.get_close_matches(name, names, 1)
                hint = f"did you mean {prefix}{close[0]}?" if close else "known here: " + ", ".join(names)
                self.problem(prefix + name, "unknown key", hint)

    def _field(self, known: Field[Any], values: dict[str, object], prefix: str) -> object:
        key = prefix + known.name
        if "section" in known.metadata:
            return self.table(known.metadata["section"], values.get(known.name, {}), key + ".")
        if "sections" in known.metadata:
            return self._tables(known.metadata["sections"], values.get(known.name, []), key)
        kind: Kind = known.metadata["kind"]
        if known.name not in values:
            return self._default(known, kind, key)
        try:
            return kind.read(values[known.name], self.directory)
        except ValueError as error:
            self.problem(key, f"{_shown(values[known.name])} is wrong, expected {error}", _proposal(known))
            return None

    def _default(self, known: Field[Any], kind: Kind, key: str) -> object:
        if known.default is MISSING:
            self.problem(key, f"is missing, expected {kind.expected}", _proposal(known))
            return None
        if isinstance(known.default, str):
            # Written as in the file ("10s", "keys/hub.json"): the same checks and the same directory.
            return kind.read(known.default, self.directory)
        return known.default

    def _tables(self, cls: type, values: object, key: str) -> tuple[Any, ...]:
        if not isinstance(values, list):
            self.problem(key, f"expected tables [[{key}]]")
            return ()
        return tuple(self.table(cls, value, f"{key}[{index}].") for index, value in enumerate(values))


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _proposal(known: Field[Any]) -> str:
    example = known.metadata["example"]
    if example is None:
        example = None if known.default is MISSING else known.default
    return "" if example is None else f"for example {known.name} = {known.metadata['kind'].write(example)}"


def settings_of(cls: type, prefix: str = "") -> dict[str, Kind]:
    """Return every dotted key outside ``[[tables]]`` with its kind."""
    found: dict[str, Kind] = {}
    for known in fields(cls):
        if "section" in known.metadata:
            found.update(settings_of(known.metadata["section"], prefix + known.name + "."))
        elif "kind" in known.metadata:
            found[prefix + known.name] = known.metadata["kind"]
    return found


def parse_overrides(arguments: Iterable[str]) -> dict[str, str]:
    """Return {dotted key: text} of command line arguments ``key=value``. Raises ConfigError on another form."""
    pairs = [argument.partition("=") for argument in arguments]
    wrong = [
        Problem(key, None, "expected key=value", "for example --set hub.port=8000")
        for key, sign, _ in pairs
        if not sign
    ]
    if wrong:
        raise ConfigError("command line", wrong)
    return {key.strip(): value.strip() for key, _, value in pairs}


def overrides_from_environment(environment: Mapping[str, str], prefix: str = "PERUNIKA_") -> dict[str, str]:
    """Return {dotted key: text} of variables such as PERUNIKA_HUB__PORT (two underscores for each dot)."""
    return {
        name.removeprefix(prefix).lower().replace("__", "."): value
        for name, value in environment.items()
        if name.startswith(prefix) and "__" in name
    }


def _apply(cls: type, values: dict[str, Any], overrides: Mapping[str, str]) -> list[Problem]:
    known = settings_of(cls)
    problems = []
    for key, text in overrides.items():
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            problems.append(Problem(key, None, "unknown key (override)", f"did you mean {close[0]}?" if close else ""))
            continue
        *tables, name = key.split(".")
        table = values
        for part in tables:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                break  # the reader names this table as wrong
        else:
            table[name] = known[key].from_text(text)
    return problems


def load(cls: type[C], path: str | PathLike[str], overrides: Mapping[str, str] | None = None) -> C:
    """Return ``cls`` read from a TOML file, overrides by dotted key on top.

    Raises ConfigError naming every wrong, missing or unknown key, with line and proposal; it also covers a
    file that is missing, unreadable or no TOML.
    """
    name = str(path)
    try:
        text = Path(path).read_text("utf-8")
        values = tomllib.loads(text)
    except OSError as error:
        problem = Problem("file", None, f"cannot be read: {error.strerror}")
        raise ConfigError(name, [problem], "name another file, or write a commented one with `init`") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(name, [Problem("file", None, f"is no TOML: {error}")], "correct it at that place") from error
    reader = _Reader(Path(path).resolve().parent, line_of_keys(text))
    reader.problems += _apply(cls, values, overrides or {})
    config = reader.table(cls, values, "")
    if reader.problems:
        raise ConfigError(name, sorted(reader.problems, key=lambda problem: problem.line or 10**9))
    return cast(C, config)
