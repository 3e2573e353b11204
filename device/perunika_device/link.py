"""The board's place in a site: its topics at the broker, and a bounded queue of what is to be sent."""

import asyncio
import json

from perunika_device.mqtt import Client, TlsSettings

MAX_QUEUED = 24
# The largest message that a board gets or sends has half of this; a checkpoint fits while fewer than 2,000 of its
# channel's nanocontracts are between the oldest open one and the newest.
MAX_PACKET_BYTES = 1536
_WINDOW = 4  # messages on their way to the broker


class Link:
    """One MQTT client under ``perunika/1/<site>/<device>``; ``on_message(raw)`` is called for what comes ``down``.

    ``device`` is the board's address as 40 hex digits. ``dropped`` counts messages that found the queue full: the
    protocol repeats what is not answered.
    """

    def __init__(self, broker, site, device, on_message):
        root = "perunika/1/" + site + "/" + device + "/"
        self._up = root + "up"
        self._down = root + "down"
        self._state = root + "state"
        self._availability = root + "availability"
        self._queue = []
        self._wake = asyncio.Event()
        self.dropped = 0
        will = (self._availability, "offline", True)
        self.client = Client(
            broker.host, broker.port, device, broker.user, broker.password, _tls(broker), broker.keepalive_s, will,
            lambda topic, payload: on_message(payload), MAX_PACKET_BYTES, _WINDOW,
        )  # fmt: skip

    @property
    def connected(self):
        return self.client.connected

    def send(self, raw):
        """Queue one encoded message for the gateway; the oldest one makes room."""
        self._put(self._up, raw, False)

    def tell(self, state):
        """Publish ``state`` (a dict) for people, retained; a newer one replaces one that has not left yet."""
        for entry in self._queue:
            if entry[0] is self._state:
                self._queue.remove(entry)
                break
        self._put(self._state, json.dumps(state), True)

    def _put(self, topic, payload, retain):
        if len(self._queue) == MAX_QUEUED:
            self._queue.pop(0)
            self.dropped += 1
        self._queue.append((topic, payload, retain))
        self._wake.set()

    async def run(self):
        """Stay connected and send what is queued, until cancelled or stopped."""
        await self.client.subscribe(self._down)
        running = asyncio.create_task(self.client.run())
        sending = asyncio.create_task(self._send())
        try:
            await running
        finally:
            sending.cancel()

    def greet(self):
        """Say online: a connection that broke has published our will."""
        self._put(self._availability, "online", True)

    async def _send(self):
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                topic, payload, retain = self._queue.pop(0)
                await self.client.publish(topic, payload, retain)

    async def ready(self):
        """Return when the broker has accepted us and our subscription."""
        await self.client.ready()

    async def stop(self):
        """Send what is queued, say offline, disconnect; does nothing for what the broker does not take in time."""
        if self.connected:
            self._put(self._availability, "offline", True)
            for _ in range(40):
                if not self._queue and not self.client.in_flight:
                    break
                await asyncio.sleep(0.05)
        await self.client.stop()


def _tls(broker):
    if broker.ca is None:
        return None
    with open(broker.ca, "rb") as file:
        return TlsSettings(file.read(), broker.name)
