"""The same runtime on CPython, for simulated boards and for hosts without MicroPython.

Imported through ``platform`` only; it must still compile for MicroPython, as all files of this folder do.
"""

import asyncio
import os
import signal
import ssl
import sys
import tempfile
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from perunika.errors import PeerError

_TLS_HINT = "check the CA certificate, the host name and this machine's clock"

urandom = os.urandom
_readers = {}  # a pipe can be connected once


def now_s():
    """Return the wall time in whole seconds of the Unix epoch."""
    return int(time.time())


def ticks_ms():
    """Return a monotonic count of milliseconds."""
    return time.monotonic_ns() // 1000000


def elapsed_ms(start_ms):
    """Return the milliseconds since ``start_ms``, a value of ``ticks_ms``."""
    return ticks_ms() - start_ms


def unique_id():
    """Return None: a host has no id that stays with it."""


def make_directory(path):
    """Make the directory ``path`` unless it is there; its parent must exist."""
    try:
        os.mkdir(path)
    except FileExistsError:
        pass


async def read_line(file):
    """Return the next line of ``file`` (a pipe or a terminal) as bytes, b"" at its end."""
    loop = asyncio.get_running_loop()
    if file not in _readers:
        _readers[file] = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(_readers[file]), file)
    return await _readers[file].readline()


def collect():
    """Do nothing: a host collects by itself."""


def collect_every(allocated_bytes):
    """Do nothing: a host has memory enough."""


def remember_keys(count):
    """Do nothing: a host has memory enough."""


def on_terminate(stop):
    """Call ``stop`` when somebody asks this process to end."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)


stdin = sys.stdin


def heap_used_bytes():
    """Return 0: CPython has no bounded heap to report."""
    return 0


def encrypt_cbc(key, iv, blocks):
    """Return AES-CBC of ``blocks`` (a multiple of 16 bytes, no padding is added)."""
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(blocks) + encryptor.finalize()


def decrypt_cbc(key, iv, blocks):
    """Undo ``encrypt_cbc``."""
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return decryptor.update(blocks) + decryptor.finalize()


def flush_to_disk(file):
    """Return when what was written to ``file`` is durable."""
    file.flush()
    os.fsync(file.fileno())


def sync_directory(path):
    """Make a rename inside ``path`` durable."""
    descriptor = os.open(path or "/", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _load_identity(context, tls):
    # OpenSSL reads a chain from a file only; the key is on disk for the time of this call, readable by us alone.
    key = serialization.load_der_private_key(tls.key_der, None)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    descriptor, path = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem + ssl.DER_cert_to_PEM_cert(tls.cert_der).encode())
        context.load_cert_chain(path)
    finally:
        os.remove(path)


def _context(tls):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=tls.ca_der)
    if tls.cert_der is not None:
        _load_identity(context, tls)
    return context


async def open_stream(host, port, tls):
    """Return a stream to ``host``:``port``; ``tls`` is a TlsSettings or None. Raises ``OSError`` or ``PeerError``.

    asyncio switches Nagle off itself.
    """
    if tls is None:
        return await asyncio.open_connection(host, port)
    try:
        return await asyncio.open_connection(host, port, ssl=_context(tls), server_hostname=tls.server_hostname)
    except ssl.SSLError as error:
        raise PeerError("tls-refused", str(error), _TLS_HINT) from error


async def read_into(stream, view):
    """Wait for bytes, put them into ``view`` and return how many; 0 means that the peer has closed."""
    chunk = await stream[0].read(len(view))
    view[: len(chunk)] = chunk
    return len(chunk)


async def write_all(stream, view):
    """Write all of ``view``; one task at a time."""
    stream[1].write(bytes(view))  # a copy: the transport may keep what it could not send yet
    await stream[1].drain()


def close_stream(stream):
    """Close at once; what the peer thinks of it does not matter any more."""
    stream[1].transport.abort()
