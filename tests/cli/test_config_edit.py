"""Values are put into a commented file without touching anything else in it."""

import tomllib

import pytest

from perunika.errors import LocalError
from perunika_cli.config_edit import with_values, written_values
from perunika_gateway.config import GatewayConfig
from perunika_host.config import ConfigError
from perunika_host.config_template import write_template
from perunika_hub.config import HubConfig

TEXT = """# The chain.
[chain]
# rpc = "http://127.0.0.1:8545"
chain_id = 1 # ours

[site]
# port = 8883
port_of_nothing = 1

[hub]
port = 1

# [[device]]
# port = "of a device"
"""


def test_only_the_named_key_of_the_named_table_changes() -> None:
    changed = with_values(TEXT, {"site.port": "9", "chain.rpc": '"http://node"'})
    assert changed == TEXT.replace("# port = 8883", "port = 9").replace(
        '# rpc = "http://127.0.0.1:8545"', 'rpc = "http://node"'
    )


def test_a_key_that_has_no_line_is_refused() -> None:
    with pytest.raises(LocalError, match="no line for device.port, site.prt"):
        with_values(TEXT, {"device.port": "1", "site.prt": "1"})


@pytest.mark.parametrize("cls", [HubConfig, GatewayConfig])
def test_every_key_of_a_template_can_be_filled_in(cls: type) -> None:
    from perunika_host.config import settings_of

    template = write_template(cls)
    for key in settings_of(cls):
        filled = tomllib.loads(with_values(template, {key: '"x"'}))
        for part in key.split("."):
            filled = filled[part]
        assert filled == "x"


def test_values_from_the_command_line_are_checked_and_written_as_toml(tmp_path: object) -> None:
    texts = {"fees.base": "2 gwei", "http.port": "8000", "settle.sweep": "true", "settle.wait": "10s"}
    written = written_values(HubConfig, texts, tmp_path)  # type: ignore[arg-type]
    assert written == {"fees.base": '"2 gwei"', "http.port": "8000", "settle.sweep": "true", "settle.wait": '"10s"'}
    with pytest.raises(ConfigError, match="2 problem"):
        written_values(HubConfig, {"fees.base": "2 gwie", "htp.port": "1"}, tmp_path)  # type: ignore[arg-type]
