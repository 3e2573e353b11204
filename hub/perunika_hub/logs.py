"""Logs to standard error: lines for people, or one JSON object per line for machines."""

import json
import logging
import sys
import time
from typing import Any


class TextLines(logging.Formatter):
    """``2027-01-15T08:00:00Z INFO perunika.hub …`` in UTC, with fields behind the text."""

    def __init__(self) -> None:
        super().__init__("%(asctime)sZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        fields = _fields(record)
        shown = " ".join(f"{key}={_plain(value)}" for key, value in fields.items())
        return super().format(record) + (" " + shown if shown else "")


class JsonLines(logging.Formatter):
    """One object with ``time``, ``level``, ``logger``, ``text`` and the fields of the record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        line: dict[str, Any] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        line.update({key: _plain(value) for key, value in _fields(record).items() if key not in line})
        return json.dumps(line)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return getattr(record, "fields", {})


def _plain(value: Any) -> Any:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


def start_logs(level: str, form: str) -> None:
    """Write the logs of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # One line for each request would drown the rest; what is refused is logged by us.
    for chatty in ("aiohttp.access", "asyncio", "web3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
