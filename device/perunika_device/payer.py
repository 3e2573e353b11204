"""``Payer``: a board that pays one payee, in three lines of a program (examples/payer.py)."""

from perunika.errors import LocalError
from perunika_device.agent import Agent
from perunika_device.config import load
from perunika_device.event_log import EventLog


class Payer(Agent):
    """Pays as the configuration file ``path`` says; ``on_reading(reading)`` gets what was bought from a sensor.

    ``await payer.run(seconds=60)`` opens or resumes a channel, pays, closes and returns the final state as a dict.
    Raises ``LocalError`` with what to do about it.
    """

    def __init__(self, path, on_reading=None, log="text"):
        config = load(path)
        if config.payer is None:
            raise LocalError("config", "payer is missing", "add a section payer with payee and budget_wei")
        Agent.__init__(self, config, EventLog(log), None, on_reading)
