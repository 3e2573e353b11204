"""MQTT 3.1.1 packets, read from chunks of any size in one bounded buffer, without input or output.

A packet that is larger than the bound is skipped byte by byte and counted. If it was a QoS 1 publish its packet id is
kept all the same, because a broker that gets no acknowledgement would send it again for ever and stop the others.
"""

from perunika.errors import PeerError
from perunika_device.mqtt_packets import MAX_HEADER_BYTES, PUBLISH, QOS_1

_TYPE_MASK = 0xF0
_QOS_MASK = 0x06


class PacketReader:
    """Cuts a byte stream into packets of at most ``max_packet_bytes``, header included.

    Put bytes into ``space()``, tell ``added(count)``, then call ``next()`` until it returns 0. Raises ``PeerError``
    for bytes that are no MQTT; the connection is then of no further use.
    """

    def __init__(self, max_packet_bytes):
        self._buffer = bytearray(max_packet_bytes)
        self._view = memoryview(self._buffer)
        self.dropped_oversized = 0
        self.reset()

    def reset(self):
        """Forget everything: a new connection begins."""
        self._start = 0
        self._end = 0
        self._skip_left = 0
        self.first = 0
        self.body = self._view[:0]
        self.dropped_id = 0

    def space(self):
        """Return the free end of the buffer, never empty; packets before it are moved to the front if need be."""
        if self._start:
            left = self._end - self._start
            self._view[:left] = self._view[self._start : self._end]
            self._start = 0
            self._end = left
        return self._view[self._end :]

    def added(self, count):
        self._end += count

    def next(self):
        """Return the first byte of the next whole packet and set ``body``, or return 0 when more bytes are needed.

        A skipped QoS 1 publish comes back as its first byte too, with ``dropped_id`` set to its packet id and an
        empty ``body``. ``body`` is valid until the next call of ``space``.
        """
        self.dropped_id = 0
        while self._skip_left:
            if not self._skip():
                return 0
        length, header_bytes = self._length()
        if not header_bytes:
            return 0
        self.first = self._buffer[self._start]
        if header_bytes + length > len(self._buffer):
            return self._begin_skip(length, header_bytes)
        if self._end - self._start < header_bytes + length:
            return 0
        body_start = self._start + header_bytes
        self._start = body_start + length
        self.body = self._view[body_start : self._start]
        return self.first

    def _length(self):
        """Return (remaining length, header bytes), or (0, 0) when the header is not complete."""
        length = 0
        for index in range(1, MAX_HEADER_BYTES):
            at = self._start + index
            if at >= self._end:
                return 0, 0
            length |= (self._buffer[at] & 0x7F) << (7 * (index - 1))
            if self._buffer[at] < 0x80:
                return length, index + 1
        raise PeerError("mqtt-length", "the broker sent a packet length of more than four bytes")

    def _begin_skip(self, length, header_bytes):
        """Skip a packet that is too large; wait until its topic and packet id are here, so that it can be answered."""
        dropped_id = 0
        if self.first & _TYPE_MASK == PUBLISH and self.first & _QOS_MASK == QOS_1:
            at = self._start + header_bytes
            if self._end < at + 2:
                return 0
            id_at = at + 2 + (self._buffer[at] << 8 | self._buffer[at + 1])
            if id_at + 2 > self._start + len(self._buffer) or id_at + 2 > at + length:
                raise PeerError("mqtt-topic", "the broker sent a topic that is longer than our largest packet")
            if self._end < id_at + 2:
                return 0
            dropped_id = self._buffer[id_at] << 8 | self._buffer[id_at + 1]
        self.dropped_oversized += 1
        self._start += header_bytes
        self._skip_left = length
        self._skip()
        self.body = self._view[:0]
        self.dropped_id = dropped_id
        return self.first if dropped_id else 0

    def _skip(self):
        """Throw away what is here of the packet being skipped; True when all of it is gone."""
        count = min(self._skip_left, self._end - self._start)
        self._start += count
        self._skip_left -= count
        return self._skip_left == 0


def parse_publish(first, body):
    """Return (topic, payload, packet id or 0) of a PUBLISH body; raise ``PeerError`` when it is malformed."""
    if len(body) < 2:
        raise PeerError("mqtt-publish", "the broker sent a publish without a topic")
    topic_end = 2 + (body[0] << 8 | body[1])
    qos = first & _QOS_MASK
    payload_at = topic_end + (2 if qos else 0)
    if payload_at > len(body) or qos > QOS_1:
        raise PeerError("mqtt-publish", "the broker sent a malformed publish or one of QoS 2")
    packet_id = body[topic_end] << 8 | body[topic_end + 1] if qos else 0
    if qos and not packet_id:
        raise PeerError("mqtt-publish", "the broker sent a publish with packet id 0")
    return bytes(body[2:topic_end]), bytes(body[payload_at:]), packet_id


def parse_id(body, least_bytes):
    """Return the packet id at the start of a PUBACK or SUBACK body of at least ``least_bytes``."""
    if len(body) < least_bytes:
        raise PeerError("mqtt-short", "the broker sent an acknowledgement that is too short")
    return body[0] << 8 | body[1]
