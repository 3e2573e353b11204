"""What happens on the board, as one JSON object a line on its console: for the demo, the tests and a developer."""

import json
import sys

from perunika_device import platform


class EventLog:
    """Writes ``{"t": ms since the start, "event": ..., ...}``; ``form`` is ``"json"``, ``"text"`` or None for silence.

    Bytes become 0x-hex. ``heap_peak_bytes`` is the most memory in use that ``sample`` has seen.
    """

    def __init__(self, form="json"):
        self._form = form
        self._start_ms = platform.ticks_ms()
        self.heap_peak_bytes = 0

    def sample(self):
        """Look at how much memory is in use, garbage included; call it where the most is."""
        used = platform.heap_used_bytes()
        if used > self.heap_peak_bytes:
            self.heap_peak_bytes = used

    def write(self, event, **facts):
        """Write one line at once."""
        if self._form is None:
            return
        line = {"t": platform.elapsed_ms(self._start_ms), "event": event}
        for name in facts:
            line[name] = _plain(facts[name])
        if self._form == "json":
            sys.stdout.write(json.dumps(line) + "\n")
        else:
            words = [name + "=" + str(line[name]) for name in sorted(line) if name not in ("t", "event")]
            sys.stdout.write("%9.3f %s %s\n" % (line["t"] / 1000, event, " ".join(words)))


def _plain(value):
    return "0x" + value.hex() if isinstance(value, bytes) else value
