"""The runtime of a board: MicroPython's sockets, TLS, clock and flash. Imported through ``platform`` only."""

import asyncio
import errno
import gc
import os
import socket
import ssl
import sys
import time

import cryptolib

from perunika.crypto import pure
from perunika.errors import PeerError

# ESP32 and most boards count seconds from 2000, the unix port from 1970.
_EPOCH_OFFSET_S = 946684800 if time.gmtime(0)[0] == 2000 else 0
_CBC = 2
_EINPROGRESS = (115, 119, 10035)  # Linux, lwIP on ESP32, Windows
_TCP_LEVEL = 6
_TCP_NODELAY = 1
_TLS_HINT = "check the CA certificate, the host name and this board's clock"

urandom = os.urandom
ticks_ms = time.ticks_ms


def now_s():
    """Return the wall time in whole seconds of the Unix epoch."""
    return int(time.time()) + _EPOCH_OFFSET_S


def elapsed_ms(start_ms):
    """Return the milliseconds since ``start_ms``, a value of ``ticks_ms``; right across the counter's wrap."""
    return time.ticks_diff(time.ticks_ms(), start_ms)


def unique_id():
    """Return the board's own id as bytes, or None where there is none (the unix port)."""
    try:
        import machine

        return machine.unique_id()
    except (ImportError, AttributeError):
        return None


def make_directory(path):
    """Make the directory ``path`` unless it is there; its parent must exist."""
    try:
        os.mkdir(path)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise


async def read_line(file):
    """Return the next line of ``file`` (a pipe or a terminal) as bytes, b"" at its end."""
    return await asyncio.StreamReader(file).readline()


def collect():
    """Give garbage back now."""
    gc.collect()


def collect_every(allocated_bytes):
    """Collect garbage whenever so much was allocated; -1: only when memory runs out."""
    gc.threshold(allocated_bytes)


def remember_keys(count):
    """Keep tables of so many public keys whose signatures are checked again and again; each costs 2 KB."""
    pure.remember_keys(count)


def on_terminate(stop):
    """MicroPython knows no signals: a board that loses power loses nothing, its store is durable."""


stdin = getattr(sys.stdin, "buffer", sys.stdin)


def heap_used_bytes():
    """Return the bytes of the garbage-collected heap in use, garbage included."""
    return gc.mem_alloc()


def encrypt_cbc(key, iv, blocks):
    """Return AES-CBC of ``blocks`` (a multiple of 16 bytes, no padding is added)."""
    return cryptolib.aes(key, _CBC, iv).encrypt(blocks)


def decrypt_cbc(key, iv, blocks):
    """Undo ``encrypt_cbc``."""
    return cryptolib.aes(key, _CBC, iv).decrypt(blocks)


def flush_to_disk(file):
    """Return when what was written to ``file`` is durable: fsync on the unix port, lfs_file_sync on littlefs."""
    file.flush()


def sync_directory(path):
    """Make a rename inside ``path`` durable; only the host's file systems need it, littlefs has no such step."""
    if sys.platform != "linux":
        return
    try:
        with open(path or "/", "rb") as directory:
            directory.flush()
    except OSError as error:
        # A littlefs mounted inside the unix port: its directories cannot be opened, its renames are durable.
        if error.errno != errno.EISDIR and error.errno != errno.ENOENT:
            raise


def _writable(sock):
    yield asyncio.core._io_queue.queue_write(sock)


def _start_connect(host, port):
    address = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
    sock = socket.socket(address[0], address[1], address[2])
    try:
        sock.setblocking(False)
        sock.setsockopt(_TCP_LEVEL, _TCP_NODELAY, 1)
        sock.connect(address[-1])
    except OSError as error:
        if error.errno not in _EINPROGRESS:
            sock.close()
            raise
    return sock


def _wrap(sock, tls):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=tls.ca_der)
    if tls.cert_der is not None:
        context.load_cert_chain(tls.cert_der, tls.key_der)
    wrapped = context.wrap_socket(sock, server_hostname=tls.server_hostname, do_handshake_on_connect=False)
    wrapped.setblocking(False)
    return wrapped


async def open_stream(host, port, tls):
    """Return a stream to ``host``:``port``; ``tls`` is a TlsSettings or None. Raises ``OSError`` or ``PeerError``.

    Nagle is off: an acknowledgement followed by a publish would else wait 40 ms for the peer's delayed ACK.
    The TLS handshake happens inside the first ``write_all``. Name resolution blocks.
    """
    sock = _start_connect(host, port)
    try:
        # TLS must not be polled before TCP is up: lwIP reports a connecting socket as hung up.
        await _writable(sock)
        return asyncio.StreamReader(_wrap(sock, tls) if tls is not None else sock)
    except ValueError as error:
        sock.close()
        raise PeerError("tls-refused", str(error).strip(), _TLS_HINT)
    except BaseException:
        sock.close()  # also when the waiting task is cancelled: a board has few sockets
        raise


async def read_into(stream, view):
    """Wait for bytes, put them into ``view`` and return how many; 0 means that the peer has closed."""
    while True:
        count = await stream.readinto(view)
        if count is not None:
            return count


async def write_all(stream, view):
    """Write all of ``view``; one task at a time. Raises ``PeerError`` when the peer's certificate is refused."""
    try:
        stream.write(view)
        await stream.drain()
    except ValueError as error:
        raise PeerError("tls-refused", str(error).strip(), _TLS_HINT)
    except OSError as error:
        if error.errno is not None and error.errno < -1:  # mbedTLS numbers its errors below zero
            raise PeerError("tls-refused", str(error), _TLS_HINT)
        raise


def close_stream(stream):
    """Close at once; what the peer thinks of it does not matter any more."""
    try:
        stream.s.close()
    except OSError:
        pass  # close_notify could not be sent on a dead connection
