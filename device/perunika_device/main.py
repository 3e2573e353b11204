"""A board's main program, also for simulated boards: ``micropython main.py device.json --seconds 15 --log json``.

    --addresses        make or open the keys, print their addresses as a line of JSON, and end
    --seconds N        work N seconds, close, and end
    --stay             go on answering after that, until told to end
    --log json|text    one line an event (json for programs)
    --stay             after that go on answering, until asked to end
    --commands         obey lines of the input: close, stop (paying), start (again); its end means close

Ends with status 0 when all is closed, 1 with a line that says what is wrong, 2 for a wrong command line.
"""

import asyncio
import json
import sys

from perunika.errors import PerunikaError
from perunika_device import platform

# While modules are loaded, memory is tidied this often: else what loading leaves behind ends up in pieces everywhere.
_LOADING_BYTES = 2048


class Options:
    """The command line; raises ``ValueError`` with a sentence for a person."""

    def __init__(self, words):
        self.path = None
        self.seconds = None
        self.log = "text"
        self.addresses = False
        self.commands = False
        self.stay = False
        self.stay = False
        words = list(words)
        while words:
            self._take(words.pop(0), words)
        if self.path is None:
            raise ValueError("name the board's JSON file")

    def _take(self, word, rest):
        if word == "--addresses":
            self.addresses = True
        elif word == "--stay":
            self.stay = True
        elif word == "--commands":
            self.commands = True
        elif word == "--stay":
            self.stay = True
        elif word == "--seconds" and rest:
            self.seconds = float(rest.pop(0))
        elif word == "--log" and rest and rest[0] in ("json", "text"):
            self.log = rest.pop(0)
        elif word[:1] != "-" and self.path is None:
            self.path = word
        else:
            raise ValueError("%s is not understood" % word)


def print_addresses(path):
    """Print role -> address of the keys that ``path`` describes; they are made when there are none."""
    from perunika_device.config import load_keys
    from perunika_device.identity import Identity

    print(json.dumps(Identity(load_keys(path)).addresses()))


async def obey(agent):
    """Obey the lines of our input."""
    while True:
        line = await platform.read_line(platform.stdin)
        word = line.decode().strip()
        if not line:
            agent.stop()
            return
        try:
            agent.command(word)
        except PerunikaError as error:
            agent.log.write("refused", code=error.code, text=error.text, hint=error.hint)


async def work(options):
    """Run the agent that the options describe."""
    platform.collect_every(_LOADING_BYTES)
    from perunika_device.agent import Agent
    from perunika_device.config import load
    from perunika_device.event_log import EventLog
    from perunika_device.sensors import temperature

    agent = Agent(load(options.path), EventLog(options.log), temperature)
    platform.on_terminate(agent.stop)
    obeying = asyncio.create_task(obey(agent)) if options.commands else None
    try:
        await agent.run(options.seconds, options.stay)
    finally:
        if obeying is not None:
            obeying.cancel()


def main(words):
    """Return the exit status."""
    try:
        options = Options(words)
    except ValueError as error:
        print("perunika: " + str(error))
        print("usage: main.py FILE [--addresses] [--seconds N] [--stay] [--stay] [--log json|text] [--commands]")
        return 2
    try:
        if options.addresses:
            print_addresses(options.path)
        else:
            asyncio.run(work(options))
    except PerunikaError as error:
        print(json.dumps({"event": "error", "code": error.code, "text": error.text, "hint": error.hint}))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
