"""The topic filters a client wants, and how far each has come on the present connection. No input or output here."""

from perunika.errors import LocalError
from perunika_device.platform import elapsed_ms

_MAX_TOPICS = 8

# States of a subscription; a reconnect makes all of them WANTED again.
_WANTED = 0
_ASKED = 1
_GRANTED = 2
_REFUSED = 3


class _Entry:
    def __init__(self, topic):
        self.topic = topic
        self.state = _WANTED
        self.packet_id = 0
        self.asked_ms = 0


class Subscriptions:
    """At most eight topic filters, asked for one packet each."""

    def __init__(self):
        self._entries = []

    def add(self, topic):
        """Want a topic filter; raise ``LocalError`` when there are too many."""
        for entry in self._entries:
            if entry.topic == topic:
                return
        if len(self._entries) >= _MAX_TOPICS:
            raise LocalError("mqtt-topics", "more than 8 subscriptions", "use one filter with a wildcard")
        self._entries.append(_Entry(topic))

    def packet_ids(self):
        """Return the packet ids that wait for a SUBACK."""
        return [entry.packet_id for entry in self._entries if entry.state == _ASKED]

    def make_all_due(self):
        for entry in self._entries:
            entry.state = _WANTED

    def make_late_due(self, retransmit_ms):
        """Ask again for what was not answered; True when there is any."""
        late = False
        for entry in self._entries:
            if entry.state == _ASKED and elapsed_ms(entry.asked_ms) > retransmit_ms:
                entry.state = _WANTED
                late = True
        return late

    def due(self):
        """Return the topic of an entry that has to be asked for, or None."""
        for entry in self._entries:
            if entry.state == _WANTED:
                return entry.topic
        return None

    def asked(self, topic, packet_id, now_ms):
        for entry in self._entries:
            if entry.topic == topic:
                entry.state = _ASKED
                entry.packet_id = packet_id
                entry.asked_ms = now_ms

    def answered(self, packet_id, granted):
        for entry in self._entries:
            if entry.state == _ASKED and entry.packet_id == packet_id:
                entry.state = _GRANTED if granted else _REFUSED

    def refused(self):
        """Return the topics that the broker's access rules refuse."""
        return [entry.topic for entry in self._entries if entry.state == _REFUSED]

    def settled(self):
        """Return whether every filter is answered on this connection."""
        for entry in self._entries:
            if entry.state < _GRANTED:
                return False
        return True
