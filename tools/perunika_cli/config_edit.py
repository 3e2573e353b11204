"""Changes single values in a commented TOML file and keeps everything else as people wrote it."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path

from perunika.errors import LocalError
from perunika_host.config import ConfigError, Problem, settings_of

_TABLE = re.compile(r"\s*\[([A-Za-z0-9_.]+)\]\s*(#.*)?$")
_LIST_TABLE = re.compile(r"\s*#?\s*\[\[")


def written_values(cls: type, texts: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Return {dotted key: TOML text} of values as typed on a command line, each checked by its kind.

    Raises ConfigError that names every unknown key and every wrong value.
    """
    known = settings_of(cls)
    problems, written = [], {}
    for key, text in texts.items():
        if key not in known:
            problems.append(Problem(key, None, "unknown key", _proposal(key, list(known))))
            continue
        value = known[key].from_text(text)
        try:
            known[key].read(value, directory)
            written[key] = known[key].write(value)
        except ValueError as error:
            problems.append(Problem(key, None, f"{text!r} is wrong, expected {error}"))
    if problems:
        raise ConfigError("command line", problems)
    return written


def _proposal(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, 1)
    return f"did you mean {close[0]}?" if close else "known: " + ", ".join(known)


def with_values(text: str, values: Mapping[str, str]) -> str:
    """Return TOML ``text`` in which each dotted key has its TOML value, also keys that stood there commented out.

    Raises LocalError for a key that the text does not mention.
    """
    lines, table, left = text.split("\n"), "", dict(values)
    for index, line in enumerate(lines):
        heading = _TABLE.match(line)
        if heading:
            table = heading[1] + "."
        if _LIST_TABLE.match(line):
            table = "\0"  # entries of lists have no dotted names
        for key in [key for key in left if _is_setting(line, table, key)]:
            lines[index] = f"{key.removeprefix(table)} = {left.pop(key)}"
    if left:
        hint = "write them by hand, or start from a fresh file of `init`"
        raise LocalError("config.key", f"no line for {', '.join(left)} in this file", hint)
    return "\n".join(lines)


def _is_setting(line: str, table: str, key: str) -> bool:
    name = key.removeprefix(table)
    return key == table + name and re.match(rf"#?\s*{re.escape(name)}\s*=", line) is not None


def change_file(path: Path, values: Mapping[str, str]) -> None:
    """Give keys of a configuration file new TOML values. Raises LocalError."""
    try:
        text = path.read_text("utf-8")
        path.write_text(with_values(text, values), "utf-8")
    except OSError as error:
        raise LocalError("config.file", f"{path}: {error.strerror}", "name a file that you may write") from error
