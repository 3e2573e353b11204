"""One stage per test module: chain, broker, hub, and the gateways that a test starts."""

import pytest

from tests.gateway.cast import Cast


@pytest.fixture(scope="module")
def cast():
    with Cast() as running:
        yield running
