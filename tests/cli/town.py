"""Everything that the examples need around them: a chain, a broker, users and ports filled in as an operator would."""

import json
import tomllib
from pathlib import Path
from typing import Any

from eth_account import Account

from perunika_cli.config_edit import change_file
from perunika_cli.stack.broker import Broker
from perunika_cli.stack.logins import new_password
from perunika_cli.stack.node import Node
from perunika_cli.stack.ports import free_port
from perunika_cli.stack.process import Process
from tests.cli.shell import Shell

READY_S = 40
SITE = "town"


class Town:
    """A directory in which lines are typed; services keep running until ``stop``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.shell = Shell(directory)
        self.node = Node(directory / ".node", block_time_s=1)
        self.broker: Broker | None = None
        self.running: dict[str, Process] = {}
        self.passwords: dict[str, str] = {}
        self.hub_port = free_port()

    def start(self) -> None:
        """Start the chain, and put what lines refer to into the environment."""
        self.node.start()
        secret = self.directory / "funded.key"
        secret.write_text(self.node.accounts[0].private_key + "\n")
        secret.chmod(0o600)
        self.shell.environment |= {"RPC_URL": self.node.rpc_url, "HUB_URL": f"http://127.0.0.1:{self.hub_port}"}

    def stop(self) -> None:
        """Stop everything."""
        for process in self.running.values():
            process.stop()
        if self.broker is not None:
            self.broker.stop()
        self.node.stop()

    def keep(self, line: str, pattern: str) -> Process:
        """Start a line, wait for ``pattern``, let it run on."""
        process = self.shell.start(line)
        self.running[line] = process
        process.wait_for_line(pattern, READY_S)
        return process

    def end(self, line: str) -> None:
        """End a line that was kept."""
        self.running.pop(line).stop()

    def edit(self, file: str, **values: object) -> None:
        """Fill in keys of a configuration file; ``__`` in a name stands for a dot."""
        written = {name.replace("__", "."): json.dumps(value) for name, value in values.items()}
        change_file(self.directory / file, written)

    def config(self, file: str) -> Any:
        return tomllib.loads((self.directory / file).read_text())

    def append(self, file: str, text: str) -> None:
        with open(self.directory / file, "a") as opened:
            opened.write("\n" + text)

    def board(self, name: str) -> Any:
        return json.loads((self.directory / name / "device.json").read_text())

    def faucet(self, address: str) -> None:
        """Give an account of the development chain a thousand coins."""
        self.node.call("anvil_setBalance", address, hex(1000 * 10**18))

    def address(self, keystore: str) -> str:
        found = json.loads((self.directory / keystore).read_text())["address"]
        return "0x" + str(found).removeprefix("0x").lower()

    def fill_in_hub(self) -> None:
        """Chain, short waiting times, and a port that is free here."""
        self.faucet(self.address("hub/keys/owner.json"))
        self.edit(
            "hub/hub.toml", chain__rpc_url=self.node.rpc_url, chain__poll="200ms", chain__confirmations=1,
            http__port=self.hub_port, limits__min_window="1m", limits__challenge_duration="1h", settle__wait="1s",
        )  # fmt: skip

    def open_broker(self, devices: list[str], members: list[str]) -> None:
        """(Re)start the broker for these users, and tell the hub where it is."""
        if self.broker is not None:
            self.broker.stop()
        self.passwords = {name: new_password() for name in devices}
        self.broker = Broker(
            self.directory / ".broker", site=SITE, devices=self.passwords, gateways={"shop": new_password()},
            members={name: new_password() for name in members}, hub={"hub": new_password()},
        )  # fmt: skip
        self.broker.start()
        self.edit(
            "hub/hub.toml", mqtt__port=self.broker.hub_port, mqtt__ca_file=str(self.broker.ca_pem), mqtt__user="hub",
            mqtt__password_file=str(self.broker.password_path("hub", "hub")),
        )  # fmt: skip

    def fill_in_gateway(self, name: str, site: bool) -> None:
        """Brokers and ports of a gateway, and coin for its owner."""
        assert self.broker is not None
        self.faucet(self.address(f"{name}/keys/owner.json"))
        member = self.address(f"{name}/keys/member.json")[2:]
        self.edit(
            f"{name}/gateway.toml", hub__host="127.0.0.1", hub__port=self.broker.hub_port,
            hub__ca_file=str(self.broker.ca_pem), hub__user=member,
            hub__password_file=str(self.broker.password_path("hub", member)), http__port=free_port(),
            chain__rpc=self.node.rpc_url, chain__refresh_s="500ms",
        )  # fmt: skip
        if site:
            self.edit(
                f"{name}/gateway.toml", site__host="127.0.0.1", site__port=self.broker.site_port, site__name=SITE,
                site__ca_file=str(self.broker.ca_pem), site__user="shop",
                site__password_file=str(self.broker.password_path("site", "shop")), meter__port=free_port(),
                meter__serve_while_open=True,
            )  # fmt: skip

    def fill_in_board(self, name: str) -> None:
        """Give the board the password that the broker knows for it."""
        board = self.board(name)
        board["broker"]["password"] = self.passwords[board["broker"]["user"]]
        (self.directory / name / "device.json").write_text(json.dumps(board))


def fresh_address() -> str:
    return str(Account.create().address).lower()
