"""`perunika demo`: the whole path once, on this machine."""

import argparse
import json
import sys
from pathlib import Path

from perunika.errors import LocalError
from perunika_cli.command import FAILED, OK, Command, Example, option
from perunika_cli.demo.report import show
from perunika_cli.demo.run import run_demo
from perunika_cli.output import Output

MAX_SECONDS = 3600


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Run the demo; FAILED when the second reader finds that chain and books differ."""
    if not 1 <= arguments.seconds <= MAX_SECONDS:
        raise LocalError("usage", f"--seconds {arguments.seconds} is not in 1..{MAX_SECONDS}", "try --seconds 15")
    if arguments.keep is not None and arguments.keep.exists():
        raise LocalError("usage", f"{arguments.keep} exists already", "name a directory that does not")

    def say(text: str) -> None:
        print(text, file=sys.stderr if arguments.json else sys.stdout, flush=True)

    books, result, differences = run_demo(arguments.seconds, arguments.json, say, arguments.keep)
    if arguments.json:
        for difference in differences:
            print(difference, file=sys.stderr)
        print(json.dumps(result))
    else:
        show(books, result, differences)
    return FAILED if differences else OK


COMMAND = Command(
    "demo",
    "run the whole path once: chain, broker, hub, gateways, devices",
    "Starts a node, a broker, a hub, two gateways and three simulated boards on real MicroPython, opens channels, pays "
    "every second, closes, settles, and prints each party's account. A second reader then checks from the chain alone "
    "that all books are right; the exit status is 1 if they are not.",
    run,
    (
        option("--seconds", type=int, default=15, help="how long the boards pay (default 15)"),
        option("--keep", type=Path, metavar="DIRECTORY", help="keep logs, stores and configuration there"),
    ),
    (
        Example("perunika demo --seconds 5", "pay for five seconds and read the accounts"),
        Example("perunika demo --seconds 5 --json", "the same for a program: the last line is one JSON object"),
    ),
)
