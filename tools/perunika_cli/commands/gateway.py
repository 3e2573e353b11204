"""`perunika gateway`: the words; what each of them does lives in gateway_setup and gateway_views."""

from pathlib import Path

from perunika_cli.arguments import SET, YES, address, amount, config_option, duration, id32
from perunika_cli.command import Command, Example, option
from perunika_cli.gateway_setup import run_gateway, run_init
from perunika_cli.gateway_views import (
    run_allow,
    run_allowances,
    run_books,
    run_close,
    run_status,
    run_streams,
)
from perunika_cli.services import GATEWAY_API

INIT = Command(
    "init",
    "write configuration, keys and tokens of a new gateway",
    """Makes a directory with gateway.toml, in which every key is explained, and with encrypted keystores for the
gateway's member key, for its meter if it sells something, and for the owner of its channel. What a hub says about
itself (--hub-url) is filled in: contract, chain id, the hub's key. Node and brokers are yours to fill in.""",
    run_init,
    (
        option("directory", nargs="?", type=Path, default=Path("gateway"), help="where (default: gateway)"),
        option("--hub-url", metavar="URL", help="the hub's HTTP interface, to be asked now"),
        option(
            "--meter",
            choices=("http", "tcp"),
            help="this gateway sells a service by the second; needs meter.upstream too",
        ),
        option("--owner", type=address, help="account that owns the channel, when its key stays elsewhere"),
        option("--import-owner", type=Path, metavar="FILE", help="file with the owner's private key (hexadecimal)"),
        SET,
        YES,
    ),
    (
        Example("perunika gateway init --hub-url $HUB_URL --yes", "a gateway that hands out allowances, in ./gateway"),
        Example(
            "perunika gateway init shop --hub-url $HUB_URL --meter tcp --set meter.upstream=tcp://127.0.0.1:9000 "
            '--set meter.unit_price_wei="2 gwei" --import-owner funded.key --yes',
            "one that sells a TCP service for 2 gwei a second, in ./shop",
        ),
    ),
)
RUN = Command(
    "run",
    "run the gateway",
    """Runs the gateway until Ctrl-C or SIGTERM: it bridges the site's devices to the hub, sells what its meter
measures, and keeps vouchers on disk, in two places if store.second_path is set. One line on standard output says
when it listens, with --json too. Open channels stay open when it ends and go on afterwards.""",
    run_gateway,
    (config_option("gateway"), SET),
    (
        Example("perunika gateway run", "with ./gateway.toml or ./gateway/gateway.toml", runs_on="ready"),
        Example("perunika gateway run --config shop/gateway.toml", "another one", runs_on="ready"),
    ),
)
STATUS = Command(
    "status",
    "is it up, who is it, which devices does it see",
    """Asks the running gateway for its health, its keys, its channel and its devices. The exit status is 1 when it
runs but something it needs is missing, such as its node or a broker.""",
    run_status,
    GATEWAY_API,
    (Example("perunika gateway status", "for people"), Example("perunika gateway status --json", "for programs")),
)
STREAMS = Command(
    "streams",
    "who pays whom, how much, how fast",
    """Shows every virtual channel that this gateway takes part in: what was paid, the rate of the last seconds, the
balance that is left and the exposure, which is what was served and not paid yet. With --live the table renews itself;
where there is no terminal it becomes lines, with --json one document per look.""",
    run_streams,
    (
        option("--live", action="store_true", help="follow, until Ctrl-C"),
        option("--all", action="store_true", help="also those that have ended"),
        option("--every", type=duration, default=1.0, help="how often to look (default: 1s)"),
        option("--for", dest="duration", type=duration, metavar="DURATION", help="follow for so long, then end"),
        *GATEWAY_API,
    ),
    (
        Example("perunika gateway streams", "as they are now"),
        Example("perunika gateway streams --config shop/gateway.toml --live --for 3s", "follow the shop's, a while"),
        Example(
            "perunika gateway streams --config shop/gateway.toml --live --every 500ms --for 2s --json",
            "one JSON document twice a second",
        ),
    ),
)
ALLOW = Command(
    "allow",
    "let a device spend from this gateway's channel",
    """Gives the payer key of a device an allowance: what it may lock in virtual channels out of our basic channel,
and the highest fee of an opening. The same command changes it; --pause stops new channels and keeps those that run.""",
    run_allow,
    (
        option("payer", type=address, help="the device's payer key, see `perunika device addresses`"),
        option("--limit", type=amount, required=True, help='in all, such as "0.1 ETH"'),
        option("--max-fee", type=amount, default=10**15, help="highest fee of one opening (default: 0.001 ETH)"),
        option("--pause", action="store_true", help="no new channels for now"),
        *GATEWAY_API,
    ),
    (
        Example('perunika gateway allow $PAYER --limit "0.1 ETH" --max-fee "0.00001 ETH"', "a tenth of a coin"),
        Example('perunika gateway allow $PAYER --limit "0.1 ETH" --pause', "no new channels"),
    ),
)
ALLOWANCES = Command(
    "allowances",
    "list what devices may spend",
    """Lists the allowances that this gateway has given to devices, by `gateway allow` or in its configuration,
with what is used of them. What a closed virtual channel did not spend is free again.""",
    run_allowances,
    GATEWAY_API,
    (Example("perunika gateway allowances", "all of them"),),
)
BOOKS = Command(
    "books",
    "earned, spent, fees",
    """Shows what this gateway has earned and spent through its channels, and the fees it has paid to the hub. These
are the figures that the chain pays out when the channel is closed.""",
    run_books,
    GATEWAY_API,
    (Example("perunika gateway books", "since the gateway's first start"),),
)
CLOSE = Command(
    "close",
    "end a stream, or the basic channel",
    """Asks the payee of a virtual channel to close it: what was paid is settled with the hub, the rest is free again.
With --channel the id is that of the basic channel, which then is paid out on chain; its virtual channels must have
ended.""",
    run_close,
    (
        option("id", type=id32, help="the virtual channel's id, see `perunika gateway streams --json`"),
        option("--channel", action="store_true", help="the id is that of the basic channel"),
        *GATEWAY_API,
    ),
    (
        Example("perunika gateway close $STREAM --config shop/gateway.toml", "end a stream of the shop's meter"),
        Example("perunika gateway close $CHANNEL --channel --config shop/gateway.toml", "leave the hub"),
    ),
)
COMMAND = Command(
    "gateway",
    "set up, run and look after a gateway",
    """A gateway connects a site's devices with a hub. It can sell a service by the second, sell its devices' readings,
and let devices spend from its own basic channel. A new one: init, `perunika channel open`, run.""",
    commands=(INIT, RUN, STATUS, STREAMS, ALLOW, ALLOWANCES, BOOKS, CLOSE),
)
