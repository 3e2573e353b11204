"""Configuration of a mosquitto broker with two TLS listeners, each with users and rights of its own."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from perunika_cli.stack.certificates import ServerFiles, write_private
from perunika_cli.stack.logins import Login, hash_password

READY_LINE = r"mosquitto version \S+ running"
MINIMUM_VERSION = (2, 0)  # below, per-listener rights and the password format differ
# Bounds per client that is away; our messages are below 2 KB and carry acknowledgements of their own.
MAX_QUEUED_MESSAGES = 4_000
MAX_QUEUED_BYTES = 8 * 1024 * 1024
MAX_INFLIGHT_MESSAGES = 64
MAX_PACKET_BYTES = 64 * 1024
SAVE_INTERVAL_S = 1
_DEBIAN_PATH = "/usr/sbin"  # not on the PATH of ordinary users


@dataclass(frozen=True)
class Listener:
    """One port of the broker and who may use it."""

    name: str
    address: str
    port: int
    logins: tuple[Login, ...]


def find_mosquitto() -> Path | None:
    """Return the path of a mosquitto of version 2 or later, ``None`` when there is none on this machine."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path=_DEBIAN_PATH)
    if found is None:
        return None
    answer = subprocess.run([found, "-h"], capture_output=True, text=True, check=False, timeout=10)
    match = re.search(r"mosquitto version (\d+)\.(\d+)", answer.stdout)
    if match is None or (int(match[1]), int(match[2])) < MINIMUM_VERSION:
        return None
    return Path(found)


def write_configuration(directory: Path, listeners: Iterable[Listener], server: ServerFiles) -> Path:
    """Write ``mosquitto.conf`` with its password and ACL files (mode 0600) to ``directory``; return its path."""
    database = directory / "sessions"
    database.mkdir(parents=True, exist_ok=True, mode=0o700)
    lines = _general(database)
    for listener in listeners:
        passwords = directory / f"{listener.name}.passwords"
        rights = directory / f"{listener.name}.acl"
        write_private(passwords, password_file(listener.logins).encode())
        write_private(rights, acl_file(listener.logins).encode())
        lines += _listener(listener, server, passwords, rights)
    path = directory / "mosquitto.conf"
    write_private(path, ("\n".join(lines) + "\n").encode())
    return path


def password_file(logins: Iterable[Login]) -> str:
    """Return the text of a password file."""
    return "".join(f"{login.user}:{hash_password(login.password)}\n" for login in logins)


def acl_file(logins: Iterable[Login]) -> str:
    """Return the text of an ACL file; whatever it does not name is forbidden."""
    return "".join(f"user {login.user}\ntopic readwrite {login.topics}\n" for login in logins)


def _general(database: Path) -> list[str]:
    # As root mosquitto would drop to a user that cannot read our private files.
    user = ["user root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return [
        *user,
        "per_listener_settings true",
        "set_tcp_nodelay true",
        f"max_queued_messages {MAX_QUEUED_MESSAGES}",
        f"max_queued_bytes {MAX_QUEUED_BYTES}",
        f"max_inflight_messages {MAX_INFLIGHT_MESSAGES}",
        f"max_packet_size {MAX_PACKET_BYTES}",
        "persistent_client_expiration 7d",
        "persistence true",
        f"persistence_location {database}",
        f"autosave_interval {SAVE_INTERVAL_S}",
        "sys_interval 0",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_type information",
    ]


def _listener(listener: Listener, server: ServerFiles, passwords: Path, rights: Path) -> list[str]:
    return [
        f"listener {listener.port} {listener.address}",
        "allow_anonymous false",
        f"password_file {passwords}",
        f"acl_file {rights}",
        f"certfile {server.certificate_pem}",
        f"keyfile {server.key_pem}",
        "tls_version tlsv1.2",  # the lowest version; boards have no 1.3
    ]
