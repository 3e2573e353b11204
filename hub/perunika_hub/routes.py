"""Where an address can be reached: its own topic, or the topic of the member whose gateway it is behind.

Three kinds of knowledge, from firm to fleeting: bindings (an address that signed something through a member's
topic; durable), the operator's list of devices, and the way back of single requests (ten minutes). All bounded.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from perunika.errors import PeerError

K = TypeVar("K")
V = TypeVar("V")

ANSWER_S = 600.0
MAX_ANSWERS = 50_000
MAX_LEARNED = 50_000
# How long an address stays where it was last heard, before a message through another member may move it.
BOUND_S = 60.0


class Bounded(OrderedDict[K, V], Generic[K, V]):
    """A dict that forgets its oldest entry when it has more than ``limit``."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def remember(self, key: K, value: V) -> None:
        """Set an entry and make it the newest."""
        self[key] = value
        self.move_to_end(key)
        while len(self) > self.limit:
            self.popitem(last=False)


class Routes:
    """Answers one question: on whose topic is ``address`` reached?"""

    def __init__(
        self, devices: Mapping[bytes, bytes], bound: Mapping[bytes, bytes], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.now_s = now_s
        self.devices = dict(devices)
        self.bound = dict(bound)
        self._heard_s: dict[bytes, float] = {}
        self._learned: Bounded[bytes, bytes] = Bounded(MAX_LEARNED)
        self._direct: Bounded[bytes, float] = Bounded(MAX_LEARNED)
        self._answers: Bounded[tuple[bytes, bytes], tuple[bytes, float]] = Bounded(MAX_ANSWERS)

    def heard_directly(self, member: bytes) -> bool:
        """Note a message of ``member`` on its own topic; True when it was bound elsewhere until now."""
        self._direct.remember(member, self.now_s())
        return self.bound.pop(member, None) is not None

    def check(self, sender: bytes, member: bytes) -> None:
        """Raise PeerError when ``sender`` was just heard through another topic than ``member``'s."""
        place = self.bound.get(sender)
        direct_s = self._direct.get(sender)
        recently_direct = direct_s is not None and self.now_s() - direct_s < BOUND_S
        elsewhere = place is not None and place != member and self._is_fresh(sender)
        if recently_direct or elsewhere:
            raise PeerError("message.from", "this address was just heard elsewhere", "wait a minute, then try again")

    def _is_fresh(self, sender: bytes) -> bool:
        heard_s = self._heard_s.get(sender)
        return heard_s is not None and self.now_s() - heard_s < BOUND_S

    def bind(self, sender: bytes, member: bytes) -> bool:
        """Remember that ``sender``, who proved itself, is behind ``member``; True when that is new."""
        self._heard_s[sender] = self.now_s()
        is_new = self.bound.get(sender) != member
        self.bound[sender] = member
        return is_new

    def is_bound(self, sender: bytes, member: bytes) -> bool:
        """Whether ``sender`` is known to be behind ``member``."""
        return self.bound.get(sender, self.devices.get(sender)) == member

    def learn(self, device: bytes, member: bytes) -> None:
        """Remember (not durably) that ``device`` belongs to ``member``, as a virtual channel shows."""
        self._learned.remember(device, member)

    def expect_answer(self, sender: bytes, request_id: bytes, member: bytes) -> None:
        """Remember the way back of a request for ten minutes; the latest repetition counts."""
        self._answers.remember((sender, request_id), (member, self.now_s() + ANSWER_S))

    def place_of(self, address: bytes, request_id: bytes | None) -> bytes | None:
        """Return the member on whose topic ``address`` gets this message; None when it is only its own."""
        if request_id is not None:
            answer = self._answers.get((address, request_id))
            if answer is not None and answer[1] > self.now_s():
                return answer[0]
        return self.bound.get(address) or self.devices.get(address) or self._learned.get(address)

    def knows_directly(self, address: bytes) -> bool:
        """Whether ``address`` has spoken on a topic of its own since the start."""
        return address in self._direct
