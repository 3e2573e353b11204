"""Names of topics: ``perunika/1/<site>/<device>/<end>`` at a site, ``perunika/1/hub/<member>/<end>`` at the hub."""

from perunika.errors import PeerError

ROOT = "perunika/1"


def site_topic(site: str, device: bytes, end: str) -> str:
    """Return a device's topic; ``end`` is up, down, access, availability or state."""
    return f"{ROOT}/{site}/{device.hex()}/{end}"


def hub_topic(member: bytes, end: str) -> str:
    """Return a member's topic at the hub's broker."""
    return f"{ROOT}/hub/{member.hex()}/{end}"


def device_of(topic: str) -> bytes:
    """Return the device that a site's topic names. Raises PeerError when it is no address in lower-case hex."""
    name = topic.split("/")[3] if topic.count("/") == 4 else ""
    if len(name) != 40 or any(c not in "0123456789abcdef" for c in name):
        raise PeerError("topic.wrong", "the topic names no device", "use the device's address, 40 lower-case digits")
    return bytes.fromhex(name)
