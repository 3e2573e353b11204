"""``Seller``: a board that sells what its sensor measures, in three lines of a program (examples/seller.py)."""

from perunika.errors import LocalError
from perunika_device.agent import Agent
from perunika_device.config import load
from perunika_device.event_log import EventLog


class Seller(Agent):
    """Sells ``sensor()``, a whole number, as the configuration file ``path`` says.

    ``await seller.run()`` serves until stopped, then closes what is open and returns the final state as a dict.
    Raises ``LocalError`` with what to do about it.
    """

    def __init__(self, path, sensor, log="text"):
        config = load(path)
        if config.seller is None:
            raise LocalError("config", "seller is missing", "add a section seller with member, channel and price")
        Agent.__init__(self, config, EventLog(log), sensor, None)
