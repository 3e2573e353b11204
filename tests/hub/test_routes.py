"""Where addresses are reached, and who may move them: a member cannot take another's messages."""

import pytest

from perunika.errors import PeerError
from perunika_hub.exchange import member_of
from perunika_hub.routes import ANSWER_S, BOUND_S, Bounded, Routes

G, F, DEVICE, STRANGER = (bytes([number]) * 20 for number in (1, 2, 3, 4))
REQUEST = b"request!"


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def routes(clock):
    return Routes({STRANGER: F}, {}, clock)


def test_an_answer_goes_back_the_way_its_request_came_for_ten_minutes(routes, clock):
    routes.expect_answer(DEVICE, REQUEST, G)
    assert routes.place_of(DEVICE, REQUEST) == G
    assert routes.place_of(DEVICE, b"another!") is None
    clock.now_s += ANSWER_S
    assert routes.place_of(DEVICE, REQUEST) is None


def test_a_binding_beats_the_list_of_devices_and_that_beats_what_was_learned(routes):
    routes.learn(STRANGER, G)
    assert routes.place_of(STRANGER, None) == F
    assert routes.bind(STRANGER, G)
    assert routes.place_of(STRANGER, None) == G
    routes.learn(DEVICE, F)
    assert routes.place_of(DEVICE, None) == F


def test_an_address_stays_where_it_proved_itself_until_it_is_silent_for_a_minute(routes, clock):
    routes.bind(DEVICE, G)
    routes.check(DEVICE, G)
    with pytest.raises(PeerError, match="elsewhere"):
        routes.check(DEVICE, F)
    clock.now_s += BOUND_S
    routes.check(DEVICE, F)
    assert routes.bind(DEVICE, F) and not routes.bind(DEVICE, F)
    assert routes.place_of(DEVICE, None) == F


def test_nobody_speaks_for_a_member_that_is_on_its_own_topic(routes, clock):
    routes.bind(G, F)
    assert routes.heard_directly(G)
    assert not routes.heard_directly(G)
    assert routes.place_of(G, None) is None and routes.knows_directly(G)
    with pytest.raises(PeerError):
        routes.check(G, F)
    clock.now_s += BOUND_S
    routes.check(G, F)


def test_bindings_from_before_a_restart_hold_but_do_not_lock(clock):
    routes = Routes({}, {DEVICE: G}, clock)
    assert routes.place_of(DEVICE, None) == G and routes.is_bound(DEVICE, G)
    routes.check(DEVICE, F)


def test_memory_is_bounded():
    kept = Bounded(3)
    for number in range(5):
        kept.remember(number, number)
    kept.remember(2, "again")
    kept.remember(5, 5)
    assert dict(kept) == {4: 4, 2: "again", 5: 5}


@pytest.mark.parametrize(
    "topic",
    [
        "perunika/1/hub/x/up",
        "perunika/1/hub/" + "AB" * 20 + "/up",
        "perunika/1/hub/0x" + "ab" * 20 + "/up",
        "perunika/1/hub/" + "ab" * 19 + " a" + "/up",
        "perunika/1/hub/" + "ab" * 21 + "/up",
        "perunika/1/hub/" + "zz" * 20 + "/up",
    ],
)
def test_a_topic_names_a_member_in_exactly_one_way(topic):
    assert member_of(topic) is None
    assert member_of("perunika/1/hub/" + "ab" * 20 + "/up") == b"\xab" * 20
