"""MQTT 3.1.1 packets, written into one prepared buffer, without input or output.

Source: OASIS MQTT 3.1.1, sections 2 and 3. Integers are big-endian; the remaining length has 1 to 4 bytes of 7 bits.
"""

CONNECT = 0x10
CONNACK = 0x20
PUBLISH = 0x30
PUBACK = 0x40
SUBSCRIBE = 0x82  # its flags are fixed
SUBACK = 0x90
PINGREQ = 0xC0
PINGRESP = 0xD0
DISCONNECT = 0xE0

DUP = 0x08
QOS_1 = 0x02
RETAIN = 0x01

# First byte and up to four bytes of length.
MAX_HEADER_BYTES = 5
_LEVEL_3_1_1 = b"\x00\x04MQTT\x04"


class PacketWriter:
    """Collects packets in one buffer of ``capacity_bytes``, so that they leave in one write.

    Every ``add_…`` returns False, and adds nothing, when the rest of the buffer is too small: send, clear, try again.
    """

    def __init__(self, capacity_bytes):
        self._buffer = bytearray(capacity_bytes)
        self._view = memoryview(self._buffer)
        self._end = 0

    def pending(self):
        """Return a view of the bytes to send; it is valid until ``clear``."""
        return self._view[: self._end]

    def clear(self):
        self._end = 0

    def _header(self, first, body_bytes):
        """Write the fixed header; False when header or body would not fit."""
        if self._end + MAX_HEADER_BYTES + body_bytes > len(self._buffer):
            return False
        self._byte(first)
        while body_bytes > 127:
            self._byte(0x80 | (body_bytes & 0x7F))
            body_bytes >>= 7
        self._byte(body_bytes)
        return True

    def _byte(self, value):
        self._buffer[self._end] = value
        self._end += 1

    def _short(self, value):
        self._byte(value >> 8)
        self._byte(value & 0xFF)

    def _raw(self, octets):
        self._view[self._end : self._end + len(octets)] = octets
        self._end += len(octets)

    def _text(self, octets):
        self._short(len(octets))
        self._raw(octets)

    def add_connect(self, client_id, keepalive_s, user, password, will):
        """Add a CONNECT that keeps the session; ``user``, ``password`` and ``will`` may be None.

        ``will`` is (topic, payload, retain); all texts are bytes.
        """
        body_bytes = 10 + 2 + len(client_id)
        flags = 0  # clean session off: the broker keeps what arrives for us while we are away
        for text, flag in ((user, 0x80), (password, 0x40)):
            if text is not None:
                body_bytes += 2 + len(text)
                flags |= flag
        if will is not None:
            body_bytes += 4 + len(will[0]) + len(will[1])
            flags |= 0x0C | (0x20 if will[2] else 0)  # will at QoS 1
        if not self._header(CONNECT, body_bytes):
            return False
        self._raw(_LEVEL_3_1_1)
        self._byte(flags)
        self._short(keepalive_s)
        self._text(client_id)
        for text in (() if will is None else will[:2]) + (user, password):
            if text is not None:
                self._text(text)
        return True

    def add_publish(self, topic, payload, packet_id, retain, duplicate):
        """Add a PUBLISH: QoS 1 when ``packet_id`` is not 0, else QoS 0."""
        flags = RETAIN if retain else 0
        if packet_id:
            flags |= QOS_1 | (DUP if duplicate else 0)
        body_bytes = 2 + len(topic) + (2 if packet_id else 0) + len(payload)
        if not self._header(PUBLISH | flags, body_bytes):
            return False
        self._text(topic)
        if packet_id:
            self._short(packet_id)
        self._raw(payload)
        return True

    def add_puback(self, packet_id):
        if not self._header(PUBACK, 2):
            return False
        self._short(packet_id)
        return True

    def add_subscribe(self, topic, packet_id):
        """Add a SUBSCRIBE for one topic filter at QoS 1."""
        if not self._header(SUBSCRIBE, 2 + 2 + len(topic) + 1):
            return False
        self._short(packet_id)
        self._text(topic)
        self._byte(1)
        return True

    def add_empty(self, first):
        """Add a packet without a body: PINGREQ or DISCONNECT."""
        return self._header(first, 0)
