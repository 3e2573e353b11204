"""A hub's offer is taken only if it is, to the last field, what was asked for, signed by the key that was pinned."""

import os
from dataclasses import replace
from typing import Any

import pytest

from perunika.crypto import PrivateKey
from perunika.eip712 import Domain
from perunika.errors import PeerError
from perunika.structs import NATIVE, BasicParams, Open
from perunika_cli.channel_file import ChannelFile, read_channel_file
from perunika_cli.quote import Wish, check_quote
from perunika_host.units import parse_ether

DOMAIN = Domain(31337, bytes(19) + b"\x01")
HUB, STRANGER, MEMBER = (PrivateKey(bytes([number]) * 32) for number in (1, 2, 3))
OWNER, HUB_OWNER = b"\x0a" * 20, b"\x0b" * 20
SALT = os.urandom(32)
ETHER = parse_ether("1 ETH")
WISH = Wish(MEMBER.address, OWNER, HUB.address, ETHER, ETHER // 2, 3600, 10**9, 5000, 1000)
PARAMS = BasicParams(MEMBER.address, HUB.address, OWNER, HUB_OWNER, NATIVE, 3600, 1_900_000_000, SALT)
PROMISE = Open(PARAMS.digest(DOMAIN), ETHER, ETHER // 2, 1_900_000_000)
FEES = {"base": "1000000000", "ppm": 500, "ppm_per_day": 100}


def checked(
    params: BasicParams = PARAMS,
    promise: Open | None = None,
    key: PrivateKey = HUB,
    domain: Domain = DOMAIN,
    fees: dict[str, Any] = FEES,
    wish: Wish = WISH,
) -> None:
    """Let the hub sign what it offers, and check it as `channel open` does."""
    offered = promise or Open(params.digest(DOMAIN), PROMISE.member_deposit, PROMISE.hub_deposit, PROMISE.valid_until)
    check_quote(DOMAIN, wish, SALT, params, offered, key.sign(offered.digest(domain)), fees)


def test_an_honest_offer_is_taken() -> None:
    checked()
    checked(wish=replace(WISH, challenge_duration_s=None))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"alice": STRANGER.address}, "member"),
        ({"bob": STRANGER.address}, "hub"),
        ({"alice_owner": HUB_OWNER}, "owner"),
        ({"asset": b"\x0c" * 20}, "asset"),
        ({"challenge_duration": 3601}, "challenge duration"),
        ({"salt": bytes(32)}, "salt"),
    ],
)
def test_other_parameters_are_refused_by_name(change: dict[str, Any], named: str) -> None:
    with pytest.raises(PeerError, match=f"not what was asked for: {named} \\("):
        checked(params=PARAMS.replace(**change))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"member_deposit": ETHER + 1}, "member's deposit"),
        ({"hub_deposit": 0}, "hub's deposit"),
        ({"channel_id": bytes(32)}, "channel id"),
    ],
)
def test_another_promise_is_refused_by_name(change: dict[str, Any], named: str) -> None:
    with pytest.raises(PeerError, match=named):
        checked(promise=PROMISE.replace(**change))


def test_a_signature_of_another_key_or_for_another_chain_is_refused() -> None:
    for wrong in ({"key": STRANGER}, {"domain": Domain(1, DOMAIN.contract)}, {"domain": Domain(31337, bytes(20))}):
        with pytest.raises(PeerError, match="not signed by the hub's key"):
            checked(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(FEES))
def test_a_fee_above_the_owners_limit_is_refused(name: str) -> None:
    with pytest.raises(PeerError, match=f"the hub's fee {name} is 9999999999"):
        checked(fees={**FEES, name: 9999999999})
    with pytest.raises(PeerError, match=f"names no fee {name}"):
        checked(fees={other: value for other, value in FEES.items() if other != name})


def test_a_channel_file_comes_back_as_written_and_a_changed_one_is_refused(tmp_path: Any) -> None:
    found = ChannelFile(PARAMS, 31337, DOMAIN.contract, ETHER, ETHER // 2, os.urandom(32))
    path = tmp_path / "channel.json"
    found.write(path)
    assert read_channel_file(path) == found
    assert found.channel_id == PROMISE.channel_id
    path.write_text(path.read_text().replace('"challenge_duration": 3600', '"challenge_duration": 36'))
    with pytest.raises(Exception, match="its id is not that of its parameters"):
        read_channel_file(path)
