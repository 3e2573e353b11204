"""What is on its way to the broker: a fixed number of publishes, and the packet ids in use. No input or output here.

The slots are made once. A slot refers to the caller's topic and payload and copies nothing, so the window costs a few
hundred bytes however large the payloads are.
"""

from perunika_device.platform import elapsed_ms

_MAX_PACKET_ID = 65535
_NEVER = -1


class Slot:
    """One publish in flight. ``packet_id`` is 0 for QoS 0; ``attempts`` counts how often it was written."""

    def __init__(self):
        self.release()

    def release(self):
        self.taken = False
        self.packet_id = 0
        self.topic = b""
        self.payload = b""
        self.retain = False
        self.attempts = 0
        self.order = 0
        self.sent_ms = _NEVER


class Window:
    """At most ``size`` publishes that are not acknowledged yet, sent and sent again in the order they came in."""

    def __init__(self, size):
        self._slots = [Slot() for _ in range(size)]
        self._next_order = 0
        self._last_id = 0

    def next_packet_id(self, reserved):
        """Return the next id of 1..65535 that no slot and nothing in ``reserved`` uses; 65535 is followed by 1."""
        while True:
            self._last_id = self._last_id % _MAX_PACKET_ID + 1
            if self._last_id not in reserved and self._with_id(self._last_id) is None:
                return self._last_id

    def _with_id(self, packet_id):
        for slot in self._slots:
            if slot.taken and slot.packet_id == packet_id:
                return slot
        return None

    def free(self):
        """Return a free slot or None."""
        for slot in self._slots:
            if not slot.taken:
                return slot
        return None

    def take(self, slot, topic, payload, retain, packet_id):
        """Fill a free slot; it is due at once."""
        slot.taken = True
        slot.topic = topic
        slot.payload = payload
        slot.retain = retain
        slot.packet_id = packet_id
        slot.order = self._next_order
        self._next_order += 1

    def due(self):
        """Return the oldest slot that has to be written now, or None."""
        oldest = None
        for slot in self._slots:
            if slot.taken and slot.sent_ms == _NEVER and (oldest is None or slot.order < oldest.order):
                oldest = slot
        return oldest

    def acknowledge(self, packet_id):
        """Free the slot of a PUBACK; False when there is none (an acknowledgement of a repeated publish)."""
        slot = self._with_id(packet_id)
        if slot is None or not packet_id or not slot.attempts:
            return False
        slot.release()
        return True

    def make_all_due(self):
        """After a reconnect everything that is not acknowledged is written again (MQTT 3.1.1 §4.4)."""
        for slot in self._slots:
            slot.sent_ms = _NEVER

    def make_late_due(self, retransmit_ms):
        """Make due what has waited for an acknowledgement longer than ``retransmit_ms``; True when there is any."""
        late = False
        for slot in self._slots:
            if slot.taken and slot.sent_ms != _NEVER and elapsed_ms(slot.sent_ms) > retransmit_ms:
                slot.sent_ms = _NEVER
                late = True
        return late

    def in_flight(self):
        """Return how many publishes are not acknowledged."""
        return sum([1 for slot in self._slots if slot.taken])
