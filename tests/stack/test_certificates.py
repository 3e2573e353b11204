"""Certificates are what a TLS client of any kind accepts for the hosts they name, and for no others."""

import socket
import ssl
import threading
from pathlib import Path

import pytest

from perunika_cli.stack.certificates import Authority, ServerFiles


def handshake(server: ServerFiles, ca: Path, host: str) -> str:
    """Return the TLS version on which a client that trusts ``ca`` and calls ``host`` agrees with the server."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(server.certificate_pem, server.key_pem)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            try:
                with connection, server_context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(1)
            except ssl.SSLError:
                pass  # the client has refused us, which its side of the test reports

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            with (
                socket.create_connection(listener.getsockname()) as connection,
                ssl.create_default_context(cafile=str(ca)).wrap_socket(connection, server_hostname=host) as secured,
            ):
                return str(secured.version())
        finally:
            thread.join(5)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_the_names_of_this_machine_are_accepted(tmp_path: Path, host: str) -> None:
    server = Authority(tmp_path).issue("broker")
    assert handshake(server, server.ca_pem, host) in ("TLSv1.2", "TLSv1.3")


def test_another_name_is_refused(tmp_path: Path) -> None:
    server = Authority(tmp_path).issue("broker", ["broker.example"])
    with pytest.raises(ssl.SSLCertVerificationError, match="localhost"):
        handshake(server, server.ca_pem, "localhost")


def test_another_ca_is_refused(tmp_path: Path) -> None:
    server = Authority(tmp_path / "ours").issue("broker")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, Authority(tmp_path / "theirs").ca_pem, "localhost")


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    server = Authority(tmp_path).issue("broker", valid_days=0)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        handshake(server, server.ca_pem, "localhost")


def test_the_ca_is_made_once_and_serves_the_next_run(tmp_path: Path) -> None:
    first = Authority(tmp_path).ca_pem.read_bytes()
    server = Authority(tmp_path).issue("hub")
    assert server.ca_pem.read_bytes() == first
    assert handshake(server, server.ca_pem, "localhost").startswith("TLS")


def test_the_der_file_for_boards_is_the_same_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    assert ssl.PEM_cert_to_DER_cert(authority.ca_pem.read_text()) == authority.ca_der.read_bytes()
