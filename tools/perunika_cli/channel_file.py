"""channel.json: the parameters of a basic channel, what is in it, and how it was opened."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perunika.eip712 import Domain
from perunika.errors import LocalError
from perunika.structs import BasicParams
from perunika_cli.stack.certificates import write_private
from perunika_host.secret_file import write_secret

MAX_FILE_BYTES = 65536


@dataclass(frozen=True, slots=True)
class ChannelFile:
    """A channel on a chain; ``params`` names it."""

    params: BasicParams
    chain_id: int
    contract: bytes
    member_deposit_wei: int
    hub_deposit_wei: int
    transaction: bytes = b""

    @property
    def channel_id(self) -> bytes:
        """The id that chain, hub and vouchers know it by."""
        found: bytes = self.params.digest(Domain(self.chain_id, self.contract))
        return found

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON values: amounts as decimal strings, bytes as 0x-hex."""
        return {
            "channel_id": "0x" + self.channel_id.hex(),
            "chain_id": self.chain_id,
            "contract": "0x" + self.contract.hex(),
            "params": params_json(self.params),
            "member_deposit_wei": str(self.member_deposit_wei),
            "hub_deposit_wei": str(self.hub_deposit_wei),
            "transaction": "0x" + self.transaction.hex(),
        }

    def write(self, path: Path) -> None:
        """Write a new file. Raises LocalError when it exists."""
        write_secret(path, json.dumps(self.as_json(), indent=2) + "\n")

    def rewrite(self, path: Path) -> None:
        """Replace the file in one step."""
        write_private(path, (json.dumps(self.as_json(), indent=2) + "\n").encode())


def params_json(params: BasicParams) -> dict[str, Any]:
    """Return BasicParams by field name."""
    values = {name: getattr(params, name) for name, _ in BasicParams.FIELDS}
    return {name: "0x" + value.hex() if isinstance(value, bytes) else value for name, value in values.items()}


def params_from_json(fields: Any) -> BasicParams:
    """Return the BasicParams in a JSON object. Raises ValueError, KeyError or TypeError when it is none."""
    return BasicParams(*[_field(kind, fields[name]) for name, kind in BasicParams.FIELDS])


def _field(kind: str, value: Any) -> Any:
    if kind.startswith("uint"):
        return int(value)
    return bytes.fromhex(str(value).removeprefix("0x"))


def read_channel_file(path: Path) -> ChannelFile:
    """Return what `perunika channel open` wrote. Raises LocalError when the file is missing or something else."""
    hint = "name the file that `perunika channel open` wrote"
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise LocalError("channel.file", f"{path} is too long", hint)
        plain = json.loads(path.read_text("utf-8"))
        found = ChannelFile(
            params_from_json(plain["params"]),
            int(plain["chain_id"]),
            bytes.fromhex(plain["contract"][2:]),
            int(plain["member_deposit_wei"]),
            int(plain["hub_deposit_wei"]),
            bytes.fromhex(plain["transaction"][2:]),
        )
    except OSError as error:
        raise LocalError("channel.file", f"{path}: {error.strerror}", hint) from error
    except (ValueError, KeyError, TypeError) as error:
        raise LocalError("channel.file", f"{path} describes no channel: {error!r}", hint) from error
    if "0x" + found.channel_id.hex() != plain.get("channel_id"):
        raise LocalError("channel.file", f"{path} was changed: its id is not that of its parameters", hint)
    return found
