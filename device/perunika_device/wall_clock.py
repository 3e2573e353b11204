"""Wall time on a board: what it last learned plus its monotonic clock, and never backwards (details.md, Time)."""

from perunika_device import platform


class WallClock:
    """Milliseconds of the Unix epoch. Starts at the runtime's clock, or at ``least_s`` where that is wrong."""

    def __init__(self, least_s=0):
        self._base_ms = max(platform.now_s(), least_s) * 1000
        self._since_ms = platform.ticks_ms()

    def now_ms(self):
        """Return the wall time in ms; the monotonic part is folded in, so a counter may wrap between calls."""
        passed_ms = platform.elapsed_ms(self._since_ms)
        if passed_ms > 0:
            self._base_ms += passed_ms
            self._since_ms = platform.ticks_ms()
        return self._base_ms

    def learn(self, time_s):
        """Move forward to ``time_s`` of a verified statement; a time that is past changes nothing."""
        now_ms = self.now_ms()
        if time_s * 1000 > now_ms:
            self._base_ms += time_s * 1000 - now_ms
