"""Words, help and errors: what was wrong, whose fault it is, what to do; for people and for programs."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perunika_cli.command import Command
from perunika_cli.main import WORDS, load_command
from tests.cli.shell import Shell

COMMANDS = [each for word in WORDS for each in load_command(word).walk()]


def words_of(entry: tuple[tuple[str, ...], Command]) -> str:
    return " ".join(entry[0])


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(tmp_path_factory.mktemp("shell"))


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Shell]:
    yield Shell(tmp_path)


@pytest.mark.parametrize("entry", COMMANDS, ids=words_of)
def test_every_command_teaches(entry: tuple[tuple[str, ...], Command]) -> None:
    _, command = entry
    assert command.summary and len(command.summary) <= 70
    assert len(re.findall(r"[.:;](?=\s|$)", command.description)) >= 2
    assert command.examples or command.commands
    assert (command.run is None) == bool(command.commands)


def test_the_table_of_words_says_what_the_commands_say() -> None:
    assert dict(WORDS) == {word: load_command(word).summary for word in WORDS}


def test_help_shows_description_options_and_examples(shell: Shell) -> None:
    said = shell.good("perunika gateway allow --help")
    assert "usage: perunika gateway allow" in said
    assert "Gives the payer key of a device an allowance" in said
    assert 'perunika gateway allow $PAYER --limit "0.1 ETH"' in said


def test_only_the_word_that_is_called_is_imported(shell: Shell) -> None:
    program = "import sys; from perunika_cli.main import build_parser; build_parser(); print('web3' in sys.modules)"
    assert shell.good(f'{sys.executable} -c "{program}"') == "False\n"


def test_words_alone_explain_themselves_and_fail(shell: Shell) -> None:
    assert shell.run("perunika").returncode == 0
    done = shell.run("perunika hub")
    assert done.returncode == 2 and "usage: perunika hub" in done.stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("perunika hbu", "invalid choice: 'hbu'"),
        ("perunika hub fund", "the following arguments are required: amount"),
        ("perunika hub fund '1 ETHH'", "'1 ETHH' is wrong, expected an amount such as \"0.01 ETH\""),
        ("perunika gateway streams --every 1", "'1' is wrong, expected a duration such as"),
        ("perunika gateway allow 0x12 --limit 1", "'0x12' is wrong, expected an address: 0x and 40"),
        ("perunika gateway close 0x12", "'0x12' is wrong, expected an id: 0x and 64"),
        (
            "perunika hub status",
            "there is neither hub.toml nor hub/hub.toml (config.missing; fault: here; run `perunika hub init`",
        ),
        ("perunika hub status --url http://127.0.0.1:9", "the hub does not answer at http://127.0.0.1:9"),
        (
            "perunika device run nowhere",
            "there is no nowhere/device.json (device.file; fault: here; run `perunika device init`",
        ),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(shell: Shell, line: str, expected: str) -> None:
    done = shell.run(line)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert expected in done.stderr and "; fault: " in done.stderr


def test_a_program_gets_the_same_error_as_json(shell: Shell) -> None:
    done = shell.run("perunika hub fund nothing --json")
    assert done.returncode == 2 and done.stderr == ""
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "usage" and error["fault"] == "us"
    assert error["hint"] == "see `perunika hub fund --help`"


def test_json_may_stand_anywhere(shell: Shell) -> None:
    for line in ("perunika --json hub status", "perunika hub --json status", "perunika hub status --json"):
        assert json.loads(shell.run(line).stdout)["error"]["code"] == "config.missing"


def test_a_reader_that_goes_away_is_no_error(shell: Shell) -> None:
    done = shell.run("perunika hub init --help | head -1")
    assert done.stdout.startswith("usage") and "Traceback" not in done.stderr


def test_init_overwrites_nothing(fresh: Shell) -> None:
    fresh.good("perunika hub init --yes")
    before = (fresh.directory / "hub" / "hub.toml").read_text()
    done = fresh.run("perunika hub init --yes")
    assert done.returncode == 2 and "init overwrites nothing" in done.stderr
    assert (fresh.directory / "hub" / "hub.toml").read_text() == before


def test_init_leaves_nothing_behind_when_a_value_is_wrong(fresh: Shell) -> None:
    done = fresh.run("perunika hub init --yes --set fees.bse=1 --set fees.ppm=x --set chain.rpc_url=ftp://x")
    assert done.returncode == 2
    assert "fees.bse: unknown key; did you mean fees.base?" in done.stderr
    assert "fees.ppm: 'x' is wrong, expected a whole number from 0 to 1000000" in done.stderr
    assert "chain.rpc_url: 'ftp://x' is wrong, expected an address such as http://127.0.0.1:8545" in done.stderr
    assert not (fresh.directory / "hub").exists()


def test_a_bad_configuration_names_every_key_with_a_proposal(fresh: Shell) -> None:
    fresh.good("perunika hub init --yes")
    path = fresh.directory / "hub" / "hub.toml"
    text = path.read_text().replace("chain_id = 31337", "chain_idd = 31337")
    text = text.replace('# poll = "1s"', 'poll = "soon"').replace("# port = 8420", "port = 99999")
    path.write_text(text)
    for line in ("perunika hub run", "perunika hub status", 'perunika hub fund "1 ETH"'):
        done = fresh.run(line)
        assert done.returncode == 2
        assert "chain.chain_idd: unknown key; did you mean chain.chain_id?" in done.stderr
        assert "chain.chain_id: is missing, expected a whole number" in done.stderr
        assert "chain.poll: 'soon' is wrong, expected a duration such as \"250ms\"" in done.stderr
        assert 'for example poll = "1s"' in done.stderr
        assert "http.port: 99999 is wrong, expected a whole number from 0 to 65535" in done.stderr


def test_doctor_names_each_problem_with_its_repair_and_fails(fresh: Shell) -> None:
    fresh.good("perunika hub init --yes --set chain.rpc_url=http://127.0.0.1:9 --set mqtt.port=9")
    (fresh.directory / "hub" / "keys" / "gas.password").chmod(0o644)
    (fresh.directory / "hub" / "keys" / "hub.password").write_text("another password\n")
    done = fresh.run("perunika doctor --json")
    assert done.returncode == 1
    found = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    wrong = {name for name, finding in found.items() if finding["verdict"] == "bad"}
    assert wrong == {"hub config", "hub key", "hub gas key", "hub chain", "hub broker"}
    assert found["hub config"]["text"].startswith("chain.contract: 0x1111")
    assert "The Perunika contract on that chain" in found["hub config"]["fix"]
    assert found["hub chain"]["text"] == "nothing answers at http://127.0.0.1:9"
    assert found["hub gas key"]["fix"].startswith("chmod 600 ")
    assert "start the node" in found["hub chain"]["fix"] and "start the broker" in found["hub broker"]["fix"]
    assert found["python"]["verdict"] == "ok"
    assert found["hub process"]["fix"] == "`perunika hub run` starts it"


def test_doctor_names_every_key_of_a_broken_configuration(fresh: Shell) -> None:
    (fresh.directory / "gateway.toml").write_text('[chain]\nrpc = "x"\n')
    done = fresh.run("perunika doctor")
    assert done.returncode == 1
    assert "chain.rpc: 'x' is wrong" in done.stdout and "hub.address: is missing" in done.stdout
    assert 'gateway config: for example rpc = "http://127.0.0.1:8545"' in done.stdout


def test_a_service_does_not_start_with_the_addresses_of_the_template(fresh: Shell) -> None:
    fresh.good("perunika hub init --yes")
    fresh.good("perunika gateway init --yes --set hub.host=127.0.0.1")
    done = fresh.run("perunika hub run")
    assert done.returncode == 2 and "chain.contract: 0x1111" in done.stderr and "fill in: The Perunika" in done.stderr
    done = fresh.run("perunika gateway run")
    assert done.returncode == 2
    assert "chain.contract: 0xc0dec0de" in done.stderr and "hub.address: 0xabab" in done.stderr


def test_a_meter_without_a_service_to_sell_is_refused_before_anything_is_made(fresh: Shell) -> None:
    done = fresh.run("perunika gateway init shop --yes --meter tcp")
    assert done.returncode == 2
    assert "meter.upstream: is missing" in done.stderr and "--set meter.upstream=tcp://" in done.stderr
    assert not (fresh.directory / "shop").exists()


def test_a_board_that_knows_only_its_keys_is_told_what_comes_next(fresh: Shell) -> None:
    fresh.good("perunika device addresses pump")
    done = fresh.run("perunika device run pump")
    assert done.returncode == 2 and "run `perunika device init`" in done.stderr


def test_doctor_gives_a_value_to_the_service_that_knows_it(fresh: Shell) -> None:
    fresh.good("perunika hub init --yes --set chain.rpc_url=http://127.0.0.1:9 --set mqtt.port=9")
    fresh.good("perunika gateway init --yes --set chain.rpc=http://127.0.0.1:9 --set hub.port=9")
    said = fresh.run("perunika doctor --set hub.user=shop --set hub.usr=x").stdout
    assert "hub.user: unknown key" not in said
    assert said.count("hub.usr: unknown key") == 2
