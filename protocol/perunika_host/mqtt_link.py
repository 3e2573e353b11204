"""MQTT for asyncio programs: paho-mqtt in its own thread, handlers in the event loop, nothing unbounded.

QoS 1 both ways over a persistent session; MQTT 5, or 3.1.1 where the broker knows no other. A message is
acknowledged to the broker only after its handler has finished (what the handler stored is durable then), so
kill -9 loses nothing that was acknowledged: the broker delivers it again. Handlers must be idempotent.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Self

from paho.mqtt.client import MQTTMessage, topic_matches_sub
from paho.mqtt.enums import MQTTProtocolVersion

from perunika.errors import LocalError, PerunikaError
from perunika_host.mqtt_client import MAX_PAYLOAD_BYTES, MQTT5, MQTT311, OFFLINE, MqttClient
from perunika_host.mqtt_settings import LinkState, MqttSettings, acl_refusal, connect_failure, refusal
from perunika_host.secret_file import read_secret

Handler = Callable[[str, bytes], Coroutine[Any, Any, None]]

log = logging.getLogger("perunika.mqtt")

ONLINE = b"online"
UNSUPPORTED_PROTOCOL = 132
CLOSE_TIMEOUT_S = 5.0
# How long a broker may leave an MQTT 5 greeting unanswered before it is taken for one of 3.1.1.
ANSWER_TIMEOUT_S = 3.0


class MqttLink:
    """One connection to one broker that comes back by itself; ``async with`` starts and ends it.

    Raises LocalError at construction for settings that cannot work (CA file, password file). A broker that is
    down is no exception: ``state.last_error`` says what is wrong, messages wait up to ``max_out``.
    """

    def __init__(self, settings: MqttSettings) -> None:
        self.settings = settings
        settings.tls_context()
        self._password = read_secret(settings.password_file) if settings.password_file else None
        self._state = LinkState(changed_s=time.time())
        self._handlers: list[tuple[str, Handler]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._confirmations: dict[int, asyncio.Future[None]] = {}
        self._subscribing: dict[int, str] = {}
        # Messages of before the first connection: only that tells which protocol version to queue them for.
        self._early: deque[tuple[str, bytes, bool]] = deque()
        self._up = asyncio.Event()
        # Counts connections: a late acknowledgement must not hit another message under the same number.
        self._generation = 0
        self._silent_ends = 0
        self._refused = False
        self._closing = False

    @property
    def state(self) -> LinkState:
        """A copy of the present state and counters."""
        return replace(self._state, refused_filters=list(self._state.refused_filters))

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._choose(MQTT311 if self.settings.protocol == "3.1.1" else MQTT5)
        return self

    def _choose(self, protocol: MQTTProtocolVersion) -> None:
        self._state.protocol = "5" if protocol == MQTT5 else "3.1.1"
        self._client = MqttClient(self.settings, self._password, protocol, self._loop, self)
        self._client.start()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Say offline, let running handlers finish, disconnect; the broker keeps the session."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=CLOSE_TIMEOUT_S)
        if self._state.connected and self.settings.availability_topic:
            await self._confirmed(self.settings.availability_topic, OFFLINE, True, CLOSE_TIMEOUT_S)
        self._closing = True
        await self._client.stop()
        self._down(None)

    async def wait_connected(self, timeout_s: float) -> None:
        """Return when the link is up and its subscriptions are answered.

        Raises LocalError with the last reason after ``timeout_s``.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._up.wait()
        except TimeoutError as error:
            raise self._state.last_error or connect_failure(self.settings, None) from error

    def subscribe(self, topic_filter: str, handler: Handler) -> None:
        """Call ``await handler(topic, payload)`` for every matching message, now and after each reconnect.

        Handlers start in order of arrival and may overlap; the first matching subscription gets the message.
        """
        self._handlers.append((topic_filter, handler))
        if self._state.connected:
            self._subscribe_now(topic_filter)

    async def publish(self, topic: str, payload: bytes, retain: bool = False) -> bool:
        """Hand a message to the queue; True if taken, False if dropped (queue full, counted and logged).

        Returns before the broker has it: the protocol's own acknowledgements say what arrived.
        """
        if self._state.connects or len(self._early) >= self.settings.max_out:
            return self._send(topic, payload, retain) is not None
        self._early.append((topic, payload, retain))
        return True

    async def publish_confirmed(self, topic: str, payload: bytes, timeout_s: float, retain: bool = False) -> None:
        """Return when the broker has acknowledged the message. Raises LocalError after ``timeout_s``."""
        if not self._state.connects:
            await self.wait_connected(timeout_s)
        if not await self._confirmed(topic, payload, retain, timeout_s):
            raise self._state.last_error or LocalError(
                "mqtt.slow", f"no acknowledgement of the broker within {timeout_s} s", "look at the broker's load"
            )

    async def _confirmed(self, topic: str, payload: bytes, retain: bool, timeout_s: float) -> bool:
        number = self._send(topic, payload, retain)
        if number is None:
            return False
        confirmation = self._confirmations.setdefault(number, self._loop.create_future())
        try:
            await asyncio.wait([confirmation], timeout=timeout_s)
        finally:
            self._confirmations.pop(number, None)
        return confirmation.done()

    def _send(self, topic: str, payload: bytes, retain: bool) -> int | None:
        number = self._client.send(topic, payload, retain) if self._state.connects else None
        if number is None:
            self._state.dropped_out += 1
            log.warning("dropped a message to %s: queue full (%d dropped so far)", topic, self._state.dropped_out)
            return None
        self._state.sent += 1
        return number

    def on_connect(self, client: MqttClient, reason: Any) -> None:
        """Renew subscriptions and availability, or note why the broker refuses."""
        if client is not self._client:
            return
        if reason.value == UNSUPPORTED_PROTOCOL and self._may_fall_back(client):
            self._fall_back()
        elif reason.is_failure:
            self._refused = True
            self._down(refusal(self.settings, str(reason)))
        else:
            self._greet()

    def _greet(self) -> None:
        state = self._state
        self._generation += 1
        state.connected, state.changed_s, state.last_error = True, time.time(), None
        state.connects += 1
        state.refused_filters.clear()
        self._subscribing.clear()
        for topic_filter, _ in self._handlers:
            self._subscribe_now(topic_filter)
        if not self._subscribing:
            self._up.set()
        if self.settings.availability_topic:
            self._send(self.settings.availability_topic, ONLINE, True)
        while self._early:
            self._send(*self._early.popleft())
        log.info("connected to %s:%d, MQTT %s", self.settings.host, self.settings.port, state.protocol)

    def on_connect_fail(self, client: MqttClient, error: BaseException | None) -> None:
        """Note why no connection came about; paho tries again."""
        if client is self._client:
            self._down(connect_failure(self.settings, error))

    def on_disconnect(self, client: MqttClient, reason: str) -> None:
        """Note a lost connection; two ends without any answer to MQTT 5 mean a broker that knows 3.1.1 only."""
        if client is not self._client or self._closing:
            return
        if self._state.connected:
            text = f"lost the broker at {self.settings.host}:{self.settings.port}: {reason}"
            self._down(LocalError("mqtt.lost", text, "reconnecting; if it lasts, look at the broker's log"))
            return
        self._silent_ends += 1
        if self._silent_ends == 2 and self._may_fall_back(client):
            self._fall_back()

    def on_open(self, client: MqttClient) -> None:
        """Give the broker some time for its first answer to MQTT 5."""
        if self._may_fall_back(client):
            self._loop.call_later(ANSWER_TIMEOUT_S, self._unanswered, client)

    def _unanswered(self, client: MqttClient) -> None:
        if self._may_fall_back(client):
            self._fall_back()

    def _may_fall_back(self, client: MqttClient) -> bool:
        """Whether nothing yet has shown that this broker understands MQTT 5."""
        undecided = not self._state.connects and not self._refused and not self._closing
        return undecided and client is self._client and client.protocol == MQTT5 and self.settings.protocol == "auto"

    def _fall_back(self) -> None:
        old = self._client
        self._choose(MQTT311)
        log.info("%s:%d knows no MQTT 5, using 3.1.1", self.settings.host, self.settings.port)
        stopping = self._loop.create_task(old.stop())
        self._tasks.add(stopping)
        stopping.add_done_callback(self._tasks.discard)

    def _down(self, error: LocalError | None) -> None:
        if self._state.connected:
            self._state.changed_s = time.time()
        if error is not None and str(error) != str(self._state.last_error):
            log.warning("%s", error)
        self._state.connected = False
        self._state.last_error = error
        self._up.clear()

    def _subscribe_now(self, topic_filter: str) -> None:
        number = self._client.subscribe(topic_filter)
        if number is not None:
            self._up.clear()
            self._subscribing[number] = topic_filter

    def on_subscribe(self, client: MqttClient, number: int, reasons: Any) -> None:
        """Note a subscription that the broker refuses."""
        topic_filter = self._subscribing.pop(number, "?")
        if any(reason.is_failure for reason in reasons):
            self._state.refused_filters.append(topic_filter)
            self._note(acl_refusal(self.settings, f"the subscription {topic_filter}"))
        if not self._subscribing and self._state.connected:
            self._up.set()

    def on_publish(self, client: MqttClient, number: int, reason: Any) -> None:
        """Wake who waits for this message; note one that the broker refuses."""
        if getattr(reason, "is_failure", False):
            self._state.refused_out += 1
            self._note(acl_refusal(self.settings, f"a message of ours ({reason})"))
        confirmation = self._confirmations.get(number)
        if confirmation is not None and not confirmation.done():
            confirmation.set_result(None)

    def _note(self, error: LocalError) -> None:
        self._state.last_error = error
        log.warning("%s", error)

    def on_message(self, client: MqttClient, message: MQTTMessage) -> None:
        """Start the handler; the acknowledgement to the broker follows when it has finished."""
        self._state.received += 1
        acknowledge = partial(self._acknowledge, client, message, self._generation)
        handler, topic = self._handler_of(message)
        if handler is None or len(self._tasks) >= self.settings.max_in or len(message.payload) > MAX_PAYLOAD_BYTES:
            self._state.dropped_in += 1
            log.warning("dropped a message on %s (%d dropped so far)", topic, self._state.dropped_in)
            acknowledge()
            return
        task = self._loop.create_task(handler(topic, bytes(message.payload)))
        self._tasks.add(task)
        task.add_done_callback(partial(self._handled, acknowledge, topic))

    def _handler_of(self, message: MQTTMessage) -> tuple[Handler | None, str]:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return None, "a topic that is no UTF-8"
        for topic_filter, handler in self._handlers:
            if topic_matches_sub(topic_filter, topic):
                return handler, topic
        return None, topic

    def _handled(self, acknowledge: Callable[[], None], topic: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return  # shutting down: not acknowledged, so the broker delivers it again
        error = task.exception()
        if error is not None:
            # Acknowledged all the same: delivered again it would fail again, and hold up what comes after.
            self._state.handler_failures += 1
            trace = None if isinstance(error, PerunikaError) else error
            log.error("a message on %s could not be handled: %s", topic, error, exc_info=trace)
        acknowledge()

    def _acknowledge(self, client: MqttClient, message: MQTTMessage, generation: int) -> None:
        if generation == self._generation and client is self._client and self._state.connected:
            client.acknowledge(message.mid, message.qos)
