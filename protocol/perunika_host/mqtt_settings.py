"""What an MQTT link needs to know, and what it tells about itself."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from perunika.errors import LocalError


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """How to reach a broker. ``client_id`` must be stable: the broker keeps the session under it.

    ``ca_file`` turns TLS on; the broker's certificate and name are always checked. ``availability_topic``
    holds ``online`` / ``offline``, retained, the latter also as last will. ``protocol`` is "5", "3.1.1" or "auto":
    5 first, and 3.1.1 once the broker refuses it, hangs up on it or leaves it without an answer.
    """

    host: str
    port: int
    client_id: str
    ca_file: Path | None = None
    user: str | None = None
    password_file: Path | None = None
    availability_topic: str | None = None
    protocol: str = "auto"
    keepalive_s: int = 30
    session_expiry_s: int = 7 * 86400
    retry_min_s: float = 0.25
    retry_max_s: float = 30.0
    max_out: int = 2000
    max_in: int = 2000

    def tls_context(self) -> ssl.SSLContext | None:
        """Return a verifying TLS context, or None for plain TCP. Raises LocalError on a bad CA file."""
        if self.ca_file is None:
            return None
        try:
            context = ssl.create_default_context(cafile=str(self.ca_file))
        except OSError as error:  # ssl.SSLError is one
            raise LocalError(
                "mqtt.ca",
                f"{self.ca_file}: {error.strerror or error}",
                "name a PEM file with the broker's CA certificate",
            ) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.hostname_checks_common_name = False
        return context


@dataclass(slots=True)
class LinkState:
    """A snapshot for people: is it up, since when (Unix time), what went wrong last, what was dropped."""

    connected: bool = False
    changed_s: float = 0.0
    protocol: str = "5"
    last_error: LocalError | None = None
    connects: int = 0
    sent: int = 0
    received: int = 0
    dropped_in: int = 0
    dropped_out: int = 0
    refused_out: int = 0
    handler_failures: int = 0
    refused_filters: list[str] = field(default_factory=list)


def connect_failure(settings: MqttSettings, error: BaseException | None) -> LocalError:
    """Return the LocalError for a connection that never came about: whose fault, what to do."""
    place = f"{settings.host}:{settings.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return LocalError(
            "mqtt.certificate",
            f"the broker at {place} shows a certificate that does not hold: {error.verify_message}",
            "check ca_file and the host name; do not go on without",
        )
    if isinstance(error, ssl.SSLError):
        return LocalError("mqtt.tls", f"TLS with {place} failed: {error.reason}", "is this the broker's TLS port?")
    reason = getattr(error, "strerror", None) or str(error or "no answer")
    return LocalError(
        "mqtt.unreachable", f"no broker at {place}: {reason}", "start the broker, or correct host and port; retrying"
    )


def refusal(settings: MqttSettings, reason: str) -> LocalError:
    """Return the LocalError for a broker that answers and refuses us."""
    hint = (
        "check user and password_file"
        if "auth" in reason.lower() or "user name" in reason.lower()
        else "ask its operator"
    )
    return LocalError("mqtt.refused", f"the broker at {settings.host}:{settings.port} refuses us: {reason}", hint)


def acl_refusal(settings: MqttSettings, what: str) -> LocalError:
    """Return the LocalError for a broker whose access rules do not allow what we asked for."""
    place = f"{settings.host}:{settings.port}"
    return LocalError(
        "mqtt.acl", f"the broker at {place} refuses {what}", "check our user and the broker's access rules"
    )
