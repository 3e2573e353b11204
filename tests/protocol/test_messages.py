"""Every message: the same bytes as cbor2 writes, read back to the same content (tests/vectors/messages.json)."""

import json
from pathlib import Path

import pytest

from perunika.errors import LocalError, PeerError
from perunika.messages import MAX_BYTES, TABLE, Message, decode, encode, fields_of, peek, peek_header
from tests.vectors import make_messages

VECTORS = Path(__file__).resolve().parents[1] / "vectors"
CASES = json.loads((VECTORS / "messages.json").read_text())["cases"]
LINK_VOUCHER_MAX = 96
LINK_TICK_MAX = 48


def restore(kind, item):
    """Return the value that ``make_messages.shown`` wrote as ``item``."""
    if isinstance(kind, tuple):
        choices = [choice for choice in kind if not isinstance(choice, str)]
        kind = next(choice for choice in choices if len(choice.fields()) == len(item))
    if not isinstance(kind, str):
        return kind(*[restore(each, part) for (_, each), part in zip(kind.fields(), item, strict=True)])
    if kind in ("text", "word", "text?"):
        return item
    return bytes.fromhex(item[2:]) if item.startswith("0x") else int(item)


def message_of(case):
    number = [name.split(" ")[0] for name in TABLE].index(case["name"])
    kinds = dict(fields_of(number)[1])
    body = {field: restore(kinds[field], item) for field, item in case["body"].items()}
    header = [None if item is None else bytes.fromhex(item[2:]) for item in case["header"]]
    return Message(case["name"], body, *header)


def test_the_vectors_are_what_cbor2_makes_of_the_table():
    assert (VECTORS / "messages.json").read_text() == make_messages.make_text()


def test_every_message_is_in_the_vectors():
    assert {case["name"] for case in CASES} == {text.split(" ")[0] for text in TABLE}


def test_encode_writes_what_cbor2_writes():
    for case in CASES:
        assert encode(message_of(case)).hex() == case["hex"], (case["name"], case["variant"])


def test_decode_reads_every_field_back():
    for case in CASES:
        wanted, found = message_of(case), decode(bytes.fromhex(case["hex"]))
        assert (found.name, found.body, found.request_id, found.to, found.sender) == (
            wanted.name, wanted.body, wanted.request_id, wanted.to, wanted.sender,
        )  # fmt: skip


def test_the_largest_of_every_message_fits_one_packet():
    assert max(len(bytes.fromhex(case["hex"])) for case in CASES) <= MAX_BYTES


def test_voucher_and_tick_on_a_link_are_small_at_their_largest():
    sizes = {
        (case["name"], case["variant"]): len(bytes.fromhex(case["hex"]))
        for case in CASES
        if case["header"] == [None, None, None]
    }
    assert sizes["Voucher", "most"] <= LINK_VOUCHER_MAX
    assert sizes["Tick", "most"] <= LINK_TICK_MAX


def test_a_relay_reads_the_header_only():
    for case in CASES:
        raw = bytes.fromhex(case["hex"])
        wanted = tuple(None if item is None else bytes.fromhex(item[2:]) for item in case["header"])
        assert peek(raw) == (case["name"], *wanted)
    assert peek_header(bytes.fromhex("a1001903e7")) == (999, None, None, None)
    with pytest.raises(PeerError, match="message.unknown_type"):
        peek(bytes.fromhex("a1001903e7"))


def test_unknown_keys_are_ignored():
    # ReadyRequest with a key 23 that a later version may use
    raw = bytes.fromhex("a3000c045820" + "11" * 32 + "17187b")
    assert decode(raw).body == {"virtual": b"\x11" * 32}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", "cbor.truncated"),
        ("a1000c00", "cbor.trailing"),
        ("a20000000c", "cbor.key"),  # key 0 twice
        ("a2000c04", "cbor.truncated"),
        ("a20100000c", "cbor.key"),  # keys out of order
        ("a100180c", "cbor.form"),  # 12 in two bytes
        ("bf000cff", "cbor.form"),  # indefinite length
        ("a10018ff", "message.unknown_type"),
        ("a10020", "message.unknown_type"),  # a negative type
        ("a0", "message.shape"),
        ("8100", "message.shape"),
        ("a1000c", "message.missing"),
        ("a2000c0441ff", "value.size"),
        ("a2000c04f6", "message.missing"),  # null for a field that must be there
        ("a100f4", "message.shape"),  # false is not 0
        ("a100f93c00", "cbor.type"),  # a float
        ("a2000ea0", "cbor.key"),
    ],
)
def test_what_is_no_message_is_refused_with_a_code(raw, code):
    with pytest.raises(PeerError) as refused:
        decode(bytes.fromhex(raw))
    assert refused.value.code == code


def test_a_message_beyond_the_limit_is_refused_before_it_is_read():
    with pytest.raises(PeerError) as refused:
        decode(bytes(MAX_BYTES + 1))
    assert refused.value.code == "cbor.oversized"


def test_our_own_mistakes_are_ours():
    for body, code in (
        ({}, "message.missing"),
        ({"virtual": b"short"}, "value.size"),
        ({"virtual": bytes(32), "more": 1}, "message.unknown_field"),
    ):
        with pytest.raises(LocalError) as refused:
            encode(Message("ReadyRequest", body))
        assert refused.value.code == code
    with pytest.raises(LocalError) as refused:
        encode(Message("Nonsense", {}))
    assert refused.value.code == "message.unknown_type"
