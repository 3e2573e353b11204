"""The second reader: agrees with right books to the wei, and finds every single wrong figure (real chain)."""

import asyncio
import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perunika.crypto import PrivateKey
from perunika.eip712 import Domain
from perunika.structs import NATIVE, BasicParams, Close, Open
from perunika_cli.demo.auditor import ChainReader, audit
from perunika_cli.demo.books import Books, HubBook, PartyBook
from perunika_cli.demo.channels import account_of, address_of
from perunika_cli.main import main
from perunika_cli.stack.node import Node
from perunika_host.chain import Chain
from perunika_host.chain_actions import ChainActions, deploy
from perunika_host.chain_calls import Closing, Opening
from perunika_host.rpc import Rpc

VAULT, MEMBER, HUB = 10**9, 10**6, 2 * 10**6
PAID, FEE = 700, 11
HUB_KEY = PrivateKey(b"\x21" * 32)
KEYS = {"payer": PrivateKey(b"\x22" * 32), "payee": PrivateKey(b"\x23" * 32)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Books]]:
    """A payer's and a payee's channel, opened and closed on a real node, with books that are right."""
    with Node(tmp_path_factory.mktemp("node"), block_time_s=None) as node:
        yield node.rpc_url, asyncio.run(_settle(node))


async def _settle(node: Node) -> Books:
    accounts = [account_of(node.accounts[i].private_key) for i in range(4)]
    deployer, hub_owner = accounts[:2]
    owners = dict(zip(KEYS, accounts[2:], strict=True))
    async with Rpc(node.rpc_url) as rpc:
        contract, _ = await deploy(rpc, deployer, 60, 86400)
    async with await Chain.connect(node.rpc_url, contract) as chain:
        domain = Domain(chain.chain_id, contract)
        vault = ChainActions(chain, hub_owner)
        await vault.set_operator(HUB_KEY.address)
        await vault.deposit(address_of(hub_owner), VAULT)
        reader = ChainReader(node.rpc_url)
        first = reader.head()
        before = {name: reader.balance(owner.address) for name, owner in owners.items()}
        now = (await chain.block(first))["timestamp"]
        now = int(now, 16) if isinstance(now, str) else int(now)
        gas: dict[str, int] = {}
        closings, ids = [], {}
        for name, owner in owners.items():
            params = BasicParams(
                KEYS[name].address, HUB_KEY.address, address_of(owner), address_of(hub_owner), NATIVE, 3600, now + 3600,
                b"\x01" * 32,
            )  # fmt: skip
            channel = ids[name] = params.digest(domain)
            promise = HUB_KEY.sign(Open(channel, MEMBER, HUB, now + 3600).digest(domain))
            receipt = await ChainActions(chain, owner).open(Opening(params, MEMBER, HUB, now + 3600, promise))
            gas[name] = receipt.fee_wei
            net = PAID + FEE if name == "payer" else -PAID
            digest = Close(channel, net, now + 3600).digest(domain)
            closings.append(Closing(params, net, now + 3600, KEYS[name].sign(digest), HUB_KEY.sign(digest)))
        closed = await vault.close_many(closings)
    parties = tuple(
        PartyBook(
            name, owner.address.lower(), "0x" + ids[name].hex(), MEMBER, HUB, PAID if name == "payer" else 0,
            PAID if name == "payee" else 0, FEE if name == "payer" else 0, gas[name], before[name],
            reader.balance(owner.address),
        )
        for name, owner in owners.items()
    )  # fmt: skip
    hub = HubBook(
        hub_owner.address.lower(), hub_owner.address.lower(), VAULT, VAULT + FEE, FEE, PAID, PAID, closed.fee_wei
    )
    return Books("0x" + contract.hex(), first, parties, hub)


def test_right_books_agree_to_the_last_wei(run: tuple[str, Books]) -> None:
    url, books = run
    assert audit(url, books) == []


def test_books_survive_json(run: tuple[str, Books]) -> None:
    _, books = run
    assert Books.from_json(books.as_json()) == books


PARTY_FIELDS = [f.name for f in dataclasses.fields(PartyBook) if f.name.endswith("_wei")]
HUB_FIELDS = ["vault_before_wei", "vault_after_wei", "fees_wei", "paid_early_wei", "collected_wei", "gas_wei"]


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("field", PARTY_FIELDS)
def test_a_party_book_wrong_by_one_wei_is_found(run: tuple[str, Books], index: int, field: str) -> None:
    url, books = run
    party = books.parties[index]
    wrong = dataclasses.replace(party, **{field: getattr(party, field) + 1})
    parties = tuple(wrong if each is party else each for each in books.parties)
    assert audit(url, dataclasses.replace(books, parties=parties)) != []


@pytest.mark.parametrize("field", HUB_FIELDS)
def test_a_hub_book_wrong_by_one_wei_is_found(run: tuple[str, Books], field: str) -> None:
    url, books = run
    wrong = dataclasses.replace(books.hub, **{field: getattr(books.hub, field) + 1})
    assert audit(url, dataclasses.replace(books, hub=wrong)) != []


def test_a_channel_that_never_was_is_found(run: tuple[str, Books]) -> None:
    url, books = run
    wrong = dataclasses.replace(books.parties[0], channel="0x" + "77" * 32)
    found = audit(url, dataclasses.replace(books, parties=(wrong, books.parties[1])))
    assert any("times opened" in difference.what for difference in found)


def test_two_wrong_figures_that_cancel_are_found(run: tuple[str, Books]) -> None:
    url, books = run
    payer = books.parties[0]
    wrong = dataclasses.replace(payer, paid_wei=payer.paid_wei + 1, fees_wei=payer.fees_wei - 1)
    assert audit(url, dataclasses.replace(books, parties=(wrong, books.parties[1]))) != []


@pytest.mark.parametrize(("change_wei", "status"), [(0, 0), (1, 1)])
def test_the_second_reader_as_a_program_ends_with_1_for_a_wrong_book(
    run: tuple[str, Books], tmp_path: Path, change_wei: int, status: int
) -> None:
    url, books = run
    hub = dataclasses.replace(books.hub, fees_wei=books.hub.fees_wei + change_wei)
    path = tmp_path / "books.json"
    path.write_text(json.dumps(dataclasses.replace(books, hub=hub).as_json()))
    assert subprocess.run([sys.executable, "-m", "perunika_cli.demo.auditor", url, path]).returncode == status


@pytest.mark.parametrize(("wrong", "status"), [(False, 0), (True, 1)])
def test_the_demo_ends_with_1_for_a_wrong_book(
    run: tuple[str, Books],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wrong: bool,
    status: int,
) -> None:
    url, books = run
    if wrong:
        party = dataclasses.replace(books.parties[0], paid_wei=books.parties[0].paid_wei - 1)
        books = dataclasses.replace(books, parties=(party, books.parties[1]))
    differences = audit(url, books)
    result = {"books_match_chain": not differences}
    monkeypatch.setattr("perunika_cli.commands.demo.run_demo", lambda *_: (books, result, differences))
    assert main(["demo", "--json"]) == status
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"books_match_chain": not wrong}
