"""What every role of the agent can be asked; by default it does nothing."""


class Role:
    """One role of ``agent``; ``endpoints`` are its keys in the core's party."""

    def __init__(self, agent):
        self.agent = agent
        self.endpoints = []

    def start(self):
        """The store is open, nothing is connected yet."""

    def connected(self):
        """The broker has accepted a new connection."""

    def listen(self, message):
        """Return whether ``message`` was for this role and not for the party; may raise ``PeerError``."""
        return False

    def hear(self, kind, fields):
        """The party tells that something happened; it is durable already."""

    def tick(self, now_ms):
        """About once a second, before the party's tick."""

    def due_ms(self, now_ms):
        """Return in how many ms the next tick is wanted."""
        return 1000

    def hold(self, held):
        """Stop (``held``) or go on with what costs money."""

    def state(self):
        """Return what people may see of this role."""
        return {}

    async def main(self, seconds):
        """Work until done."""
