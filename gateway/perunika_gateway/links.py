"""Which channel a 4-byte handle on a device's link means: learned from every ``Ready`` that passes, kept in the store.

A device's own link carries no addresses (protocol.md §6). The pair (payer, handle) or (payee, handle) names the
virtual channel; both are remembered, so that vouchers and acknowledgements find their way after a restart too.
"""

import time
from typing import NamedTuple

from perunika.crypto import verify
from perunika.eip712 import Domain
from perunika.errors import PeerError
from perunika.messages import Message
from perunika.statements import Ready
from perunika_host.group_commit import GroupCommit

PREFIX = b"%link"
MAX_LINKS = 4096


class Link(NamedTuple):
    """One served virtual channel between two devices, of which at least one is at this site."""

    virtual: bytes
    payer: bytes
    payee: bytes
    handle: int
    noted_s: int

    def pack(self) -> bytes:
        """Return the bytes that the store keeps."""
        return self.payer + self.payee + self.handle.to_bytes(4, "big") + self.noted_s.to_bytes(8, "big")


def _unpack(virtual: bytes, raw: bytes) -> Link:
    return Link(virtual, raw[:20], raw[20:40], int.from_bytes(raw[40:44], "big"), int.from_bytes(raw[44:52], "big"))


class Links:
    """All links, in memory by both ends; ``learn`` stores before it answers."""

    def __init__(self, group: GroupCommit, domain: Domain) -> None:
        self._group = group
        self._domain = domain
        self._by_end: dict[tuple[bytes, int], Link] = {}
        self._by_virtual: dict[bytes, Link] = {}
        for key, raw in group.store.scan(PREFIX):
            self._index(_unpack(key[len(PREFIX) :], raw))

    def _index(self, link: Link) -> None:
        self._by_virtual[link.virtual] = link
        self._by_end[link.payer, link.handle] = link
        self._by_end[link.payee, link.handle] = link

    def __len__(self) -> int:
        return len(self._by_virtual)

    def all(self) -> list[Link]:
        """Return every link."""
        return list(self._by_virtual.values())

    def find(self, end: bytes, route: int | bytes) -> Link:
        """Return the link of a device's handle or virtual id. Raises PeerError ``virtual.unknown``."""
        link = self._by_end.get((end, route)) if isinstance(route, int) else self._by_virtual.get(route)
        if link is None or end not in (link.payer, link.payee):
            shown = f"{route:08x}" if isinstance(route, int) else route.hex()[:8]
            raise PeerError("virtual.unknown", f"no channel {shown} of this device is served here", "ask for Ready")
        return link

    async def learn(self, message: Message) -> None:
        """Remember the channel of a passing ``Ready`` or ``Resumed``; a forged one is ignored.

        A handle that is taken stays what it was: a payee may not divert the payments to another one.
        """
        ready: Ready = message["ready"]
        payee, payer = message.sender, message.to
        signature = message["signature"] if message.name == "Ready" else message["ready_signature"]
        if payee is None or payer is None or not verify(ready.digest(self._domain), signature, payee):
            return
        link = Link(ready.virtual_id, payer, payee, ready.handle, int(time.time()))
        taken = [self._by_end.get((end, ready.handle)) for end in (payer, payee)]
        if any(taken) or ready.virtual_id in self._by_virtual:
            return
        if len(self) >= MAX_LINKS:
            await self._forget_oldest()
        await self._group.run(lambda view: view.put(PREFIX + link.virtual, link.pack()))
        self._index(link)

    async def forget(self, virtual: bytes) -> None:
        """Drop the link of a channel that is over."""
        link = self._by_virtual.pop(virtual, None)
        if link is not None:
            for end in (link.payer, link.payee):
                self._by_end.pop((end, link.handle), None)
            await self._group.run(lambda view: view.delete(PREFIX + virtual))

    async def _forget_oldest(self) -> None:
        oldest = min(self._by_virtual.values(), key=lambda link: link.noted_s)
        await self.forget(oldest.virtual)
