"""Configuration files of the demo's processes, written from plain values."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_toml(path: Path, tables: Mapping[str, Any]) -> Path:
    """Write ``{"table": {key: value}}`` as TOML; a list of dicts becomes ``[[table]]``. Returns the path."""
    lines: list[str] = []
    for name, table in tables.items():
        for each in table if isinstance(table, list) else [table]:
            lines.append(f"[[{name}]]" if isinstance(table, list) else f"[{name}]")
            lines += [f"{key} = {_value(value)}" for key, value in each.items() if value is not None]
            lines.append("")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text("\n".join(lines))
    path.chmod(0o600)
    return path


def _value(value: Any) -> str:
    if isinstance(value, bytes):
        return json.dumps("0x" + value.hex())
    if isinstance(value, Path):
        return json.dumps(str(value))
    return json.dumps(value)
