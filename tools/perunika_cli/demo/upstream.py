"""The service that the demo's shop sells by the second: endless lines of text over HTTP."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

LINE = b"perunika: iris where the lightning strikes\n" * 8
PAUSE_S = 0.05


class _Stream(BaseHTTPRequestHandler):
    """Answers every GET with text that ends only when the client goes away."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        try:
            while True:
                self.wfile.write(LINE)
                time.sleep(PAUSE_S)
        except OSError:
            return

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet: the demo's screen belongs to the table."""


class Upstream:
    """The service on a free loopback port; use as a context manager."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Stream)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
