"""`perunika hub`: the words, and what each of them does lives in hub_setup and hub_views."""

from pathlib import Path

from perunika_cli.arguments import SET, YES, address, amount, config_option, duration, id32, whole_duration
from perunika_cli.command import Command, Example, option
from perunika_cli.hub_setup import run_deploy, run_fund, run_hub, run_init
from perunika_cli.hub_views import run_books, run_channels, run_settle, run_status, run_virtuals
from perunika_cli.services import ACCOUNT, HUB_API

INIT = Command(
    "init",
    "write configuration, keys and tokens of a new hub",
    """Makes a directory with hub.toml, in which every key is explained, and with encrypted keystores for the hub's
signing key, its gas account and the owner of its vault. Passwords and the token for admin calls are random and stand
in files of their own; nobody but you can read any of it.""",
    run_init,
    (
        option("directory", nargs="?", type=Path, default=Path("hub"), help="where (default: hub)"),
        option("--owner", type=address, help="account that owns the vault, when its key stays elsewhere"),
        option("--import-owner", type=Path, metavar="FILE", help="file with the owner's private key (hexadecimal)"),
        SET,
        YES,
    ),
    (
        Example("perunika hub init --yes", "everything fresh, in ./hub"),
        Example(
            "perunika hub init test-hub --import-owner funded.key --set chain.rpc_url=$RPC_URL --yes",
            "on a development chain, with an account that has coin there",
        ),
    ),
)
DEPLOY = Command(
    "deploy",
    "deploy the contract on a development chain",
    """Sends the contract to the chain of hub.toml from a funded account, the owner's by default, and writes its
address and the chain's number into hub.toml. Everybody on a chain can share one contract: on a public chain use the
one that is there; --yes deploys another one nevertheless.""",
    run_deploy,
    (
        config_option("hub"),
        *ACCOUNT,
        option("--min-window", type=whole_duration, default=10, help="shortest dispute window (default: 10s)"),
        option("--max-window", type=whole_duration, default=7 * 86400, help="longest dispute window (default: 7d)"),
        YES,
    ),
    (Example("perunika hub deploy --min-window 10s", "deploy with the owner that `hub init` made"),),
)
FUND = Command(
    "fund",
    "let the hub's key use the vault, and fill it",
    """Sends what a hub needs before it can open channels, from the account that owns the vault: once the permission
for the hub's key (setOperator), then a deposit into the vault. With --gas it also sends coin to the account that
pays for closing channels. It waits until the chain has confirmed them, because the hub counts nothing before.""",
    run_fund,
    (
        option("amount", type=amount, help='deposit, such as "1 ETH"'),
        option("--gas", type=amount, default=0, metavar="AMOUNT", help="coin for the gas account"),
        option("--wait", type=duration, default=60.0, help="how long to wait for confirmation (default: 1m)"),
        config_option("hub"),
        *ACCOUNT,
    ),
    (Example('perunika hub fund "100 ETH" --gas "1 ETH"', "first funding"),),
)
RUN = Command(
    "run",
    "run the hub",
    """Runs the hub until Ctrl-C or SIGTERM. One line on standard output says when it listens, with --json too; whether
node and broker answer, `perunika hub status` says. State is on disk before anything is answered, so it may be stopped
at any time and goes on where it was.""",
    run_hub,
    (config_option("hub"), SET),
    (Example("perunika hub run", "with ./hub.toml or ./hub/hub.toml", runs_on="ready"),),
)
STATUS = Command(
    "status",
    "is it up, who is it, what does it ask",
    """Asks the running hub for its health, its key, the contract it works with and its prices. The exit status is 1
when it runs but something it needs is missing, such as its node.""",
    run_status,
    HUB_API,
    (
        Example("perunika hub status", "for people"),
        Example("perunika hub status --json", "for programs"),
        Example("perunika hub status --url $HUB_URL", "of a hub somewhere else"),
    ),
)
CHANNELS = Command(
    "channels",
    "list basic channels",
    """Lists the hub's basic channels with what was deposited, what both sides have paid, and what each could still
spend. Amounts are exact; --json has them in wei.""",
    run_channels,
    HUB_API,
    (Example("perunika hub channels", "all of them"),),
)
VIRTUALS = Command(
    "virtuals",
    "list virtual channels",
    """Lists the virtual channels that run through this hub, with payer, payee, capacity and how far they are. What
is paid inside them the hub learns only when they close.""",
    run_virtuals,
    HUB_API,
    (Example("perunika hub virtuals", "all that are not settled yet"),),
)
BOOKS = Command(
    "books",
    "fees earned, money moved, gas spent",
    """Shows what the hub has earned in fees, paid to payees and collected from payers, what lies in its vault and
channels, and what its transactions have cost. Each figure can be compared with the chain.""",
    run_books,
    HUB_API,
    (Example("perunika hub books", "since the hub's first start"),),
)
SETTLE = Command(
    "settle",
    "send waiting closes to the chain now",
    """Brings closed channels on chain at once instead of waiting for the batch to fill: one transaction for all that
wait. With a channel's id it first asks to close that channel.""",
    run_settle,
    (option("--close", type=id32, metavar="CHANNEL", help="close this basic channel first"), *HUB_API),
    (Example("perunika hub settle", "whatever waits"),),
)
COMMAND = Command(
    "hub",
    "set up, run and look after a hub",
    """A hub keeps a basic channel with each of its members and lets them pay each other through virtual channels,
off the chain. It funds its side of these channels from a vault in the contract and earns fees. A new one: init,
deploy or the address of a contract that is there, fund, run.""",
    commands=(INIT, DEPLOY, FUND, RUN, STATUS, CHANNELS, VIRTUALS, BOOKS, SETTLE),
)
