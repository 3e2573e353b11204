"""`perunika device`: the words; what each of them does lives in device_setup."""

from pathlib import Path

from perunika_cli.arguments import SET, address, amount, config_option, duration
from perunika_cli.command import Command, Example, option
from perunika_cli.device_setup import run_addresses, run_device, run_init

DIRECTORY = option("directory", type=Path, help="the board's directory; it becomes the board's file system")

ADDRESSES = Command(
    "addresses",
    "make a board's key, show its addresses",
    """Runs the board's own code, on real MicroPython, to make its sealed key if there is none, and prints the
addresses of its three roles. The key itself never leaves the board.""",
    run_addresses,
    (DIRECTORY,),
    (
        Example("perunika device addresses pump-1", "a board called pump-1"),
        Example("perunika device addresses pump-1 --json", "for programs"),
    ),
)
INIT = Command(
    "init",
    "write a board's device.json",
    """Writes everything a board has to know into its directory: broker, chain and hub as in gateway.toml, whom it
may pay and how much (--pay, --budget and --max-price together), or what it sells (--sell). It prints the [[device]]
entry for gateway.toml and the user that the broker must know. Copy the directory to a board, or run it here
with `perunika device run`.""",
    run_init,
    (
        DIRECTORY,
        config_option("gateway"),
        SET,
        option("--pay", type=address, metavar="PAYEE", help="address of the payee, whom it pays"),
        option("--budget", type=amount, help='most that it ever pays through one channel, such as "0.001 ETH"'),
        option("--max-price", type=amount, help='highest price of a unit that it accepts, such as "5 gwei"'),
        option(
            "--channel",
            type=Path,
            metavar="FILE",
            help="channel.json of its own basic channel; without, it spends an allowance",
        ),
        option("--allowance", type=Path, metavar="FILE", help="channel.json of who grants it (default: the gateway's)"),
        option("--sell", type=amount, metavar="PRICE", help="it sells readings at this price"),
        option("--kind", default="reading", help="what the readings are (default: reading)"),
    ),
    (
        Example(
            "perunika device init pump-1 --config shop/gateway.toml --allowance gateway/channel.json "
            '--pay $PAYEE --budget "0.001 ETH" --max-price "5 gwei"',
            "a pump at the shop's site that pays by the second, on an allowance of the gateway in ./gateway",
        ),
        Example(
            "perunika device init pump-2 --config shop/gateway.toml --channel pump-2.channel.json "
            '--pay $PAYEE --budget "0.001 ETH" --max-price "5 gwei"',
            "a pump with a basic channel of its own",
        ),
        Example(
            'perunika device init sensor-1 --config shop/gateway.toml --sell "20 gwei" --kind temperature',
            "a sensor that sells readings through the shop's channel",
        ),
    ),
)
RUN = Command(
    "run",
    "simulate a board here",
    """Runs a board's directory on this machine: the same code as on the chip, on real MicroPython with the memory of
an ESP32, or on CPython where MicroPython has no wheel. With --seconds it pays for so long, closes its channel and
ends; without, it works until Ctrl-C. It needs its site's broker and gateway to be up: until they answer it stays in
the phase `opening`. With --json its events are lines of JSON.""",
    run_device,
    (
        DIRECTORY,
        option("--seconds", type=duration, metavar="DURATION", help="pay or sell for so long, close, end"),
        option("--stay", action="store_true", help="after that, go on answering"),
        option("--heap", type=int, default=160, metavar="KB", help="memory of the board (default: 160)"),
    ),
    (
        Example("perunika device run pump-1 --seconds 3s", "pay for three seconds"),
        Example("perunika device run sensor-1 --json", "sell until Ctrl-C, events as lines of JSON", runs_on="event"),
    ),
)
COMMAND = Command(
    "device",
    "prepare boards, read their addresses, simulate them",
    """A device is a board with MicroPython that pays or sells. Its directory holds device.json, the CA of its broker,
its sealed key and its state; the same directory works on a chip and in a simulation here.""",
    commands=(ADDRESSES, INIT, RUN),
)
