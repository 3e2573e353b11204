"""One connection's worth of MQTT: what has to be written next, and what an arriving packet means. No input or output.

``Session`` is told about packets and time and fills a ``PacketWriter``; ``mqtt.Client`` moves the bytes. It outlives
connections, because what is not acknowledged has to be sent again on the next one.
"""

from perunika.errors import PeerError
from perunika_device import mqtt_packets as packets
from perunika_device.mqtt_reader import PacketReader, parse_id, parse_publish
from perunika_device.mqtt_subscriptions import Subscriptions
from perunika_device.mqtt_window import Window
from perunika_device.platform import elapsed_ms, ticks_ms

# Acknowledgements that may wait for the writer before the reader pauses.
_ACKS = 32
_REFUSALS = {
    1: "it does not speak MQTT 3.1.1",
    2: "it refuses our client id",
    3: "it is not available",
    4: "wrong user name or password",
    5: "not authorised",
}


class Counters:
    """What happened since the start; numbers only ever grow. ``dropped_oversized`` counts incoming packets."""

    def __init__(self):
        self.sent = 0
        self.acked = 0
        self.retransmitted = 0
        self.reconnects = 0
        self.dropped_oversized = 0
        self.received = 0
        self.received_duplicates = 0


class Session:
    """The state between us and a broker: window, subscriptions, acknowledgements we owe, keepalive."""

    def __init__(self, max_packet_bytes, window, keepalive_ms, on_message):
        self.counters = Counters()
        self.window = Window(window)
        self.subscriptions = Subscriptions()
        self.reader = PacketReader(max_packet_bytes)
        self.accepted = False
        self.in_callback = False  # an error that leaves ``handle`` while this is set is not the broker's
        self._had_connection = 0
        self._half_keepalive_ms = keepalive_ms // 2
        self._on_message = on_message
        self._acks = [0] * _ACKS
        self._ack_count = 0
        self.begin()

    def begin(self):
        """A new connection: everything unanswered is due again, what we owed to the old one is void."""
        self.accepted = False
        self.reader.reset()
        self.window.make_all_due()
        self.subscriptions.make_all_due()
        self._ack_count = 0
        self._ping_due = False
        self._ping_waits = False
        self._ping_ms = self.sent_ms = self.received_ms = ticks_ms()

    def next_packet_id(self):
        return self.window.next_packet_id(self.subscriptions.packet_ids())

    def acks_full(self):
        """Return whether the reader must pause until the writer has caught up."""
        return self._ack_count == _ACKS

    # Arriving packets

    def handle(self, first):
        """Act on the packet in ``reader.body``; raise ``PeerError`` when the broker may not send it."""
        kind = first & 0xF0
        if not self.accepted:
            self._handle_connack(kind)
        elif kind == packets.PUBLISH:
            self._handle_publish(first)
        elif kind == packets.PUBACK:
            if self.window.acknowledge(parse_id(self.reader.body, 2)):
                self.counters.acked += 1
        elif kind == packets.PINGRESP:
            self._ping_waits = False
        elif kind == packets.SUBACK:
            packet_id = parse_id(self.reader.body, 3)
            self.subscriptions.answered(packet_id, self.reader.body[2] < 0x80)
        else:
            raise PeerError("mqtt-type", "the broker sent a packet that a client never gets")

    def _handle_connack(self, kind):
        body = self.reader.body
        if kind != packets.CONNACK or len(body) != 2:
            raise PeerError("mqtt-connack", "the broker did not answer with CONNACK", "is this an MQTT port?")
        if body[1]:
            reason = _REFUSALS.get(body[1], "it gives no known reason")
            raise PeerError("broker-refused", "the broker refuses us: " + reason, "check user, password and client id")
        self.accepted = True
        self.counters.reconnects += self._had_connection
        self._had_connection = 1

    def _handle_publish(self, first):
        if self.reader.dropped_id:
            packet_id = self.reader.dropped_id
        else:
            topic, payload, packet_id = parse_publish(first, self.reader.body)
            self.counters.received += 1
            if first & packets.DUP:
                self.counters.received_duplicates += 1
            self.in_callback = True
            self._on_message(topic, payload)
            self.in_callback = False
        if packet_id:
            self._acks[self._ack_count] = packet_id
            self._ack_count += 1

    # Time

    def tick(self, retransmit_ms):
        """Look at the clock; True when something has to be written. Raises ``PeerError`` for a silent broker."""
        late = self.window.make_late_due(retransmit_ms)
        late = self.subscriptions.make_late_due(retransmit_ms) or late
        if self._ping_waits:
            if min(elapsed_ms(self._ping_ms), elapsed_ms(self.received_ms)) > self._half_keepalive_ms:
                raise PeerError("broker-silent", "the broker did not answer a ping", "the connection is made anew")
        elif max(elapsed_ms(self.sent_ms), elapsed_ms(self.received_ms)) > self._half_keepalive_ms:
            self._ping_due = self._ping_waits = late = True
            self._ping_ms = ticks_ms()
        return late

    # Packets to write

    def fill(self, writer):
        """Add to ``writer`` what is due: acknowledgements, ping, subscriptions, publishes; False if not all fitted."""
        if not self._fill_acks(writer) or not self._fill_ping(writer):
            return False
        while self.subscriptions.due() is not None:
            topic = self.subscriptions.due()
            packet_id = self.next_packet_id()
            if not writer.add_subscribe(topic, packet_id):
                return False
            self.subscriptions.asked(topic, packet_id, ticks_ms())
        while self._fill_publish(writer):
            pass
        return self.window.due() is None

    def _fill_acks(self, writer):
        done = 0
        while done < self._ack_count and writer.add_puback(self._acks[done]):
            done += 1
        for index in range(done, self._ack_count):
            self._acks[index - done] = self._acks[index]
        self._ack_count -= done
        return self._ack_count == 0

    def _fill_ping(self, writer):
        if self._ping_due:
            self._ping_due = not writer.add_empty(packets.PINGREQ)
        return not self._ping_due

    def _fill_publish(self, writer):
        slot = self.window.due()
        if slot is None:
            return False
        if not writer.add_publish(slot.topic, slot.payload, slot.packet_id, slot.retain, slot.attempts > 0):
            return False
        slot.attempts += 1
        slot.sent_ms = ticks_ms()
        if slot.attempts == 1:
            self.counters.sent += 1
        else:
            self.counters.retransmitted += 1
        if not slot.packet_id:
            slot.release()  # QoS 0: nobody will answer
        return True
