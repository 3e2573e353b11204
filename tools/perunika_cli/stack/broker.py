"""The MQTT broker of a demo or a system test: two TLS listeners, one for the site and one for the hub's members."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from perunika.errors import LocalError
from perunika_cli.stack.certificates import LOOPBACK_HOSTS, Authority, write_private
from perunika_cli.stack.logins import Login, hash_password, hub_logins, site_logins
from perunika_cli.stack.mosquitto import READY_LINE, Listener, find_mosquitto, write_configuration
from perunika_cli.stack.ports import free_port
from perunika_cli.stack.process import Process

READY_TIMEOUT_S = 15.0
EMBEDDED_READY_LINE = r"^embedded broker ready$"
Kind = Literal["mosquitto", "amqtt"]
ListenerName = Literal["site", "hub"]


class Broker:
    """A broker with its own CA, users and rights under ``directory``.

    ``devices``, ``gateways``, ``members`` and ``hub`` map user names to passwords. Devices and gateways log in at
    ``site_port``, members and the hub at ``hub_port``; nobody's password works at the other port. Topics: see
    ``logins``. ``kind`` picks the program; by default mosquitto, and amqtt where mosquitto is missing (then there
    is no MQTT 5, and sessions do not survive a restart, ADR-0003).
    """

    def __init__(
        self,
        directory: Path,
        *,
        site: str = "demo",
        devices: Mapping[str, str] | None = None,
        gateways: Mapping[str, str] | None = None,
        members: Mapping[str, str] | None = None,
        hub: Mapping[str, str] | None = None,
        address: str = "127.0.0.1",
        hosts: tuple[str, ...] = LOOPBACK_HOSTS,
        kind: Kind | None = None,
    ) -> None:
        self.directory = directory = directory.resolve()
        self.site = site
        self.address = address
        self.site_logins = site_logins(site, devices or {}, gateways or {})
        self.hub_logins = hub_logins(hub or {}, members or {})
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._server = Authority(directory / "tls").issue("broker", hosts)
        self.ca_pem = self._server.ca_pem
        self.ca_der = self._server.ca_der
        self._write_password_files()
        self.site_port = free_port(address)
        self.hub_port = _other_port(address, self.site_port)
        self.kind, self.process = self._choose(kind)

    @property
    def speaks_mqtt5(self) -> bool:
        """Whether clients may ask for MQTT 5; amqtt closes the connection of those that do."""
        return self.kind == "mosquitto"

    @property
    def keeps_sessions(self) -> bool:
        """Whether subscriptions and queued messages are there again after a restart."""
        return self.kind == "mosquitto"

    def password_path(self, listener: ListenerName, user: str) -> Path:
        """Return the file (mode 0600) with the password of ``user``, for configurations that refer to secrets."""
        return self.directory / "passwords" / listener / user

    def _write_password_files(self) -> None:
        everybody: dict[ListenerName, list[Login]] = {"site": self.site_logins, "hub": self.hub_logins}
        for listener, logins in everybody.items():
            (self.directory / "passwords" / listener).mkdir(parents=True, exist_ok=True, mode=0o700)
            for login in logins:
                write_private(self.password_path(listener, login.user), login.password.encode())

    def _choose(self, kind: Kind | None) -> tuple[Kind, Process]:
        program = None if kind == "amqtt" else find_mosquitto()
        if kind == "mosquitto" and program is None:
            raise LocalError(
                "stack.no-mosquitto",
                "mosquitto 2 is not installed",
                "install it (`apt-get install mosquitto`), or leave out the kind to use the embedded broker",
            )
        log_path = self.directory / "broker.log"
        if program is None:
            return "amqtt", Process("broker (amqtt)", self._embedded_argv(), log_path)
        listeners = [
            Listener("site", self.address, self.site_port, tuple(self.site_logins)),
            Listener("hub", self.address, self.hub_port, tuple(self.hub_logins)),
        ]
        configuration = write_configuration(self.directory, listeners, self._server)
        return "mosquitto", Process("broker (mosquitto)", [program, "-c", configuration], log_path)

    def _embedded_argv(self) -> list[str | Path]:
        configuration = {
            "certificate": str(self._server.certificate_pem),
            "key": str(self._server.key_pem),
            "listeners": [
                {"bind": f"{self.address}:{self.site_port}", "users": _hashed(self.site_logins)},
                {"bind": f"{self.address}:{self.hub_port}", "users": _hashed(self.hub_logins)},
            ],
        }
        path = self.directory / "embedded.json"
        write_private(path, json.dumps(configuration, indent=1).encode())
        return [sys.executable, "-m", "perunika_cli.stack.embedded_broker", path]

    def start(self) -> None:
        """Start it, on the same ports as before; returns when it accepts connections.

        Raises ``LocalError`` with the end of its log when it does not come up.
        """
        self.process.start()
        ready_line = READY_LINE if self.kind == "mosquitto" else EMBEDDED_READY_LINE
        try:
            self.process.wait_for_line(ready_line, READY_TIMEOUT_S)
        except BaseException:  # also Ctrl-C
            self.process.kill()
            raise

    def stop(self) -> None:
        """End it cleanly."""
        self.process.stop()

    def kill(self) -> None:
        """End it with SIGKILL; what happened in the last second or two is forgotten."""
        self.process.kill()

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing moves."""
        self.process.pause()

    def resume(self) -> None:
        """Undo ``pause``."""
        self.process.resume()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _other_port(address: str, taken: int) -> int:
    port = free_port(address)
    return port if port != taken else _other_port(address, taken)


def _hashed(logins: list[Login]) -> dict[str, dict[str, str]]:
    return {login.user: {"password": hash_password(login.password), "topics": login.topics} for login in logins}
