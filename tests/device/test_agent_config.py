"""A board's configuration: every missing, wrong or misspelt key is named, with a proposal; so is what a key needs."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from perunika.errors import LocalError
from perunika.structs import NATIVE
from perunika_device.config import load, load_keys

ADDRESS = "0x" + "11" * 20
ID = "0x" + "22" * 32
CHANNEL = {
    "owner": ADDRESS, "hub_owner": ADDRESS, "challenge_duration_s": 3600, "open_before": 2_000_000_000, "salt": ID,
}  # fmt: skip
FEES = {
    "base_wei": 1, "ppm": 2, "ppm_per_day": 3, "min_capacity_wei": 4, "max_capacity_wei": str(10**18),
    "valid_until": 2_000_000_000,
}  # fmt: skip
COMPLETE: dict[str, Any] = {
    "site": "demo",
    "broker": {"host": "broker.local", "ca": "ca.der", "user": "board", "password": "secret"},
    "chain": {"id": 31337, "contract": ADDRESS},
    "hub": "0x" + "33" * 20,
    "gateway": ADDRESS,
    "keys": {"pin": "123456"},
    "payer": {"payee": ADDRESS, "budget_wei": str(10**18), "max_unit_price_wei": 100},
    "member": {**CHANNEL, "deposit_wei": 1000, "max_fee_wei": 10, "fees": FEES},
    "seller": {"member": ADDRESS, "channel": CHANNEL, "unit_price_wei": 50},
}
REQUIRED = (
    "site", "broker", "broker.host", "chain", "chain.id", "chain.contract", "hub", "gateway", "payer.payee",
    "payer.budget_wei", "payer.max_unit_price_wei", "member.owner", "member.hub_owner", "member.challenge_duration_s",
    "member.open_before", "member.salt", "member.deposit_wei", "member.max_fee_wei", "member.fees",
    "member.fees.base_wei", "seller.member", "seller.channel", "seller.channel.salt", "seller.unit_price_wei",
)  # fmt: skip
WRONG = (
    ("site", ""), ("site", 3), ("broker.port", 0), ("broker.port", "many"), ("broker.keepalive_s", 1),
    ("chain.id", -1), ("chain.id", True), ("chain.contract", "0x12"), ("hub", "11" * 21), ("hub", "0x" + "zz" * 20),
    ("payer.budget_wei", -1), ("payer.budget_wei", 1 << 96), ("payer.budget_wei", 1.5), ("payer.validity_s", 1),
    ("member.challenge_duration_s", 1 << 32), ("member.salt", ADDRESS), ("seller.exponent", 200), ("payer", []),
    ("keys", "pin"), ("provisioned", -5),
)  # fmt: skip


def written(tmp_path: Path, settings: object) -> str:
    path = tmp_path / "device.json"
    path.write_text(settings if isinstance(settings, str) else json.dumps(settings))
    return str(path)


def changed(path: str, value: object) -> dict[str, Any]:
    settings = copy.deepcopy(COMPLETE)
    *sections, key = path.split(".")
    section = settings
    for name in sections:
        section = section[name]
    if value is KeyError:
        del section[key]
    else:
        section[key] = value
    return settings


def refused(path: str) -> LocalError:
    with pytest.raises(LocalError) as caught:
        load(path)
    assert caught.value.code == "config"
    assert caught.value.hint
    return caught.value


def test_a_complete_file_is_read(tmp_path: Path) -> None:
    config = load(written(tmp_path, COMPLETE))
    assert config.domain.chain_id == 31337
    assert config.broker.port == 8883
    assert config.broker.name == "broker.local"
    assert config.broker.ca == str(tmp_path / "ca.der")
    assert config.store.directory == str(tmp_path / "state")
    assert config.store.second is None
    assert config.payer.budget_wei == config.payer.capacity_wei == 10**18
    assert config.member.policy.fees.max_capacity == 10**18
    assert config.seller.policy.channel.asset == NATIVE
    assert config.seller.policy.channel.bob == config.hub == bytes.fromhex("33" * 20)


@pytest.mark.parametrize("path", REQUIRED)
def test_a_missing_key_is_named_with_what_to_write(tmp_path: Path, path: str) -> None:
    error = refused(written(tmp_path, changed(path, KeyError)))
    assert error.text == f"{path} is missing"
    assert error.hint.startswith("add it: ")


@pytest.mark.parametrize(("path", "value"), WRONG)
def test_a_wrong_value_is_named(tmp_path: Path, path: str, value: object) -> None:
    assert refused(written(tmp_path, changed(path, value))).text.startswith(path)


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("payer.budgt_wei", "budget_wei"),
        ("broker.pasword", "password"),
        ("sit", "site"),
        ("seller.unit_prise_wei", "unit_price_wei"),
    ],
)
def test_a_misspelt_key_is_named_with_the_key_that_was_meant(tmp_path: Path, path: str, meant: str) -> None:
    error = refused(written(tmp_path, changed(path, 5)))
    assert error.text == f"{path} is not known"
    assert meant in error.hint


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"site": "demo"'])
def test_what_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    refused(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "nowhere.json" in refused(str(tmp_path / "nowhere.json")).text


def test_a_board_needs_something_to_do(tmp_path: Path) -> None:
    settings = {key: value for key, value in COMPLETE.items() if key not in ("payer", "seller", "member")}
    assert "nothing to do" in refused(written(tmp_path, settings)).text


def test_a_channel_of_its_own_is_for_paying(tmp_path: Path) -> None:
    assert refused(written(tmp_path, changed("payer", KeyError))).text == "member without payer"


def test_a_payer_without_a_channel_needs_a_member_that_funds_it(tmp_path: Path) -> None:
    assert refused(written(tmp_path, changed("member", KeyError))).text == "payer.member is missing"


def test_a_capacity_above_the_budget_is_refused(tmp_path: Path) -> None:
    assert "above payer.budget_wei" in refused(written(tmp_path, changed("payer.capacity_wei", 10**19))).text


def test_before_a_board_is_provisioned_its_keys_are_all_that_is_read(tmp_path: Path) -> None:
    assert load_keys(written(tmp_path, {})).directory == str(tmp_path / "keys")
    assert load_keys(written(tmp_path, {"keys": {"pin": "1"}})).pin == b"1"
