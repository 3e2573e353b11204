"""Every example of every command's help works as written, from an empty directory to a closed channel."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from perunika_cli.command import Example
from perunika_cli.main import WORDS, load_command
from tests.cli.terminal import ENTER_SCREEN, LEAVE_SCREEN, SHOW_CURSOR, Terminal
from tests.cli.town import Town, fresh_address

Hook = Callable[[Town], None]
Check = Callable[[Town, str], None]
# The demo brings its own chain and broker: test_examples_of_demo.py.
OWN_WORLD = ("demo",)


def all_examples() -> dict[str, Example]:
    """Return every example by its line."""
    commands = [load_command(word) for word in WORDS if word not in OWN_WORLD]
    return {example.line: example for command in commands for _, each in command.walk() for example in each.examples}


@dataclass(frozen=True)
class Step:
    """A line; what an operator does before it; what must be true of its output after it."""

    line: str
    before: Hook = lambda town: None
    check: Check = lambda town, said: None


def says(*patterns: str) -> Check:
    """Return a check that the output has all of ``patterns``."""

    def check(_: Town, said: str) -> None:
        for pattern in patterns:
            assert re.search(pattern, said), f"no {pattern!r} in:\n{said}"

    return check


def document(check: Callable[[Any], bool]) -> Check:
    """Return a check of a JSON document."""

    def checked(_: Town, said: str) -> None:
        assert check(json.loads(said)), said

    return checked


def hub_is_private(town: Town, _: str) -> None:
    files = [path for path in (town.directory / "hub").rglob("*") if path.is_file()]
    assert len(files) == 8
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (town.directory / "hub" / "keys").stat().st_mode & 0o777 == 0o700


def owner_is_imported(town: Town, _: str) -> None:
    owner = town.config("test-hub/hub.toml")["keys"]["vault_owner"]
    assert owner == town.node.accounts[0].address.lower() == town.address("test-hub/keys/owner.json")
    assert town.config("test-hub/hub.toml")["chain"]["rpc_url"] == town.node.rpc_url


def contract_is_there(town: Town, _: str) -> None:
    contract = town.config("hub/hub.toml")["chain"]["contract"]
    assert len(town.node.call("eth_getCode", contract, "latest")) > 1000
    town.shell.environment |= {"CONTRACT": contract, "HUB": town.address("hub/keys/hub.json")}


def gas_money_came(town: Town, said: str) -> None:
    says("setOperator", "deposit", r"vault +100 ETH")(town, said)
    assert int(town.node.call("eth_getBalance", town.address("hub/keys/gas.json"), "latest"), 16) == 10**18


def before_first_hub_run(town: Town) -> None:
    town.open_broker([], [])


def gateway_knows_hub(town: Town, _: str) -> None:
    config = town.config("gateway/gateway.toml")
    assert config["hub"]["address"] == town.shell.environment["HUB"]
    assert config["chain"]["contract"] == town.shell.environment["CONTRACT"]


def shop_sells(town: Town, _: str) -> None:
    meter = town.config("shop/gateway.toml")["meter"]
    assert meter == {
        "kind": "tcp", "keystore": "keys/meter.json", "password_file": "keys/meter.password",
        "upstream": "tcp://127.0.0.1:9000", "unit_price_wei": "2 gwei",
    }  # fmt: skip


def before_quote(town: Town) -> None:
    """The broker's operator makes users for all; the hub learns about the shop's devices and starts again."""
    addresses = {
        name: town.shell.json(f"perunika device addresses {name}") for name in ("pump-1", "pump-2", "sensor-1")
    }
    devices = [addresses["pump-1"]["payer"], addresses["pump-2"]["payer"], addresses["sensor-1"]["payee"]]
    members = [town.address(f"{name}/keys/member.json") for name in ("gateway", "shop")]
    members.append(addresses["pump-2"]["member"])
    town.end("perunika hub run")
    town.open_broker([device[2:] for device in devices], [member[2:] for member in members])
    for device in devices[:1] + devices[2:]:
        town.append("hub/hub.toml", f'[[devices]]\naddress = "{device}"\nmember = "{members[1]}"\n')
    for address in (addresses["pump-2"]["member"], devices[1]):
        town.append("hub/hub.toml", f'[[devices]]\naddress = "{address}"\nmember = "{members[1]}"\n')
    town.fill_in_gateway("gateway", site=False)
    town.fill_in_gateway("shop", site=True)
    town.keep("perunika hub run", "ready")
    town.shell.environment |= {
        "PAYER": devices[0], "MEMBER": addresses["pump-2"]["member"], "PAYEE": town.address("shop/keys/meter.json"),
    }  # fmt: skip


def channel_id(town: Town, file: str) -> str:
    return str(json.loads((town.directory / file).read_text())["channel_id"])


def another_member(town: Town) -> None:
    town.shell.environment["MEMBER"] = fresh_address()


def board_is_entered(name: str) -> Check:
    """Return a check that the printed [[device]] is what the gateway's file takes, and enter it there."""

    def check(town: Town, said: str) -> None:
        entry = said[said.index("[[device]]") :].split("\n\n")[0] + "\n"
        town.append("shop/gateway.toml", entry)
        assert town.config("shop/gateway.toml")["device"][-1]["name"] == name
        town.fill_in_board(name)

    return check


def is_open(file: str) -> Check:
    """Return a check that the channel in ``file`` is open on chain."""

    def check(town: Town, _: str) -> None:
        assert town.shell.json(f"perunika channel show --file {file}")["confirmed_status"] == "open"

    return check


def pump_2_pays(town: Town) -> None:
    """A second board, with a channel of its own, pays while we look."""
    town.keep("perunika device run pump-2 --json", '"acknowledged"')
    streams = town.shell.json("perunika gateway streams --config shop/gateway.toml")["streams"]
    paying = [stream for stream in streams if stream["role"] == "payee" and stream["phase"] == "serving"]
    assert len(paying) == 1
    town.shell.environment["STREAM"] = paying[0]["virtual"]


def lines_show_money(town: Town, said: str) -> None:
    lines = [line for line in said.splitlines() if "payee serving: paid" in line]
    assert len(lines) >= 2
    assert all("gwei" in line and "exposure" in line and "balance" in line for line in lines)
    assert "rate 2 gwei/s" in said or re.search(r"rate [1-3](\.\d+)? gwei/s", said)


def documents_show_money(town: Town, said: str) -> None:
    looks = [json.loads(line) for line in said.splitlines()]
    assert len(looks) >= 3
    stream = town.shell.environment["STREAM"]
    paid = [int(row["paid_wei"]) for look in looks for row in look["streams"] if row["virtual"] == stream]
    assert paid == sorted(paid) and paid[-1] > 0 and paid[0] % (2 * 10**9) == 0


def follow_on_terminal(town: Town) -> None:
    """The live view redraws itself, follows the window's size, and Ctrl-C ends it and nothing else."""
    line = "perunika gateway streams --config shop/gateway.toml --live --every 300ms"
    terminal = Terminal(town.shell, line, columns=110, rows=20)
    terminal.read_until(lambda: len(terminal.frames()) > 8, 20)
    assert ENTER_SCREEN in terminal.raw
    first, later = terminal.frames()[1], terminal.frames()[7]
    assert first[0].startswith("streams at http://127.0.0.1:")
    assert [word for word in first[2].split() if word != "with"] == [
        "stream", "role", "status", "paid", "rate/s", "balance", "exposure",
    ]  # fmt: skip
    assert paid_gwei(later) > paid_gwei(first) > 0
    assert any("Ctrl-C" in part for part in later)
    seen = len(terminal.frames())
    terminal.resize(columns=64, rows=12)
    terminal.read_until(lambda: len(terminal.frames()) > seen + 3, 20)
    small = terminal.frames()[-2]
    assert len(small) <= 12 and max(len(part) for part in small) <= 64 and small[0].startswith("streams at")
    terminal.type("\x03")
    assert terminal.status() == 130
    assert terminal.raw.rindex(LEAVE_SCREEN) > terminal.raw.rindex(ENTER_SCREEN) and SHOW_CURSOR in terminal.raw
    assert town.running["perunika device run pump-2 --json"].running


def paid_gwei(frame: list[str]) -> float:
    """Return what the frame shows as paid in the stream that is open."""
    row = next(part for part in frame if " serving " in part)
    match = re.search(r" serving +([0-9.]+) gwei", row)
    assert match is not None, frame
    return float(match[1])


def stream_ends(town: Town, _: str) -> None:
    board = town.running["perunika device run pump-2 --json"]
    board.wait_for_line('"closed"', 20)
    town.end("perunika device run pump-2 --json")


def everything_is_well(town: Town, said: str) -> None:
    assert "BAD" not in said, said
    says("hub broker limits", "gateway channel", "hub operator")(town, said)


def channel_of(file: str) -> Hook:
    """Return a hook that lets $CHANNEL be the channel in ``file``."""

    def set_channel(town: Town) -> None:
        town.shell.environment["CHANNEL"] = channel_id(town, file)

    return set_channel


WALK = (
    Step("perunika hub init --yes", check=hub_is_private),
    Step(
        "perunika hub init test-hub --import-owner funded.key --set chain.rpc_url=$RPC_URL --yes",
        check=owner_is_imported,
    ),
    Step("perunika hub deploy --min-window 10s", before=Town.fill_in_hub, check=contract_is_there),
    Step('perunika hub fund "100 ETH" --gas "1 ETH"', check=gas_money_came),
    Step("perunika hub run", before=before_first_hub_run),
    Step("perunika hub status", check=says(r"hub +0x[0-9a-f]{40}", "fees.ppm")),
    Step("perunika hub status --json", check=document(lambda said: said["info"]["chain_id"] == 31337)),
    Step("perunika hub status --url $HUB_URL", check=says("status +ok")),
    Step("perunika gateway init --hub-url $HUB_URL --yes", check=gateway_knows_hub),
    Step(
        "perunika gateway init shop --hub-url $HUB_URL --meter tcp --set meter.upstream=tcp://127.0.0.1:9000 "
        '--set meter.unit_price_wei="2 gwei" --import-owner funded.key --yes',
        check=shop_sells,
    ),
    Step("perunika device addresses pump-1", check=says(r"payer +0x[0-9a-f]{40}")),
    Step("perunika device addresses pump-1 --json", check=document(lambda said: len(said) == 3)),
    Step('perunika channel quote --deposit "1 ETH" --hub-deposit "0.5 ETH"', before_quote, says("0.5 ETH by the hub")),
    Step(
        'perunika channel open --deposit "1 ETH" --hub-deposit "1 ETH" --yes',
        check=is_open("gateway/channel.json"),
    ),
    Step(
        'perunika channel open --config shop/gateway.toml --deposit "1 ETH" --hub-deposit "1 ETH" --yes',
        check=is_open("shop/channel.json"),
    ),
    Step(
        'perunika channel open --member $MEMBER --deposit "0.1 ETH" --file pump-2.channel.json --yes',
        check=is_open("pump-2.channel.json"),
    ),
    Step(
        "perunika channel open --rpc $RPC_URL --contract $CONTRACT --hub $HUB --hub-url $HUB_URL --member $MEMBER "
        '--deposit "0.1 ETH" --keystore gateway/keys/owner.json --file third.channel.json --yes',
        before=another_member,
        check=is_open("third.channel.json"),
    ),
    Step(
        "perunika device init pump-1 --config shop/gateway.toml --allowance gateway/channel.json "
        '--pay $PAYEE --budget "0.001 ETH" --max-price "5 gwei"',
        check=board_is_entered("pump-1"),
    ),
    Step(
        "perunika device init pump-2 --config shop/gateway.toml --channel pump-2.channel.json "
        '--pay $PAYEE --budget "0.001 ETH" --max-price "5 gwei"',
        check=board_is_entered("pump-2"),
    ),
    Step(
        'perunika device init sensor-1 --config shop/gateway.toml --sell "20 gwei" --kind temperature',
        check=board_is_entered("sensor-1"),
    ),
    Step("perunika gateway run"),
    Step("perunika gateway run --config shop/gateway.toml"),
    Step("perunika gateway status", check=says(r"member +0x[0-9a-f]{40}")),
    Step("perunika gateway status --json", check=document(lambda said: said["health"]["ok"])),
    Step("perunika gateway streams", check=says("no streams")),
    Step('perunika gateway allow $PAYER --limit "0.1 ETH" --pause', check=says("but is paused")),
    Step('perunika gateway allow $PAYER --limit "0.1 ETH" --max-fee "0.00001 ETH"', check=says("may lock 0.1 ETH")),
    Step("perunika gateway allowances", check=says(r"0\.1 ETH +0 ETH +10000 gwei")),
    Step("perunika doctor", check=everything_is_well),
    Step("perunika doctor --json", check=document(lambda said: said["ok"])),
    Step("perunika device run pump-1 --seconds 3s", check=says("acknowledged", "closed")),
    Step("perunika gateway streams --config shop/gateway.toml --live --for 3s", pump_2_pays, lines_show_money),
    Step(
        "perunika gateway streams --config shop/gateway.toml --live --every 500ms --for 2s --json",
        check=documents_show_money,
    ),
    Step("perunika gateway close $STREAM --config shop/gateway.toml", follow_on_terminal, stream_ends),
    Step("perunika device run sensor-1 --json"),
    Step("perunika gateway books", check=says(r"spent +[1-9][0-9.]* gwei")),
    Step("perunika hub channels", check=says(r"0x[0-9a-f]{64}.* open ")),
    Step("perunika hub virtuals", check=says(r"0x[0-9a-f]{64}")),
    Step("perunika hub books", check=says(r"fees +[1-9]")),
    Step("perunika channel show", check=says("status +open")),
    Step(
        "perunika channel show $CHANNEL --json",
        channel_of("third.channel.json"),
        document(lambda said: said["total_wei"] == str(10**17)),
    ),
    Step('perunika channel top-up "0.5 ETH"', check=says(r"holds now +2\.5 ETH")),
    Step("perunika channel close $CHANNEL --via hub --wait 0s", channel_of("third.channel.json")),
    Step("perunika channel close", check=says("closed")),
    Step("perunika gateway close $CHANNEL --channel --config shop/gateway.toml", channel_of("shop/channel.json")),
    Step("perunika hub settle", check=says("settle")),
)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The town of the whole walk; each step builds on those before."""
    town = Town(tmp_path_factory.mktemp("town"))
    try:
        town.start()
        yield town
    finally:
        town.stop()


def test_the_walk_leaves_no_example_out() -> None:
    assert sorted(step.line for step in WALK) == sorted(all_examples())


@pytest.mark.parametrize("step", WALK, ids=lambda step: step.line)
def test_example_works_as_written(town: Town, step: Step) -> None:
    example = all_examples()[step.line]
    step.before(town)
    if example.runs_on:
        said = town.keep(step.line, example.runs_on).output()
    else:
        said = town.shell.good(step.line, timeout_s=90)
    step.check(town, said)
