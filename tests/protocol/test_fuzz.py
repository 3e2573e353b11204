"""Any bytes at all: a message or a PeerError, in bounded time; a party never raises and never changes by a refusal."""

import json
from pathlib import Path

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perunika import cbor
from perunika.context import Notify, Send
from perunika.errors import LocalError, PeerError
from perunika.messages import MAX_BYTES, TABLE, decode, encode, peek
from perunika.store import Overlay
from tests.protocol.scenes import Scene

CASES = json.loads((Path(__file__).resolve().parents[1] / "vectors" / "messages.json").read_text())["cases"]
RAWS = [bytes.fromhex(case["hex"]) for case in CASES]
ITEMS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**255), 2**256 - 1) | st.binary(max_size=70) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.integers(0, 30), inner, max_size=6),
    max_leaves=12,
)


def read(raw):
    """Return the message in ``raw`` or ``None``; anything but a refusal fails the test."""
    try:
        return decode(raw)
    except PeerError as error:
        assert error.code.split(".")[0] in ("cbor", "message", "value")
        assert str(error)
        return None


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_a_refusal(raw):
    message = read(raw)
    if message is not None:
        assert read(encode(message)) == message


@given(st.sampled_from(RAWS), st.integers(0, 2047), st.integers(0, 255), st.sampled_from(["set", "cut", "add", "drop"]))
@settings(max_examples=500)
def test_a_damaged_message_is_a_message_or_a_refusal(raw, at, byte, how):
    at %= len(raw)
    damaged = {
        "set": raw[:at] + bytes([byte]) + raw[at + 1 :],
        "cut": raw[:at],
        "add": raw[:at] + bytes([byte]) + raw[at:],
        "drop": raw[:at] + raw[at + 1 :],
    }[how]
    message = read(damaged)
    if how == "cut":
        assert message is None
    try:
        peek(damaged)
    except PeerError:
        assert message is None


@given(st.dictionaries(st.integers(0, 12), ITEMS, max_size=10), st.integers(0, len(TABLE)))
def test_a_map_of_anything_is_a_message_or_a_refusal(items, number):
    read(cbor2.dumps({**items, 0: number}, canonical=True))


@given(ITEMS)
def test_our_cbor_is_what_cbor2_calls_canonical(item):
    try:
        ours = cbor.encode(item)
    except LocalError as error:
        assert error.code == "cbor.depth"
        return
    assert ours == cbor2.dumps(item, canonical=True)
    assert cbor.decode(ours) == item
    assert cbor2.loads(ours) == item


@given(st.binary(max_size=60))
def test_what_we_read_cbor2_reads_alike_and_would_write_the_same(raw):
    try:
        item = cbor.decode(raw)
    except PeerError:
        return
    assert cbor2.loads(raw) == item
    assert cbor2.dumps(item, canonical=True) == raw


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("1800", "form"), ("190017", "form"), ("1900ff", "form"), ("1a0000ffff", "form"),
        ("1b00000000ffffffff", "form"),
        ("5818" + "00" * 23, "truncated"), ("581700" + "00" * 22, "form"),
        ("c24100", "form"), ("c248ffffffffffffffff", "form"), ("c249000000000000000000", "form"),
        ("c25821" + "ff" * 33, "form"), ("c1581a", "type"), ("c200", "type"), ("d82000", "type"),
        ("9bffffffffffffffff", "truncated"), ("bbffffffffffffffff", "truncated"), ("5bffffffffffffffff", "truncated"),
        ("7bffffffffffffffff", "truncated"), ("9f00ff", "form"), ("5f4100ff", "form"), ("1c", "form"), ("1f", "form"),
        ("f7", "type"), ("f0", "type"), ("f90000", "type"), ("ff", "type"), ("61ff", "text"), ("62c328", "text"),
        ("a2000000ff", "key"), ("a201000000", "key"), ("a1200000", "key"), ("a1410000", "key"), ("a1180500", "form"),
        ("81" * 6 + "00", "depth"), ("a100" * 6 + "00", "depth"), ("81" * 2000 + "00", "depth"), ("0000", "trailing"),
        ("", "truncated"), ("18", "truncated"), ("82", "truncated"), ("8200", "truncated"), ("c2", "truncated"),
    ],
)  # fmt: skip
def test_every_form_that_is_not_the_deterministic_one_is_refused(raw, code):
    with pytest.raises(PeerError) as refused:
        cbor.decode(bytes.fromhex(raw))
    assert refused.value.code == "cbor." + code


@pytest.mark.parametrize("item", [1.5, object(), {"a": 1}, {-1: 0}, 1 << 256, -(1 << 257), [[[[[[1]]]]]]])
def test_what_has_no_encoding_is_our_own_mistake(item):
    with pytest.raises(LocalError):
        cbor.encode(item)


@pytest.fixture(scope="module")
def scene():
    return Scene().open().pay(2)


@given(st.sampled_from(RAWS), st.sampled_from(["hub", "shop", "owner", "device1", "device2", "device3"]), st.booleans())
@settings(max_examples=400, deadline=None)
def test_a_party_takes_any_message_and_a_refusal_changes_nothing(scene, raw, name, addressed):
    """Every effect can be encoded, every refusal leaves the store as it was and names a code."""
    node = getattr(scene, name)
    message = decode(raw)
    if addressed:
        message.to, message.sender, message.request_id = list(node.party.endpoints)[0], scene.a["owner"], b"12345678"
        raw = encode(message)
    view = Overlay(node.store)
    effects = node.party.receive(view, raw, scene.now_ms, bytes(32))
    for effect in effects:
        if isinstance(effect, Send):
            assert len(encode(effect.message)) <= MAX_BYTES
    kinds = [effect.kind for effect in effects if isinstance(effect, Notify)]
    if "refused message" in kinds:
        assert view.writes == {}


def test_an_unknown_type_is_answered_with_an_error():
    scene = Scene()
    raw = cbor2.dumps({0: 200, 1: b"12345678", 2: scene.a["hub"], 3: scene.a["shop"]}, canonical=True)
    scene.hub.receive(raw)
    assert scene.hub.last("refused message")["code"] == "message.unknown_type"
    scene.settle()
    assert scene.shop.last("peer error")["code"] == "message.unknown_type"


def test_an_error_is_never_answered_with_an_error():
    scene = Scene()
    header = {1: b"12345678", 2: scene.a["hub"], 3: scene.a["shop"]}
    for body in ({4: "x", 5: "y"}, {4: 5}):
        scene.hub.receive(cbor2.dumps({0: 0, **header, **body}, canonical=True))
    assert scene.world.queue == []
