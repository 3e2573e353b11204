"""Doctor's look at a broker: TLS, login, and whether its access rules give us our topics and nothing else."""

import asyncio
import secrets
from dataclasses import replace
from pathlib import Path

from perunika.errors import PerunikaError
from perunika_cli.checks import Finding, bad, ok
from perunika_host.mqtt_link import MqttLink
from perunika_host.mqtt_settings import MqttSettings

TIMEOUT_S = 6.0


async def broker(name: str, settings: MqttSettings, own_topic: str, foreign_topic: str) -> list[Finding]:
    """Log in, send ourselves a message on ``own_topic``, try to write to ``foreign_topic``.

    The session is one of its own and ends at once: that of the running service stays.
    """
    session = replace(settings, client_id="doctor-" + secrets.token_hex(6), session_expiry_s=0)
    try:
        async with MqttLink(replace(session, availability_topic=None)) as link:
            return await _looked(name, link, own_topic, foreign_topic)
    except PerunikaError as error:
        return [bad(name, error)]


async def _looked(name: str, link: MqttLink, own_topic: str, foreign_topic: str) -> list[Finding]:
    token, came = secrets.token_bytes(8), asyncio.Event()

    async def handle(_: str, payload: bytes) -> None:
        if payload == token:
            came.set()

    link.subscribe(own_topic, handle)
    await link.wait_connected(TIMEOUT_S)
    settings, who = link.settings, _who(link.settings)
    place = f"{settings.host}:{settings.port}"
    findings = [
        ok(name, f"{place}, MQTT {link.state.protocol}, TLS") if settings.ca_file else _without_tls(name, place)
    ]
    await link.publish(own_topic, token)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await came.wait()
        findings.append(ok(f"{name} rights", f"{who} may use {Path(own_topic).parent}"))
    except TimeoutError:
        fix = f"let {who} read and write {Path(own_topic).parent}/# in the broker's access rules"
        findings.append(Finding(f"{name} rights", "bad", f"no message comes through {own_topic}", fix))
    return findings + await _foreign(name, link, foreign_topic)


def _who(settings: MqttSettings) -> str:
    return settings.user or "a client without user (no user is configured)"


def _without_tls(name: str, place: str) -> Finding:
    return Finding(name, "note", f"{place} without TLS", "set ca_file; without TLS only a loopback broker is safe")


async def _foreign(name: str, link: MqttLink, foreign_topic: str) -> list[Finding]:
    """Only MQTT 5 tells a client that it may not write somewhere."""
    if link.state.protocol != "5":
        return []
    before = link.state.refused_out
    await link.publish_confirmed(foreign_topic, b"may I?", TIMEOUT_S)
    if link.state.refused_out > before:
        return [ok(f"{name} limits", f"{_who(link.settings)} may not write to other topics")]
    text = f"{_who(link.settings)} may write to {foreign_topic}, which is not its own"
    fix = "give each user of the broker only its own topics"
    if link.settings.user is None:
        fix += ", refuse clients without user, and set user and password_file"
    return [Finding(f"{name} limits", "bad", text, fix)]
