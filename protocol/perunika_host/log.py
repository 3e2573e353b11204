"""Logs on standard error: lines for people, or one JSON object per line for machines."""

import json
import logging
import sys
import time
from typing import Any, TextIO

# What every LogRecord carries; what is beyond it was given with ``extra=`` and is a fact of its own.
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    found = {name: value for name, value in vars(record).items() if name not in _USUAL}
    return {name: "0x" + value.hex() if isinstance(value, bytes) else value for name, value in found.items()}


class JsonLines(logging.Formatter):
    """``{"time_s", "level", "logger", "text", …facts}`` on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON; values that JSON does not know become text."""
        line = {
            "time_s": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, separators=(",", ":"))


class HumanLines(logging.Formatter):
    """``12:34:56 warning mqtt: text (fact=value)``; local time."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record for people."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        name = record.name.removeprefix("perunika.")
        line = f"{clock} {record.levelname.lower()} {name}: {record.getMessage()}"
        facts = " ".join(f"{key}={value}" for key, value in _facts(record).items())
        line += f" ({facts})" if facts else ""
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


def set_up_logging(mode: str = "human", level: str = "info", stream: TextIO | None = None) -> None:
    """Send all logs of level and above to ``stream`` (standard error), as ``human`` or ``json`` lines.

    Call it once per program; a second call replaces the first. Chatty libraries are held at warnings.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if mode == "json" else HumanLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("web3", "aiohttp.access", "asyncio", "paho"):
        logging.getLogger(name).setLevel(logging.WARNING)
