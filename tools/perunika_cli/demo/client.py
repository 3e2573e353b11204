"""The demo's byte client: somebody behind device 1's gate, who gets bytes while the board pays and none otherwise."""

import asyncio
import json
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any

from perunika.errors import LocalError
from perunika_host.mqtt_link import MqttLink
from perunika_host.mqtt_settings import MqttSettings

ACCESS_TIMEOUT_S = 60.0
CHUNK_BYTES = 4096


class GateClient:
    """Downloads through the gate in a thread of its own; ``bytes_paid`` grows while it is let through."""

    def __init__(self, gate_url: str) -> None:
        self.gate_url = gate_url
        self.bytes_paid = 0
        self.headers: dict[str, str] = {}
        self.ended = threading.Event()

    def status_without_payment(self, headers: dict[str, str] | None = None) -> int:
        """Return what the gate answers to somebody who does not pay; raises LocalError if it lets bytes through."""
        request = urllib.request.Request(self.gate_url, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                answer.read(1)
        except urllib.error.HTTPError as error:
            return error.code
        raise LocalError("demo.gate", "the gate served somebody who has not paid", "")

    def start(self, access: dict[str, Any]) -> None:
        """Begin to download with the access that the gateway gave the paying board."""
        self.headers = {"Perunika-Channel": access["handle"], "Perunika-Token": access["token"]}
        threading.Thread(target=self._download, daemon=True).start()

    def _download(self) -> None:
        deadline_s = time.monotonic() + ACCESS_TIMEOUT_S
        while time.monotonic() < deadline_s and not self.ended.is_set():
            try:
                with urllib.request.urlopen(
                    urllib.request.Request(self.gate_url, headers=self.headers), timeout=60
                ) as answer:
                    while chunk := answer.read1(CHUNK_BYTES):
                        self.bytes_paid += len(chunk)
                return
            except (OSError, HTTPException):  # the gate cuts the body when the channel is closed
                if self.bytes_paid:
                    return
                time.sleep(0.2)


async def _access(settings: MqttSettings, topic: str) -> dict[str, Any]:
    found: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def take(_topic: str, payload: bytes) -> None:
        if payload and not found.done():
            found.set_result(json.loads(payload))

    async with MqttLink(settings) as link:
        link.subscribe(topic, take)
        return await asyncio.wait_for(found, ACCESS_TIMEOUT_S)


def wait_for_access(port: int, ca_file: Path, user: str, password_file: Path, site: str) -> dict[str, Any]:
    """Return handle and token of a board's newest channel, from its access topic; raises LocalError in vain."""
    settings = MqttSettings(
        "localhost", port, f"phone-{user[:8]}", ca_file=ca_file, user=user, password_file=password_file
    )
    try:
        return asyncio.run(_access(settings, f"perunika/1/{site}/{user}/access"))
    except TimeoutError as error:
        raise LocalError("demo.access", "the gateway gave the paying board no access", "see shop.log") from error
