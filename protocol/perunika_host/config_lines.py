"""Where in a TOML text each key stands: tomllib tells values only, people want the line."""

import re

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")


def line_of_keys(text: str) -> dict[str, int]:
    """Return {full dotted key: line from 1}; entries of [[tables]] count as ``name[0]``, ``name[1]``, …

    A best effort for valid TOML: a line inside a multi-line text that looks like a key only adds an unused
    entry, since the first place of a key counts.
    """
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    prefix = ""
    for number, line in enumerate(text.split("\n"), 1):
        header, key = _HEADER.match(line), _KEY.match(line)
        if header:
            name = _plain(header[2])
            if header[1] == "[[":
                counts[name] = counts.get(name, -1) + 1
                name = f"{name}[{counts[name]}]"
            lines.setdefault(name, number)
            prefix = name + "."
        elif key:
            lines.setdefault(prefix + _plain(key[1]), number)
    return lines


def _plain(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in key.split("."))
