"""What the parties say they did, in wei: the demo's books, as plain values that travel as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PartyBook:
    """One member of a basic channel and the account of its owner.

    ``paid`` went to payees and ``earned`` came from payers through virtual channels, ``fees`` went to the hub.
    ``gas`` is what the owner's transactions cost since ``from_block``; balances are the owner's on chain.
    """

    name: str
    account: str
    channel: str
    deposited_wei: int
    hub_deposit_wei: int
    paid_wei: int
    earned_wei: int
    fees_wei: int
    gas_wei: int
    before_wei: int
    after_wei: int

    @property
    def payout_wei(self) -> int:
        """What the channel must pay back to the owner."""
        return self.deposited_wei - self.paid_wei - self.fees_wei + self.earned_wei


@dataclass(frozen=True, slots=True)
class HubBook:
    """The hub's side: its vault before and after, fees received, gas of ``gas_account``."""

    owner: str
    gas_account: str
    vault_before_wei: int
    vault_after_wei: int
    fees_wei: int
    paid_early_wei: int
    collected_wei: int
    gas_wei: int


@dataclass(frozen=True, slots=True)
class Books:
    """All books of one run on ``contract``, counted from the state after ``from_block``."""

    contract: str
    from_block: int
    parties: tuple[PartyBook, ...]
    hub: HubBook

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values; amounts stay integers, which JSON can hold exactly."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Books":
        """Return the books that ``as_json`` wrote."""
        parties = tuple(PartyBook(**party) for party in plain["parties"])
        return cls(plain["contract"], plain["from_block"], parties, HubBook(**plain["hub"]))
