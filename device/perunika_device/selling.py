"""The seller's role: answers terms, takes vouchers, and sends one signed reading for every unit that is paid."""

import asyncio

from perunika.errors import LocalError
from perunika.messages import Message, encode
from perunika.payee import Payee, entitled_units
from perunika.records import PAYEE, Stream, scan, stream_key
from perunika.structs import Reading
from perunika_device.role import Role

_KEEP_OVER = 3
_CLOSE_WAIT_S = 20
_KIND_BYTES = 32


class Selling(Role):
    """Sells what ``sensor()`` returns (a whole number) to everybody who pays the configured price."""

    def __init__(self, agent, key, sensor):
        Role.__init__(self, agent)
        config = agent.config
        if sensor is None:
            raise LocalError("sensor", "a seller needs a sensor", "give Seller(path, sensor=function)")
        self._settings = config.seller
        self._sensor = sensor
        self._key = key
        self.endpoints = [Payee(key, config.seller.policy)]
        self.address = key.address
        self.sold = 0
        self._sequence = 0
        kind = config.seller.kind.encode()[:_KIND_BYTES]
        self._kind = kind + bytes(_KIND_BYTES - len(kind))
        self._paid = asyncio.Event()

    def hear(self, kind, fields):
        if kind == "paid":
            self.agent.log.sample()
            self.agent.log.write("paid", virtual=fields["virtual"], amount=fields["amount"], gained=fields["gained"])
            self._paid.set()
        elif kind in ("serving", "stopped", "closed"):
            self.agent.log.write(kind, **fields)

    async def main(self, seconds):
        """Sell for ``seconds`` (None: until stopped), then close what is open and wait for the money."""
        selling = asyncio.create_task(self._sell())
        try:
            if seconds is None:
                await self.agent.stopping.wait()
            else:
                await self.agent.pause(seconds)
        finally:
            selling.cancel()
        await self._close_all()

    async def _sell(self):
        while True:
            await self._paid.wait()
            self._paid.clear()
            for stream in self._streams("serving"):
                await self._serve(stream)

    async def _serve(self, stream):
        """Send a reading for each unit that is paid and not served; the count is durable before the reading leaves."""
        virtual_id = stream.params.digest(self.agent.config.domain)
        payable = entitled_units(self._settings.policy.replace(exposure=0), stream) - stream.served
        for _ in range(payable):
            value = self._sensor()
            self.agent.shell.request(self.address, "serve", virtual=virtual_id)
            self._send_reading(stream.params.payer, value)
            await asyncio.sleep(0)

    def _send_reading(self, payer, value):
        # Time makes the number grow across restarts, as the clock never runs backwards.
        now_ms = self.agent.clock.now_ms()
        self._sequence = max(self._sequence + 1, now_ms)
        reading = Reading(self.address, self._sequence, now_ms // 1000, self._kind, value, self._settings.exponent)
        body = {"reading": reading, "signature": self._key.sign(reading.digest(self.agent.config.domain))}
        self.agent.link.send(encode(Message("Reading", body, None, payer, self.address)))
        self.sold += 1
        self.agent.log.write("sold", sequence=reading.sequence, value=value)

    async def _close_all(self):
        for stream in self._streams("serving"):
            virtual_id = stream.params.digest(self.agent.config.domain)
            self.agent.shell.request(self.address, "close", virtual=virtual_id)
        for _ in range(_CLOSE_WAIT_S * 10):
            if not self._streams("stopped"):
                break
            await asyncio.sleep(0.1)
        self._forget()

    def start(self):
        self._forget()
        self._paid.set()  # what was paid before a restart is still owed

    def _forget(self):
        """Drop channels that are paid out but the newest."""
        over = [
            (stream.started_ms, stream_key(PAYEE, stream.params.digest(self.agent.config.domain)))
            for stream in self._streams("paid")
        ]
        writes = {}
        for _, key in sorted(over)[: max(0, len(over) - _KEEP_OVER)]:
            writes[key] = None
        self.agent.store.commit(writes)

    def _streams(self, phase):
        return [s for s in scan(self.agent.store, Stream, b"s" + bytes((PAYEE,))) if s.phase == phase]

    def state(self):
        """Return earned, exposure (served and not yet paid) in wei, and how many readings were sold in this boot."""
        earned = exposure = 0
        for stream in scan(self.agent.store, Stream, b"s" + bytes((PAYEE,))):
            earned += stream.paid()
            exposure += max(0, stream.served * stream.terms.unit_price - stream.paid())
        serving = len(self._streams("serving"))
        return {"role": "seller", "earned_wei": earned, "exposure_wei": exposure, "sold": self.sold, "serving": serving}
