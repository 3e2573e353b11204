"""The cast of the demo: starts node, broker, hub, two gateways and three boards, each as a process of its own.

Device 1 pays the shop's seconds out of its own channel; device 2 pays device 3's readings out of the owner's
allowance; device 3 sells readings behind the shop (docs/spec.md "The cast").
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from perunika.errors import LocalError
from perunika_cli.demo.boards import Board, board_addresses
from perunika_cli.demo.channels import OpenChannel, account_of, address_of, found, open_channel, plain_params
from perunika_cli.demo.keys import KeyFile, make_keys, make_secret_file
from perunika_cli.demo.toml import write_toml
from perunika_cli.demo.upstream import Upstream
from perunika_cli.demo.web import ask
from perunika_cli.stack.broker import Broker
from perunika_cli.stack.logins import new_password
from perunika_cli.stack.node import Node
from perunika_cli.stack.process import Process

SITE = "demo"
GWEI = 10**9
ETHER = 10**18
VAULT_WEI = ETHER
SECOND_WEI, READING_WEI = GWEI, 2 * GWEI
CAPACITY_WEI = 100_000 * GWEI
DEPOSITS = {"shop": (ETHER // 1000, ETHER // 100), "owner": (ETHER // 100, 0), "device1": (ETHER // 100, 0)}
READY_S = 30.0
MEMBERS = ("shop", "owner", "device1")
CONFIRMATIONS = 2


class Cast:
    """All processes and keys of one run below ``directory``; ``say`` is told what happens, in a sentence each."""

    def __init__(self, directory: Path, seconds: int, say: Callable[[str], None]) -> None:
        self.directory = directory
        self.seconds = seconds
        self.say = say
        self.stack = ExitStack()
        self.processes: dict[str, Process] = {}
        self.urls: dict[str, str] = {}
        self.channels: dict[str, OpenChannel] = {}
        self.boards: dict[str, Board] = {}

    def start(self) -> None:
        """Start everything; returns when hub and gateways are ready and the boards run."""
        self._keys()
        self._node_and_broker()
        self._contract()
        self._hub()
        self._open_channels()
        for name in ("shop", "owner"):
            self._gateway(name)
        self._boards()

    def _keys(self) -> None:
        self.say("making keys: hub, gas, two gateways, the shop's meter, three boards")
        self.keys = make_keys(self.directory / "keys", dict.fromkeys(("hub", "gas", "shop", "owner", "meter")))
        self.token_file = make_secret_file(self.directory / "keys" / "admin.token")
        self.token = self.token_file.read_text()
        self.board_keys = {
            name: board_addresses(self.directory / name, name) for name in ("device1", "device2", "device3")
        }

    def member(self, name: str) -> bytes:
        """Return the member key of the channel ``name``."""
        return self.board_keys[name]["member"] if name == "device1" else self.keys[name].address

    def device_id(self, name: str) -> str:
        """Return the name of a board in topics: its payer or payee key in hex."""
        return self.board_keys[name]["payee" if name == "device3" else "payer"].hex()

    def _node_and_broker(self) -> None:
        self.node = self.stack.enter_context(Node(self.directory / "node", block_time_s=1))
        self.accounts = {
            name: account_of(self.node.accounts[index].private_key)
            for index, name in enumerate(("deployer", "hub", "shop", "owner", "device1"))
        }
        self.node.call("anvil_setBalance", "0x" + self.keys["gas"].address.hex(), hex(ETHER))
        self.passwords = {name: new_password() for name in ("device1", "device2", "device3", "shop", "owner", "hub")}
        self.broker = self.stack.enter_context(
            Broker(
                self.directory / "broker",
                site=SITE,
                devices={self.device_id(name): self.passwords[name] for name in self.board_keys},
                gateways={"shop": self.passwords["shop"]},
                members={self.keys[name].address.hex(): self.passwords[name] for name in ("shop", "owner")},
                hub={"hub": self.passwords["hub"]},
            )
        )
        self.say(
            f"node with a block a second at {self.node.rpc_url}; broker: {self.broker.kind}, TLS on both listeners"
        )

    def _contract(self) -> None:
        self.contract = asyncio.run(
            found(
                self.node.rpc_url, self.accounts["deployer"], self.accounts["hub"], self.keys["hub"].address, VAULT_WEI
            )
        )
        self.from_block = int(self.node.call("eth_blockNumber"), 16)
        self.before = {name: self._balance(name) for name in MEMBERS}
        self.say(f"contract 0x{self.contract.hex()} deployed; the hub's vault holds {VAULT_WEI // GWEI:,} gwei")

    def _balance(self, name: str) -> int:
        return int(self.node.call("eth_getBalance", self.accounts[name].address, "latest"), 16)

    def balances(self) -> dict[str, int]:
        """Return the on-chain balances of the members' owners now, in wei."""
        return {name: self._balance(name) for name in MEMBERS}

    def _chain(self, rpc_key: str) -> dict[str, Any]:
        return {
            rpc_key: self.node.rpc_url, "contract": self.contract, "chain_id": 31337, "confirmations": CONFIRMATIONS,
        }  # fmt: skip

    def _password_file(self, name: str) -> Path:
        return make_secret_file(self.directory / "keys" / f"{name}.mqtt", self.passwords[name])

    def _run(self, name: str, module: str, config: Path) -> None:
        """Start a Python program of ours and wait for its ready line, which names its HTTP address."""
        process = Process(name, [sys.executable, "-m", module, "--config", config], self.directory / f"{name}.log")
        self.processes[name] = self.stack.enter_context(process)
        ready = process.wait_for_line(r"^perunika \w+ ready (.*)$", READY_S)
        facts = dict(fact.split("=", 1) for fact in ready.group(1).split())
        self.urls[name] = facts["http"] if "://" in facts["http"] else f"http://{facts['http']}"
        if "meter" in facts:
            self.gate_url = f"http://{facts['meter']}/"
        self.say(f"{name} is ready at {self.urls[name]}")

    def _hub(self) -> None:
        keys = self.keys
        devices = [{"address": self.member("device1"), "member": keys["shop"].address}]
        config = {
            "chain": {**self._chain("rpc_url"), "poll": "250ms"},
            "keys": {
                "hub_keystore": keys["hub"].keystore, "hub_password_file": keys["hub"].password_file,
                "vault_owner": address_of(self.accounts["hub"]), "gas_keystore": keys["gas"].keystore,
                "gas_password_file": keys["gas"].password_file,
            },
            "store": {"path": self.directory / "hub" / "hub.sqlite3"},
            "mqtt": {
                "host": "localhost", "port": self.broker.hub_port, "ca_file": self.broker.ca_pem, "user": "hub",
                "password_file": self._password_file("hub"),
            },
            "http": {"port": 0, "admin_token_file": self.token_file},
            "fees": {"base": "1 gwei", "ppm": 500, "ppm_per_day": 100},
            "limits": {"min_window": "1m", "max_window": "7d", "challenge_duration": "1h", "checkpoint_every": 32},
            "settle": {"wait": "1s"},
            "devices": devices,
        }  # fmt: skip
        self._run("hub", "perunika_hub", write_toml(self.directory / "hub" / "hub.toml", config))

    def _open_channels(self) -> None:
        async def open_all() -> list[OpenChannel]:
            return await asyncio.gather(*[
                open_channel(
                    self.node.rpc_url, self.contract, self.urls["hub"], self.keys["hub"].address, self.accounts[name],
                    self.member(name), DEPOSITS[name],
                )
                for name in MEMBERS
            ])  # fmt: skip

        self.channels = dict(zip(MEMBERS, asyncio.run(open_all()), strict=True))
        self.say("three basic channels opened by their owners, one transaction each, funded by member and hub")

    def _channel_file(self, name: str) -> Path:
        path = self.directory / name / "channel.json"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(json.dumps(plain_params(self.channels[name].params), indent=1))
        return path

    def _gateway(self, name: str) -> None:
        keys: KeyFile = self.keys[name]
        config: dict[str, Any] = {
            "chain": {**self._chain("rpc"), "refresh_s": "1s"},
            "member": {
                "keystore": keys.keystore, "password_file": keys.password_file, "channel": self._channel_file(name),
            },
            "store": {
                "path": self.directory / name / "gateway.sqlite",
                "second_path": self.directory / name / "second" / "gateway.sqlite",
            },
            "hub": {
                "address": self.keys["hub"].address, "host": "localhost", "port": self.broker.hub_port,
                "ca_file": self.broker.ca_pem, "user": keys.address.hex(),
                "password_file": self._password_file(name), "url": self.urls["hub"],
            },
            "http": {"port": 0, "admin_token_file": self.token_file},
        }  # fmt: skip
        (self.directory / name / "second").mkdir(parents=True, exist_ok=True, mode=0o700)
        config.update(self._shop() if name == "shop" else self._owner())
        self._run(name, "perunika_gateway", write_toml(self.directory / name / "gateway.toml", config))

    def _shop(self) -> dict[str, Any]:
        upstream = self.stack.enter_context(Upstream())
        meter = self.keys["meter"]
        boards = self.board_keys
        return {
            "site": {
                "host": "localhost", "port": self.broker.site_port, "ca_file": self.broker.ca_pem, "user": "shop",
                "password_file": self._password_file("shop"), "name": SITE,
            },
            "meter": {
                "kind": "http", "keystore": meter.keystore, "password_file": meter.password_file, "port": 0,
                "upstream": upstream.url, "unit_price_wei": SECOND_WEI, "unit_s": "1s", "idle_s": "30s",
                "serve_while_open": True,
            },
            "device": [
                _device("device1", "payer", boards["device1"]["payer"], boards["device1"]["member"]),
                _device("device2", "payer", boards["device2"]["payer"]),
                _device("device3", "seller", boards["device3"]["payee"]),
            ],
        }  # fmt: skip

    def _owner(self) -> dict[str, Any]:
        payer = self.board_keys["device2"]["payer"]
        return {
            "device": [{"name": "device2", "kind": "payer", "address": payer, "allowance_wei": 2 * CAPACITY_WEI}]
        }  # fmt: skip

    def _boards(self) -> None:
        for name in ("device3", "device1", "device2"):
            board = Board(self.directory / name, name, self._board_config(name), self.seconds)
            self.boards[name] = self.stack.enter_context(board)
        self.say(f"three boards run: {next(iter(self.boards.values())).interpreter.describe()}")

    def _board_config(self, name: str) -> dict[str, Any]:
        keys = self.board_keys
        config: dict[str, Any] = {
            "site": SITE,
            "broker": {
                "host": "127.0.0.1", "port": self.broker.site_port, "ca": str(self.broker.ca_der), "name": "localhost",
                "user": self.device_id(name), "password": self.passwords[name],
            },
            "chain": {"id": 31337, "contract": "0x" + self.contract.hex()},
            "hub": "0x" + self.keys["hub"].address.hex(),
            "gateway": "0x" + self.keys["shop"].address.hex(),
            "provisioned": int(time.time()),
        }  # fmt: skip
        if name == "device3":
            params = plain_params(self.channels["shop"].params)
            channel = {
                "owner": params["alice_owner"], "hub_owner": params["bob_owner"], "salt": params["salt"],
                "challenge_duration_s": params["challenge_duration"], "open_before": params["open_before"],
            }  # fmt: skip
            member = "0x" + self.keys["shop"].address.hex()
            config["seller"] = {
                "member": member, "channel": channel, "unit_price_wei": READING_WEI, "kind": "temperature",
                "exponent": -2, "idle_s": 30,
            }  # fmt: skip
            return config
        unit = SECOND_WEI if name == "device1" else READING_WEI
        payee = self.keys["meter"].address if name == "device1" else keys["device3"]["payee"]
        config["payer"] = {
            "payee": "0x" + payee.hex(), "budget_wei": CAPACITY_WEI, "max_unit_price_wei": unit, "validity_s": 3600,
        }  # fmt: skip
        if name == "device1":
            config["member"] = self._own_member()
        else:
            config["payer"]["member"] = "0x" + self.keys["owner"].address.hex()
            config["payer"]["channel"] = "0x" + self.channels["owner"].channel_id.hex()
        return config

    def _own_member(self) -> dict[str, Any]:
        channel = self.channels["device1"]
        params = plain_params(channel.params)
        fees = ask(f"{self.urls['hub']}/v1/info")["fees"]
        return {
            "owner": params["alice_owner"], "hub_owner": params["bob_owner"], "salt": params["salt"],
            "challenge_duration_s": params["challenge_duration"], "open_before": params["open_before"],
            "deposit_wei": channel.member_wei, "hub_deposit_wei": channel.hub_wei, "max_fee_wei": 10**15,
            "fees": {
                "base_wei": int(fees["base"]), "ppm": int(fees["ppm"]), "ppm_per_day": int(fees["ppm_per_day"]),
                "min_capacity_wei": int(fees["min_capacity"]), "max_capacity_wei": int(fees["max_capacity"]),
                "valid_until": int(fees["valid_until"]),
            },
        }  # fmt: skip

    def failures(self) -> list[str]:
        """Return what has ended that should run."""
        return [f"{name} ended with status {p.returncode}" for name, p in self.processes.items() if not p.running]

    def stop(self) -> None:
        """Stop everything, in reverse order."""
        self.stack.close()

    def require_running(self) -> None:
        """Raise LocalError("demo.process") with the last lines of a process's log when one has ended."""
        failed = self.failures()
        if failed:
            name = failed[0].split()[0]
            tail = self.processes[name].output()[-800:]
            raise LocalError("demo.process", f"{failed[0]}\n{tail}", f"see {self.directory / (name + '.log')}")


def _device(name: str, kind: str, address: bytes, member: bytes | None = None) -> dict[str, Any]:
    """Return a ``[[device]]`` table of a gateway."""
    return {"name": name, "kind": kind, "address": address, "member": member}
