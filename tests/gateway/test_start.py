"""Starting: what is wrong in the configuration, the keys or the world is named, with what to do about it."""

import re
import subprocess
import sys

import pytest

from perunika_gateway.config import GatewayConfig, read_config
from perunika_host.config import ConfigError
from perunika_host.config_template import write_template


def start(cast, *overrides):
    config = cast.write_config("shop")
    arguments = [part for each in overrides for part in ("--set", each)]
    argv = [sys.executable, "-m", "perunika_gateway", "--config", str(config), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["chain.contract=0x12", "site.name=hub"], "chain.contract"),
        (["chain.chain_id=5"], "chain.wrong-chain"),
        (["chain.contract=0x" + "12" * 20], "chain.no-contract"),
        (["hub.address=0x" + "12" * 20], "channel.parties"),
        (["member.password_file=meter.json"], "key.password"),
        (["member.channel=nothing.json"], "perunika channel open"),
        (["http.admin_token_file=nothing"], "secret.missing"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_starts(cast, overrides, expected):
    done = start(cast, *overrides)
    assert done.returncode == 2
    assert expected in done.stderr and "Traceback" not in done.stderr
    assert "ready" not in done.stdout


def test_a_second_gateway_on_the_same_database_is_refused(cast):
    cast.start_gateway("shop")
    done = start(cast)
    assert done.returncode == 2 and "store.locked" in done.stderr


def test_a_taken_port_is_named(cast):
    cast.gateways["shop"].stop()
    done = start(cast, f"http.port={cast.broker.site_port}")
    assert done.returncode == 2 and "port.taken" in done.stderr


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("meter.unit_price", "5", "did you mean meter.unit_price_wei"),
        ("meter.kind", "carrier pigeon", '"http", "tcp"'),
        ("meter.kind", "tcp", "does not fit a meter of kind tcp"),
        ("meter.unit_s", "0s", "from 50ms to 1h"),
        ("site.name", "hub", 'not "hub"'),
        ("site.name", "a/b", "one topic level"),
        ("hub.address", "0x12", "40 hexadecimal digits"),
        ("limits.max_fee_wei", "a lot", "0.01 ETH"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_what_was_expected(cast, key, value, expected):
    with pytest.raises(ConfigError) as caught:
        read_config(cast.write_config("shop"), {key: value})
    assert key.split(".")[0] + "." in str(caught.value) and expected in str(caught.value)


def test_a_device_configured_twice_and_a_meter_without_key_are_found(cast, tmp_path):
    text = cast.write_config("shop").read_text()
    twice = text + f'[[device]]\nname = "x"\nkind = "payer"\naddress = "0x{cast.a["payer1"].hex()}"\n'
    for broken, expected in (
        (twice, "device[3].address"),
        (text.replace('keystore = "meter', '# "'), "meter.keystore"),
    ):
        path = tmp_path / "gateway.toml"
        path.write_text(broken)
        with pytest.raises(ConfigError, match=re.escape(expected)):
            read_config(path)


def test_the_gateway_starts_while_node_and_broker_are_away_and_finds_them_later(cast):
    cast.node.stop()
    cast.broker.stop()
    cast.start_gateway("shop")
    errors = cast.until(lambda: len(e := cast.api("shop", "/v1/health")[1]["errors"]) == 3 and e, what="not told")
    assert "mqtt.unreachable" in errors["hub"] and "chain.unreachable" in errors["chain"]
    cast.node.restart()
    cast.node.mine(cast.confirmations + 1)  # anvil knows no state of blocks before its restart
    cast.broker.start()
    cast.until(lambda: cast.api("shop", "/v1/health")[1]["ok"], 40, "not found again")
    cast.until(
        lambda: [c["status"] for c in cast.api("shop", "/v1/channels")[1]["channels"]] == ["open"], what="no figures"
    )


def test_the_template_names_every_setting_with_a_comment():
    text = write_template(GatewayConfig)
    for name in ("[chain]", "[member]", "[store]", "[site]", "[hub]", "[limits]", "[meter]", "[http]", "[[device]]"):
        assert name in text
    assert "second_path" in text and "serve_while_open" in text
