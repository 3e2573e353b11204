"""A client of a metered service: counts the bytes it gets, in a thread of its own."""

import http.client
import threading
import time


class Download:
    """GET ``path`` at a meter; ``received`` grows while bytes come."""

    def __init__(self, port, path, headers):
        self.received = 0
        self.status = None
        self.complete = False
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self._arguments = ("GET", path), headers
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        (method, path), headers = self._arguments
        try:
            self._connection.request(method, path, headers=headers)
            answer = self._connection.getresponse()
            self.status = answer.status
            while chunk := answer.read1(65536):
                self.received += len(chunk)
            self.complete = True
        except (OSError, http.client.HTTPException):
            self.complete = False

    @property
    def ended(self):
        return not self._thread.is_alive()

    def bytes_in(self, seconds):
        before = self.received
        time.sleep(seconds)
        return self.received - before

    def stop(self):
        if self._connection.sock is not None:
            self._connection.sock.shutdown(2)
        self._thread.join(5)
        self._connection.close()


def get(port, path, headers=None, method="GET", body=None):
    """Return (status, headers, body) of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()
    finally:
        connection.close()
