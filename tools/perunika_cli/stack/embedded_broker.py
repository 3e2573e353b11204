"""A broker for machines without mosquitto: ``python -m perunika_cli.stack.embedded_broker configuration.json``.

Two independent amqtt brokers in one program, one per listener, each with its own users; nothing needs to cross from
the site's topics to the hub's. MQTT 3.1.1 only, and all in memory: ADR-0003.

The configuration: ``{"certificate", "key", "listeners": [{"bind": "address:port", "users": {name: {"password":
hashed, "topics": subtree}}}]}``.
"""

import asyncio
import contextlib
import json
import logging
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amqtt.broker import Broker
from amqtt.contexts import Action
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from perunika_cli.stack.logins import covers, password_fits

SESSION_EXPIRY_S = 7 * 24 * 3600
Users = dict[str, dict[str, str]]


class PasswordPlugin(BaseAuthPlugin):
    """Lets in who is listed, with the right password, and nobody without a name."""

    @dataclass
    class Config:
        """``users``: name -> hashed password and topics."""

        users: Users = field(default_factory=dict)

    async def authenticate(self, *, session: Session) -> bool | None:
        """Whether the CONNECT of this session carries a known name and its password."""
        user = self.config.users.get(session.username or "")
        return user is not None and password_fits(session.password or "", user["password"])


class SubtreePlugin(BaseTopicPlugin):
    """Keeps each user below its own topic: to publish, to subscribe and to receive."""

    @dataclass
    class Config:
        """``users``: name -> hashed password and topics."""

        users: Users = field(default_factory=dict)

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool | None:
        """Whether the user of this session may use ``topic``; the rule is the same for every action."""
        user = self.config.users.get(session.username or "") if session else None
        return user is not None and topic is not None and covers(user["topics"], topic)


def broker_configuration(listener: dict[str, Any], certificate: str, key: str) -> dict[str, Any]:
    """Return amqtt's configuration for one listener."""
    module = "perunika_cli.stack.embedded_broker"
    return {
        "listeners": {
            "default": {"type": "tcp", "bind": listener["bind"], "ssl": True, "certfile": certificate, "keyfile": key}
        },
        "session_expiry_interval": SESSION_EXPIRY_S,
        "plugins": {
            f"{module}.PasswordPlugin": {"users": listener["users"]},
            f"{module}.SubtreePlugin": {"users": listener["users"]},
        },
    }


async def serve(configuration: dict[str, Any]) -> None:
    """Serve every listener until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    brokers = []
    for listener in configuration["listeners"]:
        broker = Broker(broker_configuration(listener, configuration["certificate"], configuration["key"]))
        await broker.start()
        brokers.append(broker)
    print("embedded broker ready", flush=True)
    await ended.wait()
    for broker in brokers:
        # A client that does not close its side would hold the shutdown up for ever.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(broker.shutdown(), 2)


def main() -> None:
    """Read the configuration that the first argument names, and serve it."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text())))


if __name__ == "__main__":
    main()
