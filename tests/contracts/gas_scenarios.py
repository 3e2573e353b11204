"""What a channel costs on chain, measured with real transactions on a fresh anvil.

Keys, salts, times and the deployer's nonce are fixed, so every run gives the same figures to the last unit of gas:
`contracts/snapshots/gas.json` holds them, `test_gas.py` compares. Write a new snapshot with
`python tests/contracts/gas_scenarios.py`. Figures are whole transactions (receipts), the 21,000 of each, calldata and
refunds included.
"""

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.types import TxReceipt

REPOSITORY = Path(__file__).resolve().parents[2]
SNAPSHOT = REPOSITORY / "contracts" / "snapshots" / "gas.json"
ANVIL = REPOSITORY / "contracts" / "node_modules" / ".bin" / "anvil"
ARTIFACT = REPOSITORY / "protocol" / "perunika_host" / "Perunika.json"
TOKEN_ARTIFACT = REPOSITORY / "tests" / "contracts" / "TestToken.json"
NATIVE = "0x" + "00" * 20

GENESIS_S = 1_800_000_000
OPEN_BEFORE_S = GENESIS_S + 86_400
VALID_UNTIL_S = GENESIS_S + 30 * 86_400
MEMBER_DEPOSIT_WEI = 50_000_000_000_000_000
HUB_DEPOSIT_WEI = 20_000_000_000_000_000
NET_WEI = 12_345_678_901_234_567
BATCH = 100

FIELDS = {
    "BasicParams": "address alice,address bob,address aliceOwner,address bobOwner,address asset,"
    "uint32 challengeDuration,uint40 openBefore,bytes32 salt",
    "Open": "bytes32 channelId,uint128 memberDeposit,uint128 hubDeposit,uint64 validUntil",
    "Close": "bytes32 channelId,int128 net,uint64 validUntil",
    "Voucher": "bytes32 channelId,uint128 cumulativeAmount",
}
NO_SIGNATURE = (bytes(32), bytes(32))
NO_START = (NATIVE, 0, NO_SIGNATURE)
NO_CHECKPOINT = (0, 0, 0, b"", NO_SIGNATURE, NO_SIGNATURE)
NO_EVIDENCE = (0, 0, 0, 0, 0, bytes(32), bytes(32), NO_SIGNATURE)


def key(label: str) -> LocalAccount:
    """The fixed account of that name."""
    account: LocalAccount = Account.from_key(Web3.keccak(text=f"perunika gas {label}"))
    return account


@contextmanager
def anvil() -> Iterator[Web3]:
    """A fresh node on a free port, stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(ANVIL), "--port", str(port), "--timestamp", str(GENESIS_S), "--hardfork", "osaka", "--silent"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        chain = Web3(Web3.HTTPProvider(f"http://127.0.0.1:{port}"))
        deadline = time.monotonic() + 20
        while not chain.is_connected():
            if time.monotonic() > deadline:
                raise TimeoutError("anvil did not answer within 20 s")
            time.sleep(0.05)
        yield chain
    finally:
        process.terminate()
        process.wait()


class Stage:
    """A deployed contract, a funded hub with an operator key, and typed signatures under its domain."""

    def __init__(self, chain: Web3) -> None:
        self.chain = chain
        self.hub_owner, self.hub_key = key("hub owner"), key("hub key")
        deployer = key("deployer")
        for account in (deployer, self.hub_owner, self.hub_key):
            self.give(account.address, 1000 * 10**18)
        self.contract, self.deploy_gas = self.deploy(deployer, ARTIFACT, 60, 30 * 86_400)
        functions = self.contract.functions
        self.send(self.hub_owner, functions.deposit(self.hub_owner.address, NATIVE, 10**20), 10**20)
        self.send(self.hub_owner, functions.setOperator(self.hub_key.address, True))

    def deploy(self, sender: LocalAccount, artifact: Path, *arguments: int) -> tuple[Any, int]:
        """A contract of a committed artifact, and the gas of its deployment."""
        compiled = json.loads(artifact.read_text())
        factory = self.chain.eth.contract(abi=compiled["abi"], bytecode=compiled["bytecode"])
        receipt = self.send(sender, factory.constructor(*arguments))
        return self.chain.eth.contract(address=receipt["contractAddress"], abi=compiled["abi"]), receipt["gasUsed"]

    def give(self, address: str, amount_wei: int) -> None:
        """Sets the balance of an account, so that it exists."""
        self.chain.provider.make_request("anvil_setBalance", [address, hex(amount_wei)])  # type: ignore[arg-type]

    def send(self, sender: LocalAccount, call: Any, value_wei: int = 0) -> TxReceipt:
        """Sends a transaction; its receipt. Raises when it reverts."""
        transaction = call.build_transaction(
            {
                "from": sender.address,
                "value": value_wei,
                "nonce": self.chain.eth.get_transaction_count(sender.address),
                "gas": 16_000_000,
                "maxFeePerGas": 10**10,
                "maxPriorityFeePerGas": 10**9,
            }
        )
        raw = sender.sign_transaction(transaction).raw_transaction
        receipt = self.chain.eth.wait_for_transaction_receipt(self.chain.eth.send_raw_transaction(raw))
        if receipt["status"] != 1:
            raise RuntimeError(f"reverted: {call.fn_name}")
        return receipt

    def sign(self, signer: LocalAccount, kind: str, *values: Any) -> tuple[bytes, bytes]:
        """The signature (r, vs of EIP-2098) on a struct of this contract's domain."""
        fields = [dict(zip(("type", "name"), part.split(), strict=True)) for part in FIELDS[kind].split(",")]
        message = {field["name"]: value for field, value in zip(fields, values, strict=True)}
        domain = {
            "name": "Perunika",
            "version": "1",
            "chainId": self.chain.eth.chain_id,
            "verifyingContract": self.contract.address,
        }
        signed = signer.sign_message(encode_typed_data(domain, {kind: fields}, message))
        return signed.r.to_bytes(32, "big"), (signed.s | (signed.v - 27) << 255).to_bytes(32, "big")

    def params(self, name: str, asset: str = NATIVE, hub_owner: str = "") -> tuple[Any, ...]:
        """The parameters of the channel between member `name` and the hub, its owner being another account."""
        owner = key(f"{name} owner").address
        self.give(owner, 10**18)
        hub = self.hub_key.address, owner, hub_owner or self.hub_owner.address
        return (key(name).address, *hub, asset, 3600, OPEN_BEFORE_S, bytes(Web3.keccak(text=name)))

    def channel_id(self, params: tuple[Any, ...]) -> bytes:
        """The id of the channel with these parameters."""
        return bytes(self.contract.functions.basicId(params).call())

    def opening(self, params: tuple[Any, ...], signed: bool) -> tuple[Any, ...]:
        """An entry of open; without the hub's signature where the hub's owner sends it itself."""
        terms = MEMBER_DEPOSIT_WEI, HUB_DEPOSIT_WEI, VALID_UNTIL_S
        signature = self.sign(self.hub_key, "Open", self.channel_id(params), *terms) if signed else NO_SIGNATURE
        return (params, MEMBER_DEPOSIT_WEI << 160 | HUB_DEPOSIT_WEI << 64 | VALID_UNTIL_S, signature)

    def closing(self, params: tuple[Any, ...], name: str) -> tuple[Any, ...]:
        """An entry of close that the hub sends: signed by the member only."""
        signature = self.sign(key(name), "Close", self.channel_id(params), NET_WEI, VALID_UNTIL_S)
        return (params, NET_WEI, VALID_UNTIL_S, signature, NO_SIGNATURE)

    def open_one(self, name: str) -> tuple[tuple[Any, ...], TxReceipt]:
        """Opens one channel, sent by the member's owner."""
        params = self.params(name)
        call = self.contract.functions.open(self.opening(params, signed=True))
        return params, self.send(key(f"{name} owner"), call, MEMBER_DEPOSIT_WEI)

    def pass_time(self, until_s: int) -> None:
        """The next block is mined at that time."""
        self.chain.provider.make_request("evm_setNextBlockTimestamp", [until_s])  # type: ignore[arg-type]
        self.chain.provider.make_request("evm_mine", [])  # type: ignore[arg-type]


def peaceful(stage: Stage) -> dict[str, int]:
    """One channel opened by the member's owner and closed by the hub, before and after openBefore."""
    early, opened = stage.open_one("early")
    late, _ = stage.open_one("late")
    kept = stage.send(stage.hub_key, stage.contract.functions.close(stage.closing(early, "early")))
    stage.pass_time(OPEN_BEFORE_S + 1)
    freed = stage.send(stage.hub_key, stage.contract.functions.close(stage.closing(late, "late")))
    swept = stage.send(stage.hub_key, stage.contract.functions.sweep(early))
    figures = {"open": opened, "close_slot_kept": kept, "close_slot_freed": freed, "sweep": swept}
    return {name: receipt["gasUsed"] for name, receipt in figures.items()}


def own_key(stage: Stage) -> dict[str, int]:
    """One channel whose hub signs with the key that owns the vault, so that no operator is looked up."""
    vault = stage.contract.functions.deposit(stage.hub_key.address, NATIVE, 10**18)
    stage.send(stage.hub_key, vault, 10**18)
    params = stage.params("plain", hub_owner=stage.hub_key.address)
    call = stage.contract.functions.open(stage.opening(params, signed=True))
    return {"open_hub_key_owns_vault": stage.send(key("plain owner"), call, MEMBER_DEPOSIT_WEI)["gasUsed"]}


def token(stage: Stage) -> dict[str, int]:
    """One channel in a token, opened out of the owner's allowance and closed by the hub."""
    asset, _ = stage.deploy(key("deployer"), TOKEN_ARTIFACT)
    params = stage.params("token", asset.address)
    owner, amount = key("token owner"), MEMBER_DEPOSIT_WEI
    for account in owner, stage.hub_owner:
        stage.send(account, asset.functions.mint(account.address, 2 * amount))
        stage.send(account, asset.functions.approve(stage.contract.address, 2**256 - 1))
    functions = stage.contract.functions
    stage.send(stage.hub_owner, functions.deposit(stage.hub_owner.address, asset.address, amount))
    opened = stage.send(owner, functions.open(stage.opening(params, signed=True)))
    stage.pass_time(OPEN_BEFORE_S + 1)
    closed = stage.send(stage.hub_key, functions.close(stage.closing(params, "token")))
    return {"open_token": opened["gasUsed"], "close_token_slot_freed": closed["gasUsed"]}


def batches(stage: Stage) -> dict[str, int]:
    """A hundred channels opened and closed by the hub, distinct existing owners; gas per channel."""
    names = [f"batch {number}" for number in range(BATCH)]
    params = [stage.params(name) for name in names]
    functions = stage.contract.functions
    entries = [stage.opening(each, signed=False) for each in params]
    opened = stage.send(stage.hub_owner, functions.openMany(entries))
    closings = [stage.closing(each, name) for each, name in zip(params, names, strict=True)]
    stage.pass_time(OPEN_BEFORE_S + 1)
    closed = stage.send(stage.hub_key, functions.closeMany(closings))
    if len(stage.contract.events.Closed().process_receipt(closed)) != BATCH:
        raise RuntimeError("not every channel of the batch was closed")
    return {
        "openMany100_per_channel": -(-opened["gasUsed"] // BATCH),
        "closeMany100_per_channel": -(-closed["gasUsed"] // BATCH),
    }


def disputed(stage: Stage) -> dict[str, int]:
    """One channel disputed by the hub with a voucher, answered with a higher one, and settled by the hub."""
    params, _ = stage.open_one("disputed")
    channel_id = stage.channel_id(params)
    functions = stage.contract.functions

    def challenge(amount_wei: int) -> TxReceipt:
        signature = stage.sign(key("disputed"), "Voucher", channel_id, amount_wei)
        voucher = (1, amount_wei, 0, 0, 0, bytes(32), bytes(32), signature)
        call = functions.challenge(params, NO_START, NO_CHECKPOINT, voucher, NO_EVIDENCE)
        return stage.send(stage.hub_key, call)

    started, raised = challenge(NET_WEI), challenge(2 * NET_WEI)
    stage.pass_time(OPEN_BEFORE_S + 1)
    settled = stage.send(stage.hub_key, functions.settle(params, (0, 0, b""), []))
    figures = {"challenge_start": started, "challenge_raise": raised, "settle": settled}
    return {name: receipt["gasUsed"] for name, receipt in figures.items()}


SCENARIOS: tuple[Callable[[Stage], dict[str, int]], ...] = (peaceful, own_key, token, batches, disputed)


def measure() -> dict[str, int]:
    """All figures, each scenario on its own node."""
    figures: dict[str, int] = {}
    for scenario in SCENARIOS:
        with anvil() as chain:
            stage = Stage(chain)
            figures["deploy"] = stage.deploy_gas
            figures.update(scenario(stage))
    return figures


if __name__ == "__main__":
    snapshot = measure()
    SNAPSHOT.write_text(json.dumps(snapshot, indent=2) + "\n")
    print(json.dumps(snapshot, indent=2))
