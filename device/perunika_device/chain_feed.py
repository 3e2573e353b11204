"""What the board knows of the chain: signed views of its gateway, each bound to a nonce of ours (R13).

The board trusts the gateway's key that it was given, and no topic. It takes a view only if it answers the last
question. The channel's id commits to hub and owner; the amounts are compared with what was agreed.
"""

from perunika.crypto import verify
from perunika.errors import PeerError
from perunika.messages import Message, encode
from perunika.records import OPEN, Basic, basic_key, load
from perunika.structs import ZERO_32
from perunika_device import platform

_ASK_AGAIN_MS = 2000


class ChainFeed:
    """Asks the gateway about ``channel_id`` every ``period_ms``, as ``asker`` (an address of ours).

    ``member`` is our member's address or None; ``least`` is (base, total): the wei that the channel must show before
    it is used, while it shows less ``problem`` says so. ``seen`` counts accepted views.
    """

    def __init__(self, agent, asker, channel_id, period_ms, member=None, least=(0, 0)):
        self._shell = agent.shell
        self._link = agent.link
        self._log = agent.log
        self._viewer = agent.config.gateway
        self._asker = asker
        self._channel_id = channel_id
        self._period_ms = period_ms
        self._member = member
        self._least = least
        self._nonce = None
        self._next_ms = 0
        self.seen = 0
        self.problem = "the gateway has not answered yet"

    def tick(self, now_ms):
        """Ask when it is time to; what was not answered is asked again, with another nonce."""
        if now_ms < self._next_ms:
            return
        self._nonce = platform.urandom(32)
        self._next_ms = now_ms + _ASK_AGAIN_MS
        body = {"channel": self._channel_id, "virtual": ZERO_32, "nonce": self._nonce}
        question = Message("ChainViewRequest", body, self._nonce[:8], self._viewer, self._asker)
        self._link.send(encode(question))

    def listen(self, message):
        """Take ``message`` if it is an answer to us; returns whether it was. Raises ``PeerError`` for a false one."""
        if message.name != "ChainView" or message["view"].virtual_id != ZERO_32:
            return False
        view = message["view"]
        if self._nonce is None or view.nonce != self._nonce or view.channel_id != self._channel_id:
            return True  # late, or nobody asked
        if not verify(view.digest(self._shell.party.domain), message["signature"], self._viewer):
            raise PeerError("view.signature", "the chain view is not signed by our gateway")
        self._nonce = None
        self._take(view)
        return True

    def _take(self, view):
        self._shell.clock.learn(view.time)
        self._next_ms = self._shell.clock.now_ms() + self._period_ms
        self.problem = self._judge(view)
        if self._member is not None:
            known = load(self._shell.view(), Basic, basic_key(self._channel_id))
            self._shell.request(
                self._member, "chain", channel_id=self._channel_id, status=view.status, base=view.base,
                total=view.total, withdraw_nonce=known.withdraw_nonce, block=view.block, time_s=view.time,
            )  # fmt: skip
        if not self.seen or self.problem:
            self._log.write("chain", status=view.status, base=view.base, total=view.total, problem=self.problem)
        self.seen += 1

    def _judge(self, view):
        if view.status != OPEN:
            return "the channel is not open on chain (status %d)" % view.status
        if view.base < self._least[0] or view.total < self._least[1]:
            return "the channel holds less than agreed: %d of %d wei" % (view.base, view.total)
        return None
