"""`perunika channel`: the words; what each of them does lives in channel_work."""

from pathlib import Path

from perunika_cli.arguments import YES, address, amount, duration, id32, whole_duration
from perunika_cli.channel_open import run_open, run_quote
from perunika_cli.channel_place import CHAIN_OPTIONS, FILE, HUB_OPTIONS
from perunika_cli.channel_work import run_close, run_show, run_top_up
from perunika_cli.command import Command, Example, option
from perunika_cli.services import ACCOUNT, TOKEN, URL

DEPOSITS = (
    option("--deposit", type=amount, required=True, help="what the member's side puts in"),
    option("--hub-deposit", type=amount, default=0, help="what the hub shall put in, to be earned (default: nothing)"),
    option("--challenge-duration", type=whole_duration, metavar="DURATION", help="dispute window (default: the hub's)"),
)
CHANNEL = option("channel", nargs="?", type=id32, help="the channel's id (default: that of channel.json)")

QUOTE = Command(
    "quote",
    "ask a hub for an offer, and check it",
    """Asks the hub what a basic channel would be like and checks its answer: the hub's key and signature, deposits,
durations, and fees against the limits of gateway.toml. Nothing is sent to the chain; the offer holds for about an
hour.""",
    run_quote,
    (
        *DEPOSITS,
        *HUB_OPTIONS,
        *CHAIN_OPTIONS,
        option("--owner", type=address, help="account that owns the channel (default: that of --keystore)"),
        *ACCOUNT,
    ),
    (Example('perunika channel quote --deposit "1 ETH" --hub-deposit "0.5 ETH"', "for the gateway in ./gateway"),),
)
OPEN = Command(
    "open",
    "open a basic channel with one transaction",
    """Gets an offer of the hub, checks all of it, writes channel.json and sends one transaction from the owner's
account; then waits until the chain has confirmed it. The member's key only uses the channel: payouts go to the
owner.""",
    run_open,
    (
        *DEPOSITS,
        *HUB_OPTIONS,
        *CHAIN_OPTIONS,
        FILE,
        *ACCOUNT,
        option("--wait", type=duration, default=300.0, help="how long to wait for confirmation (default: 5m)"),
        YES,
    ),
    (
        Example('perunika channel open --deposit "1 ETH" --hub-deposit "1 ETH" --yes', "for the gateway in ./gateway"),
        Example(
            'perunika channel open --config shop/gateway.toml --deposit "1 ETH" --hub-deposit "1 ETH" --yes',
            "for the one in ./shop, which needs the hub's deposit to be paid from",
        ),
        Example(
            'perunika channel open --member $MEMBER --deposit "0.1 ETH" --file pump-2.channel.json --yes',
            "for a board that has a channel of its own",
        ),
        Example(
            "perunika channel open --rpc $RPC_URL --contract $CONTRACT --hub $HUB --hub-url $HUB_URL --member $MEMBER "
            '--deposit "0.1 ETH" --keystore gateway/keys/owner.json --file third.channel.json --yes',
            "without any configuration file",
        ),
    ),
)
SHOW = Command(
    "show",
    "what the chain knows about a channel",
    """Reads a channel from the contract: its status, what it holds, and the same as of the newest confirmed block,
which is what hub and members count by.""",
    run_show,
    (CHANNEL, FILE, *CHAIN_OPTIONS),
    (
        Example("perunika channel show", "the gateway's channel"),
        Example("perunika channel show $CHANNEL --json", "any channel of the contract"),
    ),
)
TOP_UP = Command(
    "top-up",
    "add to a channel",
    """Adds coin of the owner's account to the member's side of an open channel, with one transaction. Hub and member
count it after the usual confirmations.""",
    run_top_up,
    (option("amount", type=amount, help='such as "0.5 ETH"'), FILE, *CHAIN_OPTIONS, *ACCOUNT),
    (Example('perunika channel top-up "0.5 ETH"', "half a coin more in the gateway's channel"),),
)
CLOSE = Command(
    "close",
    "end a channel by agreement, and be paid out",
    """Asks the gateway (or with --via hub the hub) to agree on the end of a channel with the other side; the hub then
sends it to the chain, which pays both owners. Live virtual channels must have ended.""",
    run_close,
    (
        CHANNEL,
        FILE,
        *CHAIN_OPTIONS,
        option("--via", choices=("gateway", "hub"), default="gateway", help="who is asked (default: gateway)"),
        option("--hub-config", type=Path, metavar="FILE", help="hub.toml, for --via hub"),
        URL,
        TOKEN,
        option("--wait", type=duration, default=120.0, help="how long to wait for the chain (default: 2m; 0s: not)"),
    ),
    (
        Example("perunika channel close", "the gateway's channel, until it is paid out"),
        Example("perunika channel close $CHANNEL --via hub --wait 0s", "as the hub's operator"),
    ),
)
COMMAND = Command(
    "channel",
    "open, look at, top up and close basic channels",
    """A basic channel lies between a member (a gateway, or a board with its own) and a hub; it holds deposits of both
in the contract. Only opening and closing it touches the chain; virtual channels run inside it.""",
    commands=(QUOTE, OPEN, SHOW, TOP_UP, CLOSE),
)
