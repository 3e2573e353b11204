"""A view that follows what happens: a table that renews itself on a terminal, lines elsewhere, JSON for programs."""

import time
from collections.abc import Callable, Sequence

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from perunika.errors import LocalError, PeerError
from perunika_cli.command import OK
from perunika_cli.output import Output, error_fields
from perunika_cli.streams import Stream, streams_table

Look = Callable[[float], Sequence[Stream]]
# Longer than one poll: a view must not end because the service restarts.
NOTHING = "nothing is paid here at the moment"


class LiveStreams:
    """Shows what ``look(now_s)`` returns every ``every_s`` seconds, until ``for_s`` is over or Ctrl-C comes.

    A look that fails is shown and repeated: the service may be restarting.
    """

    def __init__(self, output: Output, look: Look, title: str, every_s: float, for_s: float | None) -> None:
        self.output = output
        self.look = look
        self.title = title
        self.every_s = every_s
        self.until_s = None if for_s is None else time.monotonic() + for_s
        self.streams: Sequence[Stream] = ()
        self.trouble: LocalError | PeerError | None = None

    def run(self) -> int:
        """Follow until the end; returns the exit status. Ctrl-C passes through."""
        if self.output.as_json:
            self._follow(self._json_line)
        elif self.output.console.is_terminal:
            self._on_terminal()
        else:
            self._follow(self._lines)
        return OK

    def _on_terminal(self) -> None:
        # The alternate screen: nothing of an older, wider table stays when the window is made smaller.
        with Live(console=self.output.console, screen=True, auto_refresh=False, transient=True) as live:
            self._follow(lambda: live.update(self.screen(), refresh=True))

    def _follow(self, show: Callable[[], None]) -> None:
        while True:
            self._refresh()
            show()
            if self.until_s is not None and time.monotonic() + self.every_s > self.until_s:
                return
            time.sleep(self.every_s)

    def _refresh(self) -> None:
        try:
            self.streams, self.trouble = self.look(time.monotonic()), None
        except (LocalError, PeerError) as error:
            self.trouble = error

    def screen(self) -> RenderableType:
        """Return everything that the terminal shows."""
        clock = time.strftime("%H:%M:%S")
        parts: list[RenderableType] = [Text(f"{self.title}  {clock}", style="bold"), Text("")]
        parts.append(streams_table(self.streams) if self.streams else Text(NOTHING))
        if self.trouble is not None:
            parts.append(Text(f"\n{self.trouble.text}; trying again", style="red"))
        parts.append(Text("\nCtrl-C ends the view; payments go on", style="dim"))
        return Group(*parts)

    def _lines(self) -> None:
        if self.trouble is not None:
            self.output.note(f"{self.trouble.text}; trying again")
        elif not self.streams:
            self.output.note(NOTHING)
        for stream in self.streams:
            cells = stream.row()
            self.output.note(
                f"{time.strftime('%H:%M:%S')} {cells[0]} {stream.role} {stream.phase}: paid {cells[4]}, "
                f"rate {cells[5] or 'unknown'}/s, balance {cells[6]}, exposure {cells[7]}"
            )

    def _json_line(self) -> None:
        trouble = None if self.trouble is None else error_fields(self.trouble)
        self.output.answer({"streams": [stream.as_json() for stream in self.streams], "error": trouble})
