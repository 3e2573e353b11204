"""First steps of a hub: its files, the contract of a development chain, permission and deposit, the process."""

import argparse
import asyncio
import sys
import time
from pathlib import Path

from perunika.errors import LocalError
from perunika_cli.arguments import found_config, hex_of, overrides
from perunika_cli.command import OK
from perunika_cli.config_edit import change_file, with_values, written_values
from perunika_cli.output import Output, fields_table
from perunika_cli.provision import (
    new_directory,
    new_key,
    new_token,
    read_private_key,
    refuse_existing,
    relative,
    write_config,
)
from perunika_cli.services import account, hub_chain, hub_config
from perunika_host.chain import Chain
from perunika_host.chain_actions import ChainActions, deploy
from perunika_host.chain_sender import Call, Receipt
from perunika_host.config import parse_overrides
from perunika_host.config_template import write_template
from perunika_host.keystore import Key, keystore_address
from perunika_host.rpc import Rpc
from perunika_host.units import format_duration, format_ether
from perunika_hub.config import HubConfig

POLL_S = 0.5
DEVELOPMENT_CHAINS = (1337, 31337)
NOWHERE = "0x" + "00" * 20


def confirmed(arguments: argparse.Namespace, question: str) -> None:
    """Return when the user says yes, or nobody is there to be asked. Raises LocalError on a no."""
    if arguments.yes or not sys.stdin.isatty():
        return
    if input(f"{question} [Y/n] ").strip().lower() not in ("", "y", "yes"):
        raise LocalError("init.declined", "nothing was made")


def run_init(arguments: argparse.Namespace, output: Output) -> int:
    """Write hub.toml, three keystores with passwords, and the admin token."""
    directory: Path = arguments.directory
    config = directory / "hub.toml"
    refuse_existing(config)
    confirmed(arguments, f"Make a hub's configuration and keys in {directory}?")
    imported = read_private_key(arguments.import_owner) if arguments.import_owner else None
    values = written_values(HubConfig, parse_overrides(arguments.set), directory.absolute())
    keys = new_directory(new_directory(directory) / "keys")
    hub, gas = new_key(keys, "hub"), new_key(keys, "gas")
    owner = arguments.owner or new_key(keys, "owner", imported).address
    new_token(keys / "admin.token")
    values = {"keys.vault_owner": f'"{hex_of(owner)}"', **values}
    write_config(config, with_values(write_template(HubConfig), values))
    plain = {"config": str(config), "hub": hex_of(hub.address), "gas": hex_of(gas.address), "owner": hex_of(owner)}
    steps = (
        f"Next: fill in {relative(config)} (every key is explained there), then `perunika hub deploy` on a chain of "
        "your own, `perunika hub fund`, `perunika hub run`, and `perunika doctor` whenever something is unclear."
    )
    output.answer(plain, fields_table(dict(plain)), steps)
    return OK


def run_deploy(arguments: argparse.Namespace, output: Output) -> int:
    """Deploy the contract and write its place into hub.toml."""
    unset = {"chain.contract": NOWHERE, "chain.chain_id": "1"}
    path, config = hub_config(arguments, unset)
    key = account(arguments, path).unlock()
    windows = arguments.min_window, arguments.max_window
    contract, chain_id, receipt = asyncio.run(_deploy(config.chain.rpc_url, key, windows, arguments.yes))
    change_file(path, {"chain.contract": f'"{hex_of(contract)}"', "chain.chain_id": str(chain_id)})
    plain = {"contract": hex_of(contract), "chain_id": chain_id, **receipt_fields(receipt)}
    shown = {**plain, "windows": " to ".join(format_duration(window) for window in windows), "written to": path}
    output.answer(plain, fields_table(shown))
    return OK


async def _deploy(url: str, key: Key, windows: tuple[int, int], agreed: bool) -> tuple[bytes, int, Receipt]:
    async with Rpc(url) as rpc:
        chain_id = await rpc.number("eth_chainId")
        if chain_id not in DEVELOPMENT_CHAINS and not agreed:
            text = f"chain {chain_id} is no development chain"
            raise LocalError("deploy.public", text, "use the contract that is there, or insist with --yes")
        contract, receipt = await deploy(rpc, key.account, *windows)
        return contract, chain_id, receipt


def receipt_fields(receipt: Receipt) -> dict[str, object]:
    """Return what a transaction cost, as JSON values."""
    return {
        "transaction": hex_of(receipt.transaction),
        "block": receipt.block,
        "gas_used": receipt.gas_used,
        "gas_price_wei": str(receipt.gas_price_wei),
        "fee": format_ether(receipt.fee_wei),
    }


def run_fund(arguments: argparse.Namespace, output: Output) -> int:
    """Set the operator if it is not set, deposit, and send gas money."""
    path, config = hub_config(arguments)
    key = account(arguments, path).unlock()
    if key.address != config.keys.vault_owner:
        text = f"{hex_of(key.address)} does not own the vault, {hex_of(config.keys.vault_owner)} does"
        raise LocalError("fund.owner", text, "name the owner's keystore with --keystore, or correct keys.vault_owner")
    hub, gas = keystore_address(config.keys.hub_keystore), keystore_address(config.keys.gas_keystore)
    amounts = arguments.amount, arguments.gas
    receipts, vault_wei, counts = asyncio.run(_fund(config, key, hub, gas, amounts, arguments.wait))
    transactions = [{"kind": kind, **receipt_fields(receipt)} for kind, receipt in receipts]
    plain = {
        "owner": hex_of(key.address),
        "vault_wei": str(vault_wei),
        "confirmed": counts,
        "transactions": transactions,
    }
    shown = {kind: f"gas {receipt.gas_used}, {format_ether(receipt.fee_wei)}" for kind, receipt in receipts}
    shown["vault"] = format_ether(vault_wei) + ("" if counts else ", the hub counts it when it is confirmed")
    output.answer(plain, fields_table(dict(shown)))
    return OK


async def _fund(
    config: HubConfig, key: Key, hub: bytes, gas: bytes, amounts_wei: tuple[int, int], wait_s: float
) -> tuple[list[tuple[str, Receipt]], int, bool]:
    amount_wei, gas_wei = amounts_wei
    async with await hub_chain(config) as chain:
        actions, done = ChainActions(chain, key.account), []
        if not await chain.is_operator(key.address, hub):
            done.append(("setOperator", await actions.set_operator(hub)))
        if amount_wei:
            done.append(("deposit", await actions.deposit(key.address, amount_wei)))
        if gas_wei:
            done.append(("gas money", await transfer(actions, gas, gas_wei)))
        last_block = max((receipt.block for _, receipt in done), default=0)
        return done, await chain.vault_wei(key.address), await _confirmed(chain, last_block, wait_s)


async def _confirmed(chain: Chain, block: int, wait_s: float) -> bool:
    """Return whether ``block`` is confirmed within ``wait_s``: a hub counts money only then."""
    deadline = time.monotonic() + wait_s
    while await chain.confirmed_block() < block:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_S)
    return True


async def transfer(actions: ChainActions, to: bytes, amount_wei: int) -> Receipt:
    """Send coin from the account of ``actions``."""
    return await actions.sender.send(Call("transfer", to, b"", amount_wei))


def run_hub(arguments: argparse.Namespace, output: Output) -> int:
    """Run the hub in this process."""
    from perunika_hub.service import main

    path = found_config("hub", arguments.config)
    output.note(f"hub with {relative(path)}; Ctrl-C ends it")
    return main(path, overrides(arguments))
