"""The two broker connections: the site's, where devices are, and the hub's, where we are a member."""

import json
import logging
from contextlib import AsyncExitStack
from typing import Any

from perunika.errors import PeerError
from perunika_gateway.config import GatewayConfig, HubConfig, SiteConfig
from perunika_gateway.devices import Devices
from perunika_gateway.relay import Relay
from perunika_gateway.topics import ROOT, device_of, hub_topic, site_topic
from perunika_host.mqtt_link import MqttLink
from perunika_host.mqtt_settings import MqttSettings

log = logging.getLogger("perunika.gateway.mqtt")

KNOWN_AVAILABILITY = ("online", "offline")


class BrokerLinks:
    """``site`` (None without devices) and ``hub``; both come back by themselves after an outage."""

    def __init__(self, config: GatewayConfig, member: bytes, devices: Devices) -> None:
        self._config = config.site
        self._member = member
        self._devices = devices
        self._shown = b""
        # Two client ids: site and hub may be listeners of one broker, where the same id would be one session.
        self.hub = MqttLink(_settings(config.hub, "member-" + member.hex(), hub_topic(member, "availability")))
        self.site: MqttLink | None = None
        if config.site.host is not None:
            self.site = MqttLink(_settings(config.site, "gateway-" + member.hex(), self._topic(member, "availability")))

    def _topic(self, device: bytes, end: str) -> str:
        return site_topic(self._config.name, device, end)

    async def start(self, stack: AsyncExitStack, relay: Relay) -> None:
        """Connect in the background and hand what comes to ``relay``."""
        await stack.enter_async_context(self.hub)
        self.hub.subscribe(hub_topic(self._member, "down"), relay.from_hub)
        if self.site is None:
            return
        await stack.enter_async_context(self.site)
        # One filter where strangers are answered: overlapping ones would bring every message twice.
        names = ["+"] if self._config.answer_strangers else [device.id.hex() for device in self._devices.all]
        for name in names:
            self.site.subscribe(f"{ROOT}/{self._config.name}/{name}/up", relay.from_device)
            self.site.subscribe(f"{ROOT}/{self._config.name}/{name}/availability", self._availability)

    async def _availability(self, topic: str, raw: bytes) -> None:
        try:
            device = self._devices.by_id.get(device_of(topic))
        except PeerError:
            return
        word = raw[:16].decode("ascii", "replace")
        if device is not None:
            device.availability = word if word in KNOWN_AVAILABILITY else "unknown"

    async def to_device(self, device_id: bytes, raw: bytes) -> None:
        """Send to a device's ``down`` topic."""
        if self.site is not None:
            await self.site.publish(self._topic(device_id, "down"), raw)

    async def to_hub(self, raw: bytes) -> None:
        """Send to our ``up`` topic at the hub."""
        await self.hub.publish(hub_topic(self._member, "up"), raw)

    async def announce_access(self, payer: bytes, access: str) -> None:
        """Give a payer of this site its access token, retained on a topic that only it may read (ADR-0020)."""
        device = self._devices.by_address.get(payer)
        if device is not None and self.site is not None:
            await self.site.publish(self._topic(device.id, "access"), access.encode(), retain=True)

    async def show_state(self, state: dict[str, Any]) -> None:
        """Publish our retained state for people, when it has changed."""
        text = json.dumps(state, sort_keys=True).encode()
        if self.site is not None and text != self._shown:
            self._shown = text
            await self.site.publish(self._topic(self._member, "state"), text, retain=True)


def _settings(config: SiteConfig | HubConfig, client_id: str, availability: str) -> MqttSettings:
    return MqttSettings(
        config.host or "", config.port, client_id, ca_file=config.ca_file, user=config.user,
        password_file=config.password_file, availability_topic=availability,
    )  # fmt: skip
