"""A private certificate authority and server certificates for brokers and web services of a demo or a site.

ECDSA on P-256, which a board's TLS can verify in tens of milliseconds. Boards read DER, hosts PEM.
"""

import datetime
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS = 3650
SERVER_DAYS = 825
# A board's clock may be behind ours by hours before it has asked for the time.
BACKDATE = datetime.timedelta(days=1)
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ServerFiles:
    """Where a server's certificate and key are, and the CA that its clients must trust."""

    certificate_pem: Path
    key_pem: Path
    ca_pem: Path
    ca_der: Path


class Authority:
    """A CA that lives in ``directory``: made at first use, read again afterwards.

    Files (all of mode 0600): ``ca.key``, ``ca.pem``, ``ca.der``, and for each server ``<name>.key``, ``<name>.pem``.
    """

    def __init__(self, directory: Path, common_name: str = "Perunika private CA") -> None:
        self.directory = directory
        self.ca_pem = directory / "ca.pem"
        self.ca_der = directory / "ca.der"
        self._key_path = directory / "ca.key"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._key_path.exists() and self.ca_pem.exists():
            self._load()
        else:
            self._create(common_name)

    def _load(self) -> None:
        key = serialization.load_pem_private_key(self._key_path.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self._key_path} holds no elliptic-curve key")
        self._key = key
        self._certificate = x509.load_pem_x509_certificate(self.ca_pem.read_bytes())
        write_private(self.ca_der, self._certificate.public_bytes(serialization.Encoding.DER))

    def _create(self, common_name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = _builder(name, name, self._key.public_key(), CA_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_key_usage(is_ca=True), critical=True)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        write_private(self.ca_pem, self._certificate.public_bytes(serialization.Encoding.PEM))
        write_private(self.ca_der, self._certificate.public_bytes(serialization.Encoding.DER))
        write_private(self._key_path, _key_pem(self._key))

    def issue(self, name: str, hosts: Sequence[str] = LOOPBACK_HOSTS, valid_days: int = SERVER_DAYS) -> ServerFiles:
        """Make a new key and certificate for a server that is reached under ``hosts`` (names or addresses)."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
        builder = _builder(subject, self._certificate.subject, key.public_key(), valid_days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(is_ca=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        files = ServerFiles(self.directory / f"{name}.pem", self.directory / f"{name}.key", self.ca_pem, self.ca_der)
        write_private(files.key_pem, _key_pem(key))
        write_private(files.certificate_pem, certificate.public_bytes(serialization.Encoding.PEM))
        return files


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, from its first byte on; an older file is replaced in one step."""
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, valid_days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + datetime.timedelta(days=valid_days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
