"""A board that is a member itself: its basic channel, its own allowance, and what a lost memory means (R15)."""

from perunika.context import request_id
from perunika.messages import Message, encode
from perunika.paying_member import PayingMember
from perunika.records import (
    PAYER_MEMBER,
    Allowance,
    Basic,
    Funding,
    Nano,
    allowance_key,
    basic_key,
    funding_key,
    load,
    nano_key,
    scan,
)
from perunika.structs import BasicParams
from perunika_device.chain_feed import ChainFeed
from perunika_device.marker import CHANNEL, read_marker, write_marker
from perunika_device.role import Role

_TOLD = ("virtual opened", "virtual refused", "collected", "close signed", "fee refused")


class OwnChannel(Role):
    """The member's key and its one basic channel ``channel_id``; ``frozen`` when both of its stores were lost."""

    def __init__(self, agent, key, payer):
        Role.__init__(self, agent)
        config = agent.config
        self._settings = config.member
        self._payer = payer
        self._member = PayingMember(key, config.member.policy)
        self.endpoints = [self._member]
        self.address = self._member.address
        self.params = BasicParams(self.address, config.hub, *config.member.terms)
        self.channel_id = self.params.digest(config.domain)
        self.frozen = False
        self.feed = None

    def start(self):
        """Adopt the channel; freeze it if it was adopted before and its registers are gone."""
        agent, settings = self.agent, self._settings
        directory = agent.config.keys.directory
        if load(agent.store, Basic, basic_key(self.channel_id)) is None:
            agent.shell.request(self.address, "adopt", params=self.params)
            if read_marker(directory, CHANNEL) == self.channel_id:
                agent.shell.request(self.address, "freeze", channel_id=self.channel_id)
        write_marker(directory, CHANNEL, self.channel_id)
        self.frozen = bool(load(agent.store, Basic, basic_key(self.channel_id)).frozen)
        if self.frozen:
            agent.log.write("frozen", channel=self.channel_id, hint="restore a store directory from its backup")
        agent.shell.request(
            self.address,
            "allow",
            payer=self._payer,
            limit=agent.config.payer.budget_wei,
            max_fee=settings.max_fee_wei,
        )
        period_ms = max(2, min(60, self.params.challenge_duration // 6)) * 1000
        least = (settings.deposit_wei, settings.deposit_wei + settings.hub_deposit_wei)
        self.feed = ChainFeed(agent, self.address, self.channel_id, period_ms, self.address, least)

    def connected(self):
        """Ask the hub to repeat what it waits for, for instance a collect from when we were away."""
        body = {"id": self.channel_id}
        number = request_id("Resume", self.channel_id)
        self.agent.link.send(encode(Message("Resume", body, number, self.agent.config.hub, self.address)))

    def listen(self, message):
        return message.to == self.address and self.feed.listen(message)

    def tick(self, now_ms):
        self.feed.tick(now_ms)

    def forget(self):
        """Drop virtual channels that are over and retired by a checkpoint: nothing can ask for them any more."""
        writes = {}
        for funding in scan(self.agent.store, Funding, b"f" + bytes((PAYER_MEMBER,))):
            if funding.phase in ("collected", "refused"):
                key = nano_key(funding.params.payer_channel, funding.nid_a)
                if load(self.agent.store, Nano, key) is None:
                    writes[funding_key(PAYER_MEMBER, funding.params.digest(self.agent.config.domain))] = None
        self.agent.shell.write(writes)

    def hear(self, kind, fields):
        if kind in _TOLD:
            self.agent.log.write(kind, **fields)

    def problem(self):
        """Return why the channel cannot be used yet, or None."""
        if self.frozen:
            return "the memory of this channel was lost (R15)"
        return self.feed.problem

    def budget_left(self):
        """Return the wei that our payer key may still lock (R17: on absolute amounts, over all channels)."""
        allowance = load(self.agent.store, Allowance, allowance_key(self._payer))
        return max(0, allowance.limit - allowance.used)
