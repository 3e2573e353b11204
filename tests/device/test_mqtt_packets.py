"""MQTT 3.1.1 on the wire, without a network: exact bytes, any chunking, bounds, packet ids and the window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perunika.errors import LocalError, PeerError
from perunika_device.mqtt import Client
from perunika_device.mqtt_packets import PINGREQ, PacketWriter
from perunika_device.mqtt_reader import PacketReader, parse_publish
from perunika_device.mqtt_session import Session
from perunika_device.mqtt_window import Window


def written(add: str, *arguments: object, capacity_bytes: int = 400) -> bytes:
    writer = PacketWriter(capacity_bytes)
    assert getattr(writer, add)(*arguments)
    return bytes(writer.pending())


def read_all(stream: bytes, chunks: list[int], max_packet_bytes: int) -> tuple[list[tuple[int, bytes, int]], int]:
    """Feed a byte stream in chunks; return (first byte, body, dropped id) of each, and how many are dropped."""
    reader = PacketReader(max_packet_bytes)
    packets = []
    while stream:
        space = reader.space()
        count = min(len(space), len(stream), chunks.pop(0) if chunks else 1000)
        space[:count] = stream[:count]
        stream = stream[count:]
        reader.added(count)
        while first := reader.next():
            packets.append((first, bytes(reader.body), reader.dropped_id))
    return packets, reader.dropped_oversized


# Written bytes, by hand from MQTT 3.1.1 §3


def test_connect_keeps_the_session() -> None:
    assert written("add_connect", b"id", 20, None, None, None) == bytes.fromhex(
        "100e 0004 4d515454 04 00 0014 0002 6964"
    )


def test_connect_with_everything() -> None:
    expected = bytes.fromhex("1021 0004 4d515454 04 ec 0014 0002 6964 0001 74 0003 6f6666 0004 75736572 0003 707764")
    assert written("add_connect", b"id", 20, b"user", b"pwd", (b"t", b"off", True)) == expected


def test_publish_subscribe_and_the_rest() -> None:
    assert written("add_publish", b"a/b", b"xy", 10, False, False) == bytes.fromhex("3209 0003 612f62 000a 7879")
    assert written("add_publish", b"a/b", b"xy", 10, True, True) == bytes.fromhex("3b09 0003 612f62 000a 7879")
    assert written("add_publish", b"a/b", b"xy", 0, False, True) == bytes.fromhex("3007 0003 612f62 7879")
    assert written("add_subscribe", b"a/+", 258) == bytes.fromhex("8208 0102 0003 612f2b 01")
    assert written("add_puback", 258) == bytes.fromhex("4002 0102")
    assert written("add_empty", PINGREQ) == bytes.fromhex("c000")


@pytest.mark.parametrize(("payload_bytes", "length"), [(122, "7f"), (123, "8001"), (16378, "ff7f"), (16379, "808001")])
def test_the_remaining_length_has_as_many_bytes_as_it_needs(payload_bytes: int, length: str) -> None:
    packet = written("add_publish", b"t", bytes(payload_bytes), 1, False, False, capacity_bytes=17000)
    assert packet[1 : 1 + len(length) // 2].hex() == length


def test_a_full_buffer_takes_nothing_more_and_stays_as_it_is() -> None:
    writer = PacketWriter(32)
    assert writer.add_publish(b"t", bytes(10), 1, False, False)
    before = bytes(writer.pending())
    assert not writer.add_publish(b"t", bytes(10), 2, False, False)
    assert bytes(writer.pending()) == before
    writer.clear()
    assert writer.add_publish(b"t", bytes(10), 2, False, False)


# Read bytes

BODIES = st.tuples(st.text(max_size=5), st.binary(max_size=60), st.integers(0, 65535))


@given(messages=st.lists(BODIES, max_size=12), chunks=st.lists(st.integers(1, 40), max_size=60))
def test_any_chunking_gives_the_same_packets_and_drops_exactly_the_large_ones(
    messages: list[tuple[str, bytes, int]], chunks: list[int]
) -> None:
    writer = PacketWriter(4000)
    expected = []
    dropped = 0
    for topic, payload, packet_id in messages:
        start = len(writer.pending())
        writer.add_publish(topic.encode(), payload, packet_id, False, False)
        if len(writer.pending()) - start <= 48:
            expected.append((topic.encode(), payload, packet_id))
        else:
            dropped += 1
            if packet_id:
                expected.append((b"", b"", packet_id))  # to be acknowledged all the same
    packets, counted = read_all(bytes(writer.pending()), chunks, 48)
    found = [(b"", b"", lost) if lost else parse_publish(first, body) for first, body, lost in packets]
    assert (found, counted) == (expected, dropped)


@given(stream=st.binary(max_size=300), chunks=st.lists(st.integers(1, 20), max_size=30))
def test_any_bytes_are_packets_or_the_peers_fault(stream: bytes, chunks: list[int]) -> None:
    session = Session(64, 4, 20000, lambda topic, payload: None)
    try:
        for first, body, lost in read_all(stream, chunks, 64)[0]:
            session.reader.body = memoryview(body)
            session.reader.dropped_id = lost
            session.handle(first)
            if session.acks_full():
                session.begin()
    except PeerError as error:
        assert error.fault == "peer"


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        ("30ffffffff01", "mqtt-length"),
        ("20020005", "broker-refused"),
        ("20020001", "broker-refused"),
        ("200100", "mqtt-connack"),
        ("d000", "mqtt-connack"),
        ("20020000 3001 00", "mqtt-publish"),
        ("20020000 3003 000561", "mqtt-publish"),
        ("20020000 3405 0001 61 0001", "mqtt-publish"),
        ("20020000 3205 0001 61 0000", "mqtt-publish"),
        ("20020000 4001 00", "mqtt-short"),
        ("20020000 9002 0001", "mqtt-short"),
        ("20020000 8206 0001 0001 61 01", "mqtt-type"),
        ("20020000 32f402 0200", "mqtt-topic"),
    ],
)
def test_what_a_broker_may_not_send_is_its_fault(stream: str, code: str) -> None:
    session = Session(64, 4, 20000, lambda topic, payload: None)
    octets = bytes.fromhex(stream)
    session.reader.space()[: len(octets)] = octets
    session.reader.added(len(octets))
    with pytest.raises(PeerError) as refusal:
        while first := session.reader.next():
            session.handle(first)
    assert refusal.value.code == code


# Packet ids and the window


def test_packet_ids_wrap_after_65535_and_skip_what_is_in_use() -> None:
    window = Window(2)
    slot = window.free()
    window.take(slot, b"t", b"", False, window.next_packet_id(()))
    ids = [window.next_packet_id((2, 65535)) for _ in range(65533)]
    assert ids == [*range(3, 65535), 3]  # 1 is in the window; 2 and 65535 are reserved; 0 is no packet id


def test_the_window_sends_in_order_again_after_a_reconnect_and_marks_repeats() -> None:
    session = Session(200, 3, 20000, lambda topic, payload: None)
    for text in (b"one", b"two", b"three"):
        session.window.take(session.window.free(), b"t", text, False, session.next_packet_id())
    assert session.window.free() is None
    writer = PacketWriter(200)
    session.fill(writer)
    session.window.acknowledge(2)
    session.window.take(session.window.free(), b"t", b"four", False, session.next_packet_id())
    session.begin()
    writer.clear()
    session.fill(writer)
    packets, _ = read_all(bytes(writer.pending()), [], 200)
    assert [(first, parse_publish(first, body)) for first, body, _ in packets] == [
        (0x3A, (b"t", b"one", 1)),
        (0x3A, (b"t", b"three", 3)),
        (0x32, (b"t", b"four", 4)),
    ]
    assert (session.counters.sent, session.counters.retransmitted) == (4, 2)


def test_a_refused_subscription_is_told_and_asked_for_again_on_the_next_connection() -> None:
    session = Session(200, 3, 20000, lambda topic, payload: None)
    session.subscriptions.add(b"mine")
    session.subscriptions.add(b"theirs")
    for _ in range(2):
        session.begin()
        session.fill(PacketWriter(200))
        first, second = session.subscriptions.packet_ids()
        answers = bytes([0x20, 2, 0, 0, 0x90, 3, 0, first, 1, 0x90, 3, 0, second, 0x80])
        session.reader.space()[: len(answers)] = answers
        session.reader.added(len(answers))
        assert not session.subscriptions.settled()
        while kind := session.reader.next():
            session.handle(kind)
        assert session.subscriptions.settled()
        assert session.subscriptions.refused() == [b"theirs"]


def test_an_acknowledgement_of_nothing_is_ignored() -> None:
    window = Window(2)
    window.take(window.free(), b"t", b"", False, 7)
    assert not window.acknowledge(7), "it was never sent"
    assert not window.acknowledge(8)
    assert not window.acknowledge(0)
    assert window.in_flight() == 1


# Settings that cannot work


@pytest.mark.parametrize(
    "setting",
    [
        {"host": "example.org"},
        {"keepalive_s": 1},
        {"keepalive_s": 65536},
        {"max_packet_bytes": 63},
        {"max_packet_bytes": 65537},
        {"window": 0},
        {"window": 65},
        {"client_id": "x" * 2048},
    ],
)
def test_settings_out_of_range_are_refused_at_once(setting: dict[str, object]) -> None:
    with pytest.raises(LocalError):
        Client(**{"host": "127.0.0.1", "port": 1, "client_id": "id", **setting})
