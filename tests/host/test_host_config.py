"""Configuration: typed values out of TOML, every problem named with key, line, expectation and proposal."""

import tomllib
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path

import pytest

from perunika_host import config_kinds as kinds
from perunika_host.config import (
    ConfigError,
    load,
    overrides_from_environment,
    parse_overrides,
    section,
    sections,
    setting,
)
from perunika_host.config_template import write_template


@dataclass(frozen=True)
class Fees:
    base_wei: int = setting(kinds.amount(), "10 gwei", "What every opening costs.")
    ppm: int = setting(kinds.integer(0, 10**6), 500, "Fee in millionths of the capacity.")


@dataclass(frozen=True)
class Hub:
    port: int = setting(kinds.integer(1, 65535), 8000, "Port of the HTTP interface.")
    vault_owner: bytes = setting(kinds.address(), comment="Who owns the vault.", example="0x" + "11" * 20)
    keystore: Path = setting(kinds.path(), "keys/hub.json", "Encrypted key.")
    node: str = setting(kinds.url("http", "https"), comment="Ethereum node.", example="http://127.0.0.1:8545")
    window_s: int = setting(kinds.whole_duration("60s", "30d"), "2d", "Time to answer on chain.")
    retry_s: float = setting(kinds.duration("10ms", "1h"), "250ms", "Wait between attempts.")
    verbose: bool = setting(kinds.boolean(), False, "Tell more.")
    sites: tuple = setting(kinds.list_of(kinds.text()), ("home",), "Sites served.")
    mode: str | None = setting(kinds.choice("json", "human"), None, "How to log.", "json")
    fees: Fees = section(Fees, "Prices.")


@dataclass(frozen=True)
class Device:
    name: str = setting(kinds.text(), comment="Name of the device.", example="kitchen")
    payer: bytes = setting(kinds.address(), comment="Its key.", example="0x" + "22" * 20)


@dataclass(frozen=True)
class Whole:
    hub: Hub = section(Hub, "The hub.")
    devices: tuple = sections(Device, "One table for each device.")


MINIMUM = """\
[hub]
vault_owner = "0x1111111111111111111111111111111111111111"
node = "http://127.0.0.1:8545"
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        (tmp_path / "perunika.toml").write_text(text)
        return tmp_path / "perunika.toml"

    return write


def problems_of(path, overrides=None):
    with pytest.raises(ConfigError) as caught:
        load(Whole, path, overrides)
    return {problem.key: problem for problem in caught.value.problems}


def test_defaults_fill_what_is_not_named(file):
    path = file(MINIMUM)
    config = load(Whole, path)
    assert config.hub == Hub(
        port=8000,
        vault_owner=b"\x11" * 20,
        keystore=path.parent / "keys/hub.json",
        node="http://127.0.0.1:8545",
        window_s=172800,
        retry_s=0.25,
        verbose=False,
        sites=("home",),
        mode=None,
        fees=Fees(base_wei=10**10, ppm=500),
    )
    assert type(config.hub.window_s) is int and config.devices == ()


def test_values_are_read(file):
    text = MINIMUM + (
        'port = 81\nkeystore = "/k.json"\nwindow_s = "1h30m"\nverbose = true\nsites = ["a", "b"]\nmode = "human"\n'
        '[hub.fees]\nbase_wei = "0.01 ETH"\nppm = 0\n'
        '[[devices]]\nname = "d"\npayer = "0x52908400098527886E0F7030069857D2E4169EE7"\n'
    )
    config = load(Whole, file(text))
    assert (config.hub.port, config.hub.keystore, config.hub.window_s) == (81, Path("/k.json"), 5400)
    assert (config.hub.verbose, config.hub.sites, config.hub.mode) == (True, ("a", "b"), "human")
    assert config.hub.fees == Fees(base_wei=10**16, ppm=0)
    assert config.devices == (Device(name="d", payer=bytes.fromhex("52908400098527886E0F7030069857D2E4169EE7")),)
    with pytest.raises(FrozenInstanceError):
        config.hub.port = 1


def test_every_problem_is_told_at_once_with_line_and_proposal(file):
    found = problems_of(
        file(
            '[hub]\nprot = 80\nnode = "ftp://x"\nwindow_s = 10\nretry_s = "2 weeks"\nverbose = "yes"\n'
            'sites = "home"\nmode = "xml"\n\n[hub.fees]\nppm = 1000001\nbase_wei = 0.5\n\n[[devices]]\npayer = "0x12"\n'
            "[hubs]\n"
        )
    )
    assert set(found) == {
        "hub.prot", "hub.vault_owner", "hub.node", "hub.window_s", "hub.retry_s", "hub.verbose", "hub.sites",
        "hub.mode", "hub.fees.ppm", "hub.fees.base_wei", "devices[0].name", "devices[0].payer", "hubs",
    }  # fmt: skip
    assert str(found["hub.prot"]) == "line 2: hub.prot: unknown key; did you mean hub.port?"
    assert str(found["hub.fees.ppm"]) == (
        "line 11: hub.fees.ppm: 1000001 is wrong, expected a whole number from 0 to 1000000; for example ppm = 500"
    )
    assert found["hub.vault_owner"].text.startswith("is missing, expected an address: 0x")
    assert found["hub.vault_owner"].hint == 'for example vault_owner = "0x' + "11" * 20 + '"'
    assert found["hub.window_s"].line == 4 and 'such as "250ms", "10s"' in found["hub.window_s"].text
    assert found["hub.mode"].text.endswith('expected one of "json", "human"')
    assert found["devices[0].payer"].line == 15
    assert found["hubs"].hint == "did you mean hub?"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("vault_owner", '"0x52908400098527886E0F7030069857D2E4169Ee7"', "checksum"),
        ("vault_owner", '"52908400098527886E0F7030069857D2E4169EE7"', "an address"),
        ("vault_owner", '"0xzz908400098527886E0F7030069857D2E4169EE7"', "an address"),
        ("port", "true", "a whole number from 1 to 65535"),
        ("port", "80.0", "a whole number"),
        ("window_s", '"59s"', "from 60s to 30d"),
        ("window_s", '"60500ms"', "whole seconds"),
        ("node", '"http://"', "http"),
        ("node", '"http://h:99999"', "http"),
        ("keystore", '""', "a file"),
        ("sites", '["a", 3]', "a text"),
    ],
)
def test_a_wrong_value_says_what_was_expected(file, key, value, expected):
    lines = [line for line in MINIMUM.splitlines() if not line.startswith(key + " ")]
    found = problems_of(file("\n".join([*lines, f"{key} = {value}"]) + "\n"))
    assert list(found) == ["hub." + key] and expected in found["hub." + key].text


def test_overrides_win_and_are_checked_alike(file):
    path = file(MINIMUM)
    given = parse_overrides(
        ["hub.port=9000", "hub.fees.base_wei=2 gwei", "hub.verbose=true", 'hub.sites=["x"]', "hub.window_s = 3d"]
    )
    config = load(Whole, path, given)
    assert (config.hub.port, config.hub.fees.base_wei, config.hub.verbose) == (9000, 2 * 10**9, True)
    assert (config.hub.sites, config.hub.window_s) == (("x",), 259200)
    found = problems_of(path, {"hub.port": "many", "hub.feees.ppm": "3"})
    assert "'many' is wrong" in found["hub.port"].text
    assert found["hub.feees.ppm"].hint == "did you mean hub.fees.ppm?"
    with pytest.raises(ConfigError, match="expected key=value"):
        parse_overrides(["hub.port"])


def test_environment_variables_name_keys_with_two_underscores():
    environment = {
        "PERUNIKA_HUB__FEES__PPM": "7",
        "PERUNIKA_HUB__VAULT_OWNER": "0x",
        "PERUNIKA_CONFIG": "x",
        "HOME": "/",
    }
    assert overrides_from_environment(environment) == {"hub.fees.ppm": "7", "hub.vault_owner": "0x"}


def test_a_table_where_a_value_belongs_and_the_other_way_round(file):
    assert "expected a table [hub]" in problems_of(file("hub = 3\n"))["hub"].text
    assert "expected a table [hub]" in problems_of(file("hub = 3\n"), {"hub.port": "1"})["hub"].text
    assert "expected tables" in problems_of(file("devices = 3\n" + MINIMUM))["devices"].text


def test_no_file_and_no_toml_are_told(tmp_path, file):
    assert "No such file" in problems_of(tmp_path / "absent.toml")["file"].text
    assert "line 2" in problems_of(file("[hub]\nport = = 3\n"))["file"].text
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    assert "no TOML" in problems_of(tmp_path / "binary.toml")["file"].text


def test_the_template_reads_back_as_the_defaults(file):
    template = write_template(Whole)
    assert "# Fee in millionths of the capacity.\n" in template and "# ppm = 500\n" in template
    assert "\n[hub.fees]\n" in template and "\n# [[devices]]\n" in template
    config = load(Whole, file(template))
    assert config.hub.fees == Fees(base_wei=10**10, ppm=500) and config.hub.vault_owner == b"\x11" * 20


def test_a_template_without_its_comment_marks_is_valid_too(file):
    template = write_template(Whole)
    lines = []
    for line in template.split("\n"):
        bare = line.removeprefix("# ")
        lines.append(bare if "=" in bare.split('"')[0] or bare.startswith("[[") else line)
    config = load(Whole, file("\n".join(lines)))
    assert config.devices == (Device(name="kitchen", payer=b"\x22" * 20),)
    assert tomllib.loads("\n".join(lines))["hub"]["window_s"] == "2d"
