"""What a command says: tables and sentences for people, one JSON document for programs."""

import json
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.table import Table

from perunika.errors import PerunikaError
from perunika_host.units import format_ether


class Output:
    """Where a command's answer goes: people's standard output, or JSON when ``as_json``."""

    def __init__(self, as_json: bool = False, stream: TextIO | None = None) -> None:
        self.as_json = as_json
        self.stream = stream or sys.stdout
        # Piped output is not cut at 80 columns: who pipes wants whole ids.
        width = None if self.stream.isatty() else 200
        self.console = Console(file=self.stream, width=width, highlight=False, soft_wrap=True)

    def answer(self, plain: Any, *shown: RenderableType) -> None:
        """Give the result of a command: ``plain`` (JSON values) for programs, or ``shown`` for people."""
        if self.as_json:
            print(json.dumps(plain), file=self.stream, flush=True)
            return
        for part in shown:
            with self.console.capture() as rendered:
                self.console.print(part)
            # Tables fill their last column; who pipes or copies wants no blanks there.
            print("\n".join(line.rstrip() for line in rendered.get().split("\n")), end="", file=self.stream)
        self.stream.flush()

    def note(self, text: str) -> None:
        """Say a sentence about what happens; programs do not get it."""
        if not self.as_json:
            self.console.print(text, markup=False)
            self.stream.flush()

    def error(self, error: PerunikaError) -> None:
        """Say what went wrong, whose fault it is and what to do, on one line; for programs as ``{"error": …}``."""
        if self.as_json:
            print(json.dumps({"error": error_fields(error)}), file=self.stream, flush=True)
            return
        self.stream.flush()
        print(error_line(error), file=sys.stderr, flush=True)


FAULTS = {"us": "here", "peer": "the other side", "chain": "the chain or the way to it"}


def error_fields(error: PerunikaError) -> dict[str, str]:
    """Return ``{code, text, hint, fault}``."""
    return {"code": error.code, "text": error.text, "hint": error.hint, "fault": error.fault}


def error_line(error: PerunikaError) -> str:
    """Return ``error: text (code; fault: …; hint)``; texts of several lines, such as a configuration's, keep them."""
    facts = f"{error.code}; fault: " + FAULTS[error.fault] + (f"; {error.hint}" if error.hint else "")
    return f"error: {error.text}" + (f"\n  ({facts})" if "\n" in error.text else f" ({facts})")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None) -> Table:
    """Return a table without frames; columns that start with ``>`` are aligned to the right."""
    shown = Table(title=title, title_justify="left", box=None, pad_edge=False, show_edge=False)
    for name in columns:
        right = name.startswith(">")
        shown.add_column(name.removeprefix(">"), justify="right" if right else "left", no_wrap=True)
    for row in rows:
        shown.add_row(*(str(cell) for cell in row))
    return shown


def fields_table(fields: dict[str, object]) -> Table:
    """Return names and values below each other."""
    shown = Table(box=None, pad_edge=False, show_edge=False, show_header=False)
    shown.add_column(style="bold", no_wrap=True)
    shown.add_column(overflow="fold")
    for name, value in fields.items():
        shown.add_row(name, str(value))
    return shown


def short(text: object) -> str:
    """Return an address or id with its middle left out; tables of --json have it whole."""
    whole = str(text)
    return whole if len(whole) <= 14 else whole[:8] + "…" + whole[-4:]


def ether(amount: object) -> str:
    """Return wei, given as int or decimal text, as people write amounts."""
    return format_ether(int(str(amount)))


def moment(unix_s: object) -> str:
    """Return a Unix time as local time for people."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(int(str(unix_s))))
