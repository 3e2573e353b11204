"""Gas of a channel's life: the committed snapshot is what real transactions cost, and it stays under the targets."""

import json

import pytest

from tests.contracts.gas_scenarios import SNAPSHOT, measure

TARGETS = {
    "open": 60_000,
    "close_slot_freed": 49_000,
    "openMany100_per_channel": 32_000,
    "closeMany100_per_channel": 24_000,
}


@pytest.fixture(scope="module")
def measured() -> dict[str, int]:
    return measure()


def test_the_snapshot_is_what_transactions_cost_today(measured: dict[str, int]) -> None:
    assert json.loads(SNAPSHOT.read_text()) == measured


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds(measured: dict[str, int], name: str) -> None:
    assert measured[name] <= TARGETS[name]
