"""Signed readings of sellers that pass through: checked, and the last one of each kept for people."""

import time
from dataclasses import dataclass

from perunika.crypto import verify
from perunika.eip712 import Domain
from perunika.errors import PeerError
from perunika.messages import Message
from perunika.statements import Reading
from perunika_gateway.devices import Device


@dataclass(frozen=True)
class KeptReading:
    """A reading, who signed it and when it passed."""

    reading: Reading
    signature: bytes
    buyer: bytes | None
    seen_s: float


class Readings:
    """The last reading of each seller of this site."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self.last: dict[bytes, KeptReading] = {}

    def take(self, device: Device, message: Message) -> None:
        """Check a reading that ``device`` sends to a buyer. Raises PeerError when its signature is not the device's."""
        reading: Reading = message["reading"]
        if device.config.kind != "seller" or reading.device not in device.addresses:
            raise PeerError("reading.device", "this device does not sell readings under that name")
        if not verify(reading.digest(self._domain), message["signature"], reading.device):
            raise PeerError("reading.signature", "the reading is not signed by the device it names")
        known = self.last.get(reading.device)
        if known is None or reading.sequence > known.reading.sequence:
            self.last[reading.device] = KeptReading(reading, message["signature"], message.to, time.time())
