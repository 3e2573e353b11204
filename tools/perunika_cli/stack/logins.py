"""Who may log in at a broker, and below which topic each of them may publish and subscribe (protocol.md, §6)."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from perunika.errors import LocalError

ROOT = "perunika/1"
# Member topics live under perunika/1/hub; a site of that name would share them.
RESERVED_SITE = "hub"
FORBIDDEN_CHARACTERS = '/+#:$\\"'
HASH_ROUNDS = 101  # mosquitto's own default; passwords made by `new_password` hold 192 bits, no stretching needed
SALT_BYTES = 12


@dataclass(frozen=True)
class Login:
    """One user of one listener; ``topics`` is the single subtree that it may read and write."""

    user: str
    password: str
    topics: str


def site_logins(site: str, devices: Mapping[str, str], gateways: Mapping[str, str]) -> list[Login]:
    """Return the users of the site's listener: a device owns its subtree, a gateway the whole site.

    Both mappings go from name to password. Raises ``LocalError`` for a name that is no single topic level.
    """
    _check_name("site", site)
    if site == RESERVED_SITE:
        raise LocalError("stack.bad-name", f"a site cannot be called {site!r}", "member topics have that name")
    below_site = f"{ROOT}/{site}"
    logins = [Login(name, password, f"{below_site}/{name}/#") for name, password in devices.items()]
    logins += [Login(name, password, f"{below_site}/#") for name, password in gateways.items()]
    return _checked(logins)


def hub_logins(hub: Mapping[str, str], members: Mapping[str, str]) -> list[Login]:
    """Return the users of the hub's listener: a member owns its subtree, the hub all of them."""
    below_hub = f"{ROOT}/hub"
    logins = [Login(name, password, f"{below_hub}/#") for name, password in hub.items()]
    logins += [Login(name, password, f"{below_hub}/{name}/#") for name, password in members.items()]
    return _checked(logins)


def new_password() -> str:
    """Return a fresh random password."""
    return secrets.token_urlsafe(24)


def covers(topics: str, wanted: str) -> bool:
    """Whether the subtree ``topics`` (``…/#``) holds everything that topic or filter ``wanted`` can match."""
    stem = topics.removesuffix("/#")
    return wanted == stem or wanted.startswith(stem + "/")


def hash_password(password: str) -> str:
    """Return ``$7$rounds$salt$hash`` (PBKDF2 with SHA-512), the format of mosquitto's password files."""
    salt = secrets.token_bytes(SALT_BYTES)
    derived = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ROUNDS)
    return f"$7${HASH_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(derived).decode()}"


def password_fits(password: str, hashed: str) -> bool:
    """Whether ``password`` is the one behind a ``hash_password`` result; compares in constant time."""
    _, _, rounds, salt, expected = hashed.split("$")
    derived = hashlib.pbkdf2_hmac("sha512", password.encode(), base64.b64decode(salt), int(rounds))
    return hmac.compare_digest(derived, base64.b64decode(expected))


def _checked(logins: list[Login]) -> list[Login]:
    seen: set[str] = set()
    for login in logins:
        _check_name("user", login.user)
        if login.user in seen:
            raise LocalError("stack.bad-name", f"two parties of one listener are called {login.user!r}")
        if not login.password:
            raise LocalError("stack.bad-password", f"the password of {login.user!r} is empty")
        seen.add(login.user)
    return logins


def _check_name(kind: str, name: str) -> None:
    # One topic level, one word of an ACL file, one field of a password file.
    if not name or any(c in FORBIDDEN_CHARACTERS or c.isspace() or not c.isprintable() for c in name):
        raise LocalError(
            "stack.bad-name",
            f"{name!r} cannot be the name of a {kind}",
            f"it must not be empty nor contain white space or any of {FORBIDDEN_CHARACTERS}",
        )
