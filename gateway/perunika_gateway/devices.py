"""The devices of this site as configured, what is seen of them, and what was refused."""

import time
from collections import Counter
from collections.abc import Iterable

from perunika_gateway.config import DeviceConfig


class Device:
    """One configured device; ``id`` names it in topics, ``addresses`` are the keys that may speak for it."""

    def __init__(self, config: DeviceConfig) -> None:
        self.config = config
        self.id = config.address
        self.addresses = frozenset(a for a in (config.address, config.member) if a is not None)
        self.availability = "unknown"
        self.seen_s = 0.0
        self.messages = 0
        self.refused: Counter[str] = Counter()


class Devices:
    """Devices by id and by address; ``refused`` counts what came from strangers or from the hub."""

    def __init__(self, configs: Iterable[DeviceConfig]) -> None:
        self.all = [Device(config) for config in configs]
        self.by_id = {device.id: device for device in self.all}
        self.by_address = {address: device for device in self.all for address in device.addresses}
        self.refused: Counter[str] = Counter()

    def seen(self, device: Device) -> None:
        """Note a message of ``device``."""
        device.seen_s = time.time()
        device.messages += 1

    def refuse(self, device: Device | None, code: str) -> None:
        """Count a refusal; codes are a fixed set of words, so the counters stay small."""
        (device.refused if device is not None else self.refused)[code] += 1
