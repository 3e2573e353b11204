"""One chain and one broker for all tests of the hub; each test has a hub and a directory of its own."""

import asyncio

import pytest

from tests.hub.cast import HubProcess, Stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory):
    with Stage(tmp_path_factory.mktemp("stage")) as running:
        yield running


@pytest.fixture
def make_hub(stage, tmp_path):
    """Return a function that writes a configuration with changes and returns the hub, not started."""
    hubs = []

    def make(**changes):
        hub = HubProcess(stage.write_config(tmp_path, **changes))
        hubs.append(hub)
        return hub

    yield make
    for hub in hubs:
        hub.process.kill()


@pytest.fixture
def hub(make_hub):
    return make_hub().start()


@pytest.fixture
def play():
    """Return a function that runs a scene in an event loop, for a minute at most."""

    def run(scene):
        return asyncio.run(asyncio.wait_for(scene, 60))

    return run
