"""A real mosquitto for tests, with TLS, passwords and access rules, that can be killed, paused and started again."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

from tests.support.certificates import Authority, write_pair

HOST_NAMES = ("localhost", "127.0.0.1")


def mosquitto_path() -> str:
    """Return the broker's executable; Debian keeps it in /usr/sbin, which is not on everybody's path."""
    found = shutil.which("mosquitto", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
    if found is None:
        raise FileNotFoundError("mosquitto is not installed: apt-get install mosquitto")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """mosquitto on a loopback port, as a context manager.

    ``users``: name -> password; without any, anonymous clients may connect. ``acl``: text of an ACL file.
    ``names``, ``expired``: what the server's certificate says. ``client_certificates``: demand one of every client.
    ``extra``: more configuration lines. The session store is on disk, so it survives ``kill`` when ``persistence``.
    """

    def __init__(
        self,
        directory: Path,
        tls: bool = True,
        users: dict[str, str] | None = None,
        acl: str | None = None,
        names: tuple[str, ...] = HOST_NAMES,
        expired: bool = False,
        client_certificates: bool = False,
        extra: str = "",
    ) -> None:
        self.directory = directory
        self.tls = tls
        self.port = free_port()
        self.authority = Authority()
        self.ca_der_path = directory / "ca.der"
        self.ca_pem_path = directory / "ca.pem"
        self.log_path = directory / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._write_certificates(names, expired)
        self._write_configuration(users or {}, acl, client_certificates, extra)

    def _write_certificates(self, names: tuple[str, ...], expired: bool) -> None:
        self.ca_der_path.write_bytes(self.authority.der)
        self.ca_pem_path.write_bytes(self.authority.pem)
        write_pair(self.directory, "server", *self.authority.issue("broker", names, expired))

    def _write_configuration(
        self, users: dict[str, str], acl: str | None, client_certificates: bool, extra: str
    ) -> None:
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {'false' if users else 'true'}",
            "set_tcp_nodelay true",
            "persistence true",
            "autosave_interval 1",
            "autosave_on_changes true",
            f"persistence_location {self.directory}/",
            f"log_dest file {self.log_path}",
            "log_type all",
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # else it drops its rights and cannot read this directory
        if self.tls:
            lines += [f"certfile {self.directory}/server.pem", f"keyfile {self.directory}/server.key"]
        if self.tls and client_certificates:
            lines += [f"cafile {self.ca_pem_path}", "require_certificate true", "use_identity_as_username true"]
        if users:
            lines.append(f"password_file {self._write_passwords(users)}")
        if acl is not None:
            self.directory.joinpath("acl").write_text(acl)
            lines.append(f"acl_file {self.directory}/acl")
        self.directory.joinpath("mosquitto.conf").write_text("\n".join(lines) + "\n" + extra + "\n")

    def _write_passwords(self, users: dict[str, str]) -> Path:
        path = self.directory / "passwords"
        path.write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
        path.chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-U", str(path)], check=True, capture_output=True)
        return path

    def __enter__(self) -> "Broker":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start on the same port as before; returns when it listens."""
        command = [mosquitto_path(), "-c", str(self.directory / "mosquitto.conf")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("mosquitto did not start: " + self.log())
            time.sleep(0.02)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError("the broker is not running")
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill -9, as a power failure would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Stop it in its tracks: connections stay, nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
