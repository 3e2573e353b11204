"""An address that takes part: a key, what its owner allows, and a table of handlers."""

from perunika.errors import PeerError
from perunika.messages import Message


class Endpoint:
    """One key and its role's handlers: ``HANDLERS`` maps message names to functions ``(ctx, endpoint, message)``.

    ``REQUESTS`` maps our own user's requests to functions ``(ctx, endpoint, **fields)``; ``RETRIES`` maps a role
    to the function ``(ctx, endpoint, virtual_id, record)`` that repeats its last message; ``TICKS`` are run every
    second as ``(ctx, endpoint)``.
    """

    HANDLERS = {}
    REQUESTS = {}
    RETRIES = {}
    TICKS: tuple = ()

    def __init__(self, key, policy):
        self.key = key
        self.address = key.address
        self.policy = policy

    def reply(self, ctx, message, name, body):
        """Answer ``message`` with the same request id; a message without sender gets no answer."""
        if message.sender is not None:
            ctx.send(message.sender, Message(name, body, message.request_id, message.sender, self.address))

    def send(self, ctx, to, name, body, request_id=None):
        ctx.send(to, Message(name, body, request_id, to, self.address))

    def handle(self, ctx, message):
        """Run the handler of ``message``; raises ``PeerError("message.unexpected")`` when this role has none."""
        handler = self.HANDLERS.get(message.name)
        if handler is None:
            raise PeerError("message.unexpected", "%s is not for this party" % message.name)
        handler(ctx, self, message)
