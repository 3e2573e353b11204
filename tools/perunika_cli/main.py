"""The `perunika` command: finds the words, reads the options, runs, and turns every error into one clear answer."""

import argparse
import importlib
import logging
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

from perunika.errors import LocalError, PerunikaError
from perunika_cli.command import FAILED, INTERRUPTED, OK, USAGE, Command
from perunika_cli.output import Output

# Word -> what it is for. Its module perunika_cli.commands.<word> is imported when it is called.
WORDS: Mapping[str, str] = {
    "demo": "run the whole path once: chain, broker, hub, gateways, devices",
    "hub": "set up, run and look after a hub",
    "gateway": "set up, run and look after a gateway",
    "device": "prepare boards, read their addresses, simulate them",
    "channel": "open, look at, top up and close basic channels",
    "doctor": "check this machine and its configuration, and say how to repair it",
}
DESCRIPTION = """Pay-per-second micropayments for constrained devices: Perun virtual channels from MicroPython boards
through a gateway and a hub, settled on an Ethereum chain."""
EPILOGUE = """Every command takes --json and then answers with one JSON document, errors included.
`perunika <command> --help` explains each of them with examples.

exit status: 0 done, 1 done and the answer is bad, 2 error, 130 interrupted"""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose complaints are LocalErrors like all others."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would have printed."""
        raise LocalError("usage", message, f"see `{self.prog} --help`")


def load_command(word: str) -> Command:
    """Return the Command that ``perunika_cli.commands.<word>`` defines."""
    command = importlib.import_module(f"perunika_cli.commands.{word}").COMMAND
    if not isinstance(command, Command):
        raise LocalError("command.wrong", f"perunika_cli.commands.{word} defines no Command")
    return command


def build_parser(words: Sequence[str] = ()) -> Parser:
    """Return the parser; below the first level it knows only the commands named in ``words``, which it imports."""
    parser = Parser("perunika", description=DESCRIPTION, epilog=EPILOGUE, formatter_class=_Plain)
    parser.add_argument("--version", action="version", version=f"perunika {installed_version()}")
    parser.add_argument("--json", action="store_true", help="answer with one JSON document")
    below = parser.add_subparsers(title="commands", metavar="<command>")
    for word, summary in WORDS.items():
        if word in words:
            _add(below, load_command(word), ("perunika",))
        else:
            below.add_parser(word, help=summary, add_help=False)
    return parser


class _Plain(argparse.RawDescriptionHelpFormatter):
    """Keeps our line breaks; argparse would join the lines of examples."""


def _add(below: "argparse._SubParsersAction[Parser]", command: Command, path: tuple[str, ...]) -> None:
    parser = below.add_parser(
        command.name,
        help=command.summary,
        description=command.description,
        epilog=examples_text(command),
        formatter_class=_Plain,
    )
    # SUPPRESS: without it the word's own default would undo a --json given before it.
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="answer with one JSON document")
    for option in command.options:
        parser.add_argument(*option.names, **option.settings)
    parser.set_defaults(run=command.run, parser=parser)
    if command.commands:
        inner = parser.add_subparsers(title="commands", metavar="<command>")
        for sub in command.commands:
            _add(inner, sub, (*path, command.name))


def examples_text(command: Command) -> str:
    """Return the block of examples at the end of a command's help."""
    if not command.examples:
        return ""
    lines = [f"  # {example.purpose}\n  {example.line}" for example in command.examples]
    return "examples:\n" + "\n\n".join(lines)


def installed_version() -> str:
    """Return the version of the installed distribution."""
    try:
        return version("perunika")
    except PackageNotFoundError:
        return "(not installed)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit status and raises nothing."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    output = Output("--json" in words)
    # Errors reach people through `output`; a service that runs here sets up logs of its own.
    logging.getLogger("perunika").addHandler(logging.NullHandler())
    try:
        return _run(words, output)
    except PerunikaError as error:
        output.error(error)
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output went away (`perunika … | head`); nothing is left to be said.
        sys.stderr.close()
        return FAILED


def _run(words: Sequence[str], output: Output) -> int:
    parser = build_parser([word for word in words if word in WORDS][:1])
    parsed = parser.parse_args(words)
    run = getattr(parsed, "run", None)
    if run is None:
        getattr(parsed, "parser", parser).print_help()
        return OK if not words else USAGE
    status: int = run(parsed, output)
    return status


if __name__ == "__main__":
    sys.exit(main())
