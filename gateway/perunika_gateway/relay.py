"""Passes messages between devices, hub and our own endpoints (details.md "Addressing and relay").

Only the header is read: our own address -> the party; a device of this site -> its ``down``; anything else -> the
hub's broker. Answers need no memory, they carry an address that one of these rules knows. Three things are read
further: ``Ready`` tells which channel a handle means, payments to a seller whose member we are are kept before they
go on (two places), a ``Reading`` is checked. Everything is bounded; what is refused is answered and counted.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from perunika.errors import LocalError, PeerError, PerunikaError
from perunika.messages import MAX_BYTES, Message, decode, encode, peek
from perunika_gateway.devices import Device, Devices
from perunika_gateway.links import Links
from perunika_gateway.payments import Payments
from perunika_gateway.readings import Readings
from perunika_gateway.topics import device_of

log = logging.getLogger("perunika.gateway.relay")

LINK_MESSAGES = ("Voucher", "TickChain", "Tick", "Ack", "WantVoucher")
PAYMENTS = ("Voucher", "TickChain", "Tick")

Publish = Callable[[bytes], Awaitable[object]]
ToDevice = Callable[[bytes, bytes], Awaitable[object]]  # device id, message


class Relay:
    """``from_device`` and ``from_hub`` take what arrives; ``send`` takes what our party says."""

    def __init__(
        self,
        own: frozenset[bytes],
        devices: Devices,
        links: Links,
        payments: Payments,
        readings: Readings,
        receive: Publish,
        to_device: ToDevice,
        to_hub: Publish,
    ) -> None:
        self.own = own
        self.devices = devices
        self.links = links
        self.payments = payments
        self.readings = readings
        self._receive = receive
        self._to_device = to_device
        self._to_hub = to_hub

    async def from_device(self, topic: str, raw: bytes) -> None:
        """Take a message of a device's ``up`` topic; refusals go to its ``down`` topic, also for a stranger."""
        device_id = device = None
        try:
            device_id = device_of(topic)
            device = self._device(device_id)
            self.devices.seen(device)
            await self._pass_on(device, raw)
        except PeerError as error:
            self._count(device, error)
            if device_id is not None:
                await self._refuse(device_id, raw, error)
        except LocalError as error:
            self._count(device, error)  # ours to mend (disk full): the device says it again

    def _device(self, device_id: bytes) -> Device:
        device = self.devices.by_id.get(device_id)
        if device is None:
            hint = "add it to the gateway's configuration"
            raise PeerError("device.unknown", "this device is not configured at this gateway", hint)
        return device

    async def _pass_on(self, device: Device, raw: bytes) -> None:
        if len(raw) > MAX_BYTES:
            raise PeerError("message.size", f"{len(raw)} bytes, at most {MAX_BYTES} are allowed")
        name, _, to, sender = peek(raw)
        if to is None and sender is None and name in LINK_MESSAGES:
            await self._from_link(device, raw)
            return
        if sender is None or sender not in device.addresses:
            raise PeerError("message.from", "the sender is no key of this device", "configure both of its addresses")
        if to is None:
            raise PeerError("message.to", "a message that is not for this link names its receiver")
        if name == "Reading":
            self.readings.take(device, decode(raw))
        await self._route(name, to, raw)

    async def from_hub(self, topic: str, raw: bytes) -> None:
        """Take a message of our ``down`` topic at the hub's broker; what is for nobody here is counted and dropped."""
        try:
            name, _, to, sender = peek(raw)
            if sender in self.own or sender in self.devices.by_address:
                raise PeerError("message.from", "a message from elsewhere in the name of an address of this site")
            if to is None or (to not in self.own and to not in self.devices.by_address):
                raise PeerError("message.to", "the hub sent a message for nobody at this site")
            await self._route(name, to, raw)
        except PerunikaError as error:
            self._count(None, error)

    async def _route(self, name: str, to: bytes, raw: bytes) -> None:
        if name in ("Ready", "Resumed"):
            await self.links.learn(decode(raw))
        device = self.devices.by_address.get(to)
        if to in self.own:
            if name in PAYMENTS:
                self.payments.remember_remote(decode(raw))
            await self._receive(raw)
        elif device is not None:
            if name in PAYMENTS:
                await self._keep(to, decode(raw))
            await self._to_device(device.id, raw)
        else:
            await self._to_hub(raw)

    async def _keep(self, to: bytes, message: Message) -> None:
        link = self.links.find(to, message["id"])
        if to == link.payee:
            await self.payments.keep(link, message)

    async def _from_link(self, device: Device, raw: bytes) -> None:
        """Pass on a short message: to our own payee as it is, to the other end by what ``Ready`` said."""
        message = decode(raw)
        link = self.links.find(device.id, message["id"])
        if message.name in PAYMENTS and device.id == link.payer:
            await self.payments.keep(link, message)
        other = link.payee if device.id == link.payer else link.payer
        if other in self.own:
            await self._receive(raw)
        elif other in self.devices.by_address:
            await self._to_device(self.devices.by_address[other].id, raw)
        else:
            await self._to_hub(encode(self.payments.lengthened(link, device.id, other, message)))

    async def send(self, effect: Any) -> None:
        """Bring a ``Send`` of our party to its receiver."""
        message: Message = effect.message
        device = self.devices.by_address.get(effect.to)
        if effect.link and device is None:
            message = self.payments.long_answer(effect.to, message)
        elif not effect.link and message.to is None:
            message = Message(message.name, message.body, message.request_id, effect.to, message.sender)
        if message.name in ("Ready", "Resumed"):
            await self.links.learn(message)
        raw = encode(message)
        await (self._to_hub(raw) if device is None else self._to_device(device.id, raw))

    def _count(self, device: Device | None, error: PerunikaError) -> None:
        log.info("refused: %s", error)
        self.devices.refuse(device, error.code)

    async def _refuse(self, device_id: bytes, raw: bytes, error: PeerError) -> None:
        answer = _error_answer(raw, error)
        if answer is not None:
            await self._to_device(device_id, answer)


def _error_answer(raw: bytes, error: PeerError) -> bytes | None:
    """Return an Error with the refused message's request id; None when it was an Error itself (no ping-pong)."""
    request_id = sender = None
    try:
        name, request_id, _, sender = peek(raw[: MAX_BYTES + 1])
        if name == "Error":
            return None
    except PeerError:
        pass  # unreadable: answered all the same, without a request id
    body = {"code": error.code[:40], "text": error.text[:150]}
    if error.hint:
        body["hint"] = error.hint[:150]
    return bytes(encode(Message("Error", body, request_id, sender, None)))
