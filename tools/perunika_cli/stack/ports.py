"""Free TCP ports of the loopback interface."""

import random
import socket

from perunika.errors import LocalError

# Below the range from which Linux (32768) and macOS (49152) take the ports of outgoing connections: a service
# that was killed can therefore come back on its own port, no client has taken it in the meantime.
FIRST_PORT = 15_000
LAST_PORT = 32_000
ATTEMPTS = 200


def free_port(address: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on at this moment.

    Raises ``LocalError`` when 200 random ones were all taken.
    """
    for _ in range(ATTEMPTS):
        port = random.randint(FIRST_PORT, LAST_PORT)
        if is_free(port, address):
            return port
    raise LocalError("stack.no-port", f"no free TCP port found between {FIRST_PORT} and {LAST_PORT}")


def is_free(port: int, address: str = "127.0.0.1") -> bool:
    """Whether a service could listen on ``port`` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Services set it too; without it a port would count as taken for a minute after every use.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True
