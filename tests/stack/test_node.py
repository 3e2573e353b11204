"""The local chain starts funded, mines by its clock, and stops, dies, freezes and comes back on request."""

from pathlib import Path

import pytest
from eth_account import Account as EthAccount

from perunika.errors import ChainError, LocalError
from perunika_cli.stack import node as node_module
from perunika_cli.stack.node import Node, find_anvil
from tests.stack.mqtt_client import wait_until


def block_number(node: Node) -> int:
    return int(node.call("eth_blockNumber"), 16)


def test_a_started_node_has_funded_accounts_and_the_chosen_chain_id(tmp_path: Path) -> None:
    with Node(tmp_path, chain_id=4242, account_count=3, balance_ether=7) as node:
        assert int(node.call("eth_chainId"), 16) == 4242
        assert len(node.accounts) == 3
        for account in node.accounts:
            assert EthAccount.from_key(account.private_key).address.lower() == account.address.lower()
            assert int(node.call("eth_getBalance", account.address, "latest"), 16) == 7 * 10**18


def test_blocks_come_every_second_without_transactions(tmp_path: Path) -> None:
    with Node(tmp_path, block_time_s=1) as node:
        first = block_number(node)
        wait_until(lambda: block_number(node) >= first + 2)


def test_without_a_block_time_only_transactions_make_blocks(tmp_path: Path) -> None:
    with Node(tmp_path, block_time_s=None) as node:
        sender, receiver = node.accounts[0].address, node.accounts[1].address
        assert block_number(node) == 0
        node.call("eth_sendTransaction", {"from": sender, "to": receiver, "value": "0x1"})
        wait_until(lambda: block_number(node) == 1)


def test_the_clock_of_the_chain_can_jump(tmp_path: Path) -> None:
    with Node(tmp_path) as node:
        before = int(node.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        node.advance(3600)
        assert int(node.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16) >= before + 3600


def test_random_accounts_differ_from_run_to_run(tmp_path: Path) -> None:
    with Node(tmp_path / "a", mnemonic="random") as a, Node(tmp_path / "b", mnemonic="random") as b:
        assert not set(a.accounts) & set(b.accounts)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_an_ended_node_is_unreachable_and_starts_again_on_its_port(tmp_path: Path, end: str) -> None:
    with Node(tmp_path) as node:
        getattr(node, end)()
        with pytest.raises(ChainError, match="does not answer"):
            block_number(node)
        node.start()
        assert block_number(node) >= 0


def test_a_kept_chain_continues_after_a_stop(tmp_path: Path) -> None:
    with Node(tmp_path, block_time_s=None, keep_chain=True) as node:
        sender, receiver = node.accounts[0].address, node.accounts[1].address
        node.call("eth_sendTransaction", {"from": sender, "to": receiver, "value": "0x5"})
        wait_until(lambda: block_number(node) == 1)
        balance = node.call("eth_getBalance", receiver, "latest")
        node.stop()
        node.start()
        assert block_number(node) == 1
        assert node.call("eth_getBalance", receiver, "latest") == balance


def test_a_refused_call_says_what_was_refused(tmp_path: Path) -> None:
    with Node(tmp_path) as node, pytest.raises(ChainError, match="eth_noSuchThing"):
        node.call("eth_noSuchThing")


def test_a_node_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    with Node(tmp_path / "first") as node, pytest.raises(LocalError, match=r"ended with status .*in use"):
        Node(tmp_path / "second", port=node.port).start()


def test_a_missing_anvil_is_answered_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_anvil().name == "anvil"
    monkeypatch.setattr(node_module, "REPOSITORY", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalError, match="make install"):
        find_anvil()
