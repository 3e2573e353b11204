"""Logs: one line each, facts kept as facts."""

import io
import json
import logging

import pytest

from perunika_host.log import set_up_logging


@pytest.fixture(autouse=True)
def restore():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def lines_of(mode, level="info"):
    stream = io.StringIO()
    set_up_logging(mode, level, stream)
    log = logging.getLogger("perunika.hub")
    log.debug("hidden")
    log.info("opened %s", "a channel", extra={"channel": b"\x01\x02", "amount_wei": 5})
    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.exception("failed")
    return stream.getvalue().splitlines()


def test_json_lines_carry_the_facts():
    first, second = map(json.loads, lines_of("json"))
    assert first.pop("time_s") > 0
    assert first == {
        "level": "info", "logger": "perunika.hub", "text": "opened a channel", "channel": "0x0102", "amount_wei": 5,
    }  # fmt: skip
    assert "ValueError: two" in second["trace"]


def test_lines_for_people():
    lines = lines_of("human")
    assert lines[0][8:] == " info hub: opened a channel (channel=0x0102 amount_wei=5)"
    assert lines[1].endswith("error hub: failed") and lines[-2:] == ["ValueError: two", "lines"]


def test_the_level_is_a_floor():
    assert "hidden" in "".join(lines_of("human", "debug"))
    assert "hidden" not in "".join(lines_of("human"))
