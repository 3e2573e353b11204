"""One face for two runtimes: MicroPython on a board, CPython where no MicroPython exists.

Everything that differs between them sits in ``platform_micropython`` and ``platform_cpython``, which offer the
same names; all other modules of the board import from here only. Times are Unix epoch seconds everywhere
(details.md, Time).
"""

import sys

from perunika.errors import LocalError

ON_MICROPYTHON = sys.implementation.name == "micropython"

if ON_MICROPYTHON:
    from perunika_device import platform_micropython as _runtime
else:
    from perunika_device import platform_cpython as _runtime  # type: ignore[no-redef]

now_s = _runtime.now_s
ticks_ms = _runtime.ticks_ms
elapsed_ms = _runtime.elapsed_ms
urandom = _runtime.urandom
unique_id = _runtime.unique_id
make_directory = _runtime.make_directory
read_line = _runtime.read_line
collect = _runtime.collect
collect_every = _runtime.collect_every
remember_keys = _runtime.remember_keys
on_terminate = _runtime.on_terminate
stdin = _runtime.stdin
heap_used_bytes = _runtime.heap_used_bytes
encrypt_cbc = _runtime.encrypt_cbc
decrypt_cbc = _runtime.decrypt_cbc
sync_directory = _runtime.sync_directory
flush_to_disk = _runtime.flush_to_disk
open_stream = _runtime.open_stream
read_into = _runtime.read_into
write_all = _runtime.write_all
close_stream = _runtime.close_stream


class TlsSettings:
    """What a TLS 1.2 connection needs: whom to trust, which name to expect, and perhaps who we are.

    ``ca_der``: the one trusted root, DER. ``server_hostname``: the name that the certificate must carry.
    ``cert_der`` and ``key_der``: our own certificate and key, both or neither. There is no way to switch the
    checks off. Raises ``LocalError`` when a part is missing.
    """

    def __init__(self, ca_der, server_hostname, cert_der=None, key_der=None):
        if not ca_der or not server_hostname:
            raise LocalError("tls-settings", "a CA certificate and a host name are both needed", "see the device guide")
        if (cert_der is None) != (key_der is None):
            raise LocalError("tls-settings", "a client certificate and its key go together", "give both or neither")
        self.ca_der = ca_der
        self.server_hostname = server_hostname
        self.cert_der = cert_der
        self.key_der = key_der
