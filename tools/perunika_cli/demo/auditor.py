"""The second reader: recomputes every balance from the chain alone and compares it with the books, to the last wei.

It shares no code with the programs it checks: raw JSON-RPC, event signatures written out here, receipts counted
one by one. ``perunika demo`` fails when it finds a difference.
"""

import json
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from perunika_cli.demo.books import Books, PartyBook

CLOSED = "Closed(bytes32,uint256,uint256)"
OPENED = "Opened(bytes32,uint256)"
TOPPED_UP = "ToppedUp(bytes32,bool,uint256)"
WITHDRAWN = "Withdrawn(bytes32,uint256,uint256,uint256)"
SETTLED = "Settled(bytes32,uint256,uint256,bool)"
DEPOSITED = "Deposited(address,address,uint256)"
VAULT_WITHDRAWN = "VaultWithdrawn(address,address,address,uint256)"
CLAIM_RECORDED = "ClaimRecorded(address,address,uint256)"
CLAIM_PAID = "ClaimPaid(address,address,uint256)"
EVENTS = {
    "0x" + keccak(text=each).hex(): each
    for each in (
        OPENED, CLOSED, TOPPED_UP, WITHDRAWN, SETTLED, DEPOSITED, VAULT_WITHDRAWN, CLAIM_RECORDED, CLAIM_PAID,
    )
}  # fmt: skip
MASK_96 = (1 << 96) - 1


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure on which chain and books disagree."""

    what: str
    books_wei: int
    chain_wei: int

    def __str__(self) -> str:
        return f"{self.what}: books say {self.books_wei} wei, chain says {self.chain_wei} wei"


@dataclass(frozen=True, slots=True)
class Log:
    """One decoded event: its name, indexed words and data words as integers."""

    name: str
    topics: tuple[int, ...]
    words: tuple[int, ...]


class ChainReader:
    """What the auditor asks a node; every answer is a plain integer or JSON value."""

    def __init__(self, rpc_url: str) -> None:
        self.rpc_url = rpc_url

    def call(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.rpc_url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            reply = json.load(answer)
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply['error']}")
        return reply["result"]

    def balance(self, account: str, block: int | None = None) -> int:
        return int(self.call("eth_getBalance", account, "latest" if block is None else hex(block)), 16)

    def head(self) -> int:
        return int(self.call("eth_blockNumber"), 16)

    def logs(self, contract: str) -> list[Log]:
        """Return all events of ``contract`` that the auditor knows, in order."""
        found = self.call("eth_getLogs", {"address": contract, "fromBlock": "0x0", "toBlock": "latest"})
        return [self._log(each) for each in found if each["topics"][0] in EVENTS]

    def _log(self, raw: dict[str, Any]) -> Log:
        payload = bytes.fromhex(raw["data"][2:])
        words = tuple(int.from_bytes(payload[i : i + 32], "big") for i in range(0, len(payload), 32))
        return Log(EVENTS[raw["topics"][0]], tuple(int(topic, 16) for topic in raw["topics"][1:]), words)

    def sent(self, first: int, last: int) -> Iterator[tuple[str, int, int]]:
        """Yield (sender, wei of value that arrived, wei of gas) for every transaction in the blocks named."""
        for number in range(first, last + 1):
            for each in self.call("eth_getBlockByNumber", hex(number), True)["transactions"]:
                receipt = self.call("eth_getTransactionReceipt", each["hash"])
                value = int(each["value"], 16) if receipt["status"] == "0x1" else 0
                gas = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
                yield each["from"].lower(), value, gas

    def vault(self, contract: str, owner: str) -> int:
        """Return the native-coin vault of ``owner`` by the contract's own view."""
        selector = keccak(text="vault(address,address)")[:4].hex()
        arguments = bytes.fromhex(owner[2:]).rjust(32, b"\x00") + bytes(32)
        return int(self.call("eth_call", {"to": contract, "data": "0x" + selector + arguments.hex()}, "latest"), 16)


def audit(rpc_url: str, books: Books) -> list[Difference]:
    """Return every difference between ``books`` and the chain at ``rpc_url``; an empty list means they agree."""
    reader = ChainReader(rpc_url)
    logs = reader.logs(books.contract)
    sent: dict[str, list[int]] = {}
    for sender, value, gas in reader.sent(books.from_block + 1, reader.head()):
        totals = sent.setdefault(sender, [0, 0])
        totals[0] += value
        totals[1] += gas
    checks = list(_channel_checks(books, logs))
    checks += _account_checks(books, reader, sent)
    checks += _contract_checks(books, reader, logs)
    checks += _sum_checks(books)
    return [Difference(what, ours, theirs) for what, ours, theirs in checks if ours != theirs]


Check = tuple[str, int, int]


def _one(logs: list[Log], name: str, channel: str) -> Log | None:
    found = [log for log in logs if log.name == name and log.topics[0] == int(channel, 16)]
    return found[0] if len(found) == 1 else None


def _channel_checks(books: Books, logs: list[Log]) -> Iterator[Check]:
    """Every channel opened once with the deposits in the books, and closed once with the payouts they imply."""
    for party in books.parties:
        opened = _one(logs, OPENED, party.channel)
        closed = _one(logs, CLOSED, party.channel)
        yield f"{party.name}: times opened", 1, int(opened is not None)
        yield f"{party.name}: times closed", 1, int(closed is not None)
        if opened is None or closed is None:
            continue
        yield f"{party.name}: member's deposit", party.deposited_wei, opened.words[0] >> 160
        yield f"{party.name}: hub's deposit", party.hub_deposit_wei, opened.words[0] >> 64 & MASK_96
        yield f"{party.name}: payout to the owner", party.payout_wei, closed.words[0]
        to_hub = party.deposited_wei + party.hub_deposit_wei - party.payout_wei
        yield f"{party.name}: payout to the hub", to_hub, closed.words[1]


def _account_checks(books: Books, reader: ChainReader, sent: dict[str, list[int]]) -> list[Check]:
    """The owners' accounts changed by exactly deposit, payout and gas; the balances in the books are the chain's."""
    checks: list[Check] = [("hub: gas", books.hub.gas_wei, sent.get(books.hub.gas_account.lower(), [0, 0])[1])]
    for party in books.parties:
        value, gas = sent.get(party.account.lower(), [0, 0])
        before, after = reader.balance(party.account, books.from_block), reader.balance(party.account)
        checks += [
            (f"{party.name}: balance before", party.before_wei, before),
            (f"{party.name}: balance after", party.after_wei, after),
            (f"{party.name}: gas", party.gas_wei, gas),
            (f"{party.name}: wei sent", party.deposited_wei, value),
            (f"{party.name}: change of balance", _change(party), after - before),
        ]
    return checks


def _change(party: PartyBook) -> int:
    return party.payout_wei - party.deposited_wei - party.gas_wei


def _contract_checks(books: Books, reader: ChainReader, logs: list[Log]) -> list[Check]:
    """The contract holds what its events say, and the hub's vault is what events and books say."""
    totals = dict.fromkeys(EVENTS.values(), 0)
    to_bob = hub_deposits = members = 0
    for log in logs:
        if log.name == OPENED:
            members += log.words[0] >> 160
            hub_deposits += log.words[0] >> 64 & MASK_96
        elif log.name in (CLOSED, SETTLED):
            totals[log.name] += log.words[0]
            to_bob += log.words[1]
        elif log.name == WITHDRAWN:
            totals[log.name] += log.words[1]
            to_bob += log.words[2]
        elif log.name == TOPPED_UP:
            totals[log.name] += log.words[1]
        else:
            totals[log.name] += log.words[-1]
    paid_out = totals[CLOSED] + totals[SETTLED] + totals[WITHDRAWN] - totals[CLAIM_RECORDED] + totals[CLAIM_PAID]
    held = totals[DEPOSITED] + members + totals[TOPPED_UP] - totals[VAULT_WITHDRAWN] - paid_out
    vault = totals[DEPOSITED] - totals[VAULT_WITHDRAWN] - hub_deposits + to_bob
    return [
        ("contract: balance by its events", held, reader.balance(books.contract)),
        ("hub: vault by events", vault, reader.vault(books.contract, books.hub.owner)),
        ("hub: vault after", books.hub.vault_after_wei, reader.vault(books.contract, books.hub.owner)),
    ]


def _sum_checks(books: Books) -> list[Check]:
    """What one party paid another one earned; the hub gained its fees and nothing else."""
    paid = sum(party.paid_wei for party in books.parties)
    return [
        ("all payers together against all payees", paid, sum(party.earned_wei for party in books.parties)),
        ("fees paid against fees received", sum(party.fees_wei for party in books.parties), books.hub.fees_wei),
        ("paid early by the hub against paid", paid, books.hub.paid_early_wei),
        ("collected by the hub against paid", paid, books.hub.collected_wei),
        (
            "hub: change of the vault against fees",
            books.hub.fees_wei,
            books.hub.vault_after_wei - books.hub.vault_before_wei,
        ),
    ]


def main(arguments: list[str]) -> int:
    """Audit the books in a JSON file: ``python -m perunika_cli.demo.auditor RPC_URL BOOKS``; 1 when they differ."""
    rpc_url, path = arguments
    differences = audit(rpc_url, Books.from_json(json.loads(Path(path).read_text())))
    for difference in differences:
        print(difference)
    print("chain and books differ" if differences else "chain and books agree")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
