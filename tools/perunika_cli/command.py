"""What a command of `perunika` is: words, options, a text that teaches, examples that the tests run.

A module under ``commands/`` holds ``COMMAND = Command(...)``; a group such as `hub` has ``commands`` instead of
``run``. Modules are imported when their command is called, so they may import what they like at their top.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from perunika_cli.output import Output

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


@dataclass(frozen=True, slots=True)
class Example:
    """One line of a shell, as a user would type it, and what it is for.

    ``runs_on``: the command does not end by itself; tests wait for output that matches this expression, then press
    Ctrl-C.
    """

    line: str
    purpose: str
    runs_on: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """One argument: names (``"--limit"``, or ``"payer"`` for a positional one) and what argparse knows about it."""

    names: tuple[str, ...]
    settings: Mapping[str, Any]


def option(*names: str, **settings: Any) -> Option:
    """Return an Option; ``settings`` are those of ``ArgumentParser.add_argument``, ``help`` included."""
    return Option(names, settings)


@dataclass(frozen=True, slots=True)
class Command:
    """One word of the command line.

    ``summary`` stands in lists; ``description`` is two or three sentences. ``run(arguments, output)`` returns the exit
    status: ``OK``, or ``FAILED`` when it did its work and the answer is bad. It raises PerunikaError for the rest.
    """

    name: str
    summary: str
    description: str
    run: Callable[[argparse.Namespace, Output], int] | None = None
    options: tuple[Option, ...] = ()
    examples: tuple[Example, ...] = ()
    commands: "tuple[Command, ...]" = field(default=())

    def walk(self, path: tuple[str, ...] = ()) -> "Iterator[tuple[tuple[str, ...], Command]]":
        """Yield this command and all below it, each with its words: ``(("hub", "init"), command)``."""
        words = (*path, self.name)
        yield words, self
        for command in self.commands:
            yield from command.walk(words)
