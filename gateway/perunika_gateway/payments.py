"""Payments that pass through: kept in our own record before they go on, lengthened when they leave the site."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from perunika.context import request_id
from perunika.errors import PeerError
from perunika.evidence import TickEvidence, VoucherEvidence
from perunika.messages import Message
from perunika.records import PAYEE_MEMBER, Funding, funding_key, load
from perunika_gateway.links import Link

MAX_REMOTE = 1024

Request = Callable[..., Awaitable[list[Any]]]
View = Callable[[], Any]


class Payments:
    """``keep`` stores what a payer signed for a seller whose member we are; see ``Relay``."""

    def __init__(self, member: bytes, payee: bytes | None, request: Request, view: View) -> None:
        self._member = member
        self._payee = payee
        self._request = request
        self._view = view
        # payer -> (request id, payee): how the last payment from afar wants to be answered
        self._remote: OrderedDict[bytes, tuple[bytes | None, bytes]] = OrderedDict()

    async def keep(self, link: Link, message: Message) -> None:
        """Verify and store a payment to a seller of ours. Raises PeerError when it is not valid: it does not go on.

        Our own payee stores its payments itself, and before us: a close must not know of more than it does.
        """
        funding = load(self._view(), Funding, funding_key(PAYEE_MEMBER, link.virtual))
        if funding is None or funding.params.payee != link.payee:
            return  # another member's business
        if funding.phase != "open":
            raise PeerError("virtual.closed", "this channel is over", "ask for its end, then open a new one")
        if link.payee != self._payee:
            evidence = _evidence(message, funding.forward)
            await self._request(self._member, "keep evidence", virtual=link.virtual, evidence=evidence)

    def remember_remote(self, message: Message) -> None:
        """Note how a payer at another site is answered: the hub finds the way back by request id."""
        if message.sender is not None and message.to is not None:
            self._remote[message.sender] = (message.request_id, message.to)
            self._remote.move_to_end(message.sender)
            while len(self._remote) > MAX_REMOTE:
                self._remote.popitem(last=False)

    def long_answer(self, payer: bytes, message: Message) -> Message:
        """Return our payee's short message in full form, for a payer that is not on our link."""
        known = self._remote.get(payer)
        asked, payee = known if known is not None else (None, self._payee)
        return Message(message.name, message.body, asked, payer, payee)

    def lengthened(self, link: Link, sender: bytes, to: bytes, message: Message) -> Message:
        """Return a device's short message in full form: 32-byte id, addresses, an id that answers come back by."""
        asked = request_id("Payment", link.virtual + link.payer)
        return Message(message.name, {**message.body, "id": link.virtual}, asked, to, sender)


def _evidence(message: Message, known: object) -> VoucherEvidence | TickEvidence:
    if message.name == "Voucher":
        return VoucherEvidence(message["amount"], message["signature"])
    if message.name == "TickChain":
        root = message["root"]
        return TickEvidence(
            message["base"], message["unit"], message["length"], root, message["signature"], 0, root
        )  # fmt: skip
    if not isinstance(known, TickEvidence):
        raise PeerError("tick.chain", "no tick chain is on record", "send TickChain first")
    ticked: TickEvidence = known.replace(k=message["k"], tick=message["tick"])
    return ticked
