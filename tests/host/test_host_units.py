"""Durations and amounts: read exactly, written so that they read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perunika_host.units import format_duration, format_ether, parse_duration, parse_duration_ms, parse_ether


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [("10s", 10_000), ("5m", 300_000), ("2h", 7_200_000), ("3d", 259_200_000), ("250ms", 250), ("1h30m", 5_400_000),
     (" 1.5 s ", 1500), ("0s", 0), ("2H", 7_200_000)],
)  # fmt: skip
def test_durations(text, duration_ms):
    assert parse_duration_ms(text) == duration_ms
    assert parse_duration(text) == duration_ms / 1000


@pytest.mark.parametrize("text", ["", "10", 10, None, "s", "10x", "-5s", "10s!", "1e3s", "0.0001s", "10 s later", True])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match='such as "250ms"'):
        parse_duration_ms(text)


@given(st.integers(0, 10**12))
def test_durations_read_back(duration_ms):
    assert parse_duration_ms(format_duration(duration_ms / 1000)) == duration_ms


def test_durations_for_people():
    assert [format_duration(s) for s in (0, 0.25, 5400, 172800, 61.5, -3)] == [
        "0s",
        "250ms",
        "1h30m",
        "2d",
        "1m1s500ms",
        "-3s",
    ]


@pytest.mark.parametrize(
    ("text", "amount_wei"),
    [("0.01 ETH", 10**16), ("5 gwei", 5 * 10**9), ("12", 12), (12, 12), ("7 wei", 7), ("1ether", 10**18), (0, 0),
     ("1_000 gwei", 10**12), ("0.000000000000000001 ETH", 1),
     ("79228162514.264337593543950335 ETH", 79228162514264337593543950335)],
)  # fmt: skip
def test_amounts(text, amount_wei):
    assert parse_ether(text) == amount_wei


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ETH",
        "-1 ETH",
        -1,
        0.5,
        "0.5",
        "1.5 wei",
        "0.0000000000000000001 ETH",
        "1 btc",
        "1e18",
        None,
        True,
        "1 ETH 2",
    ],
)
def test_what_is_no_amount(text):
    with pytest.raises(ValueError, match="such as"):
        parse_ether(text)


@given(st.integers(0, 2**128) | st.integers(0, 10**20))
def test_amounts_read_back(amount_wei):
    assert parse_ether(format_ether(amount_wei)) == amount_wei


def test_amounts_for_people():
    assert [format_ether(w) for w in (0, 17, 5 * 10**9, 10**16, -(10**18), 1_500_000)] == [
        "0 ETH", "17 wei", "5 gwei", "0.01 ETH", "-1 ETH", "0.0015 gwei",
    ]  # fmt: skip
