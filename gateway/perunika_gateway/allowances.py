"""Allowances from the configuration: applied once, so that what the API changed later is not undone by a restart."""

from functools import partial

from perunika_gateway.config import GatewayConfig
from perunika_host.group_commit import StepOverlay
from perunika_host.party_shell import PartyShell

PREFIX = b"%allow"


async def apply_allowances(shell: PartyShell, member: bytes, config: GatewayConfig) -> None:
    """Allow what the file allows, where the file says something new since the last start."""
    for device in config.device:
        if device.kind != "payer" or device.allowance_wei is None:
            continue
        wanted = b"%d %d" % (device.allowance_wei, config.limits.max_fee_wei)
        key = PREFIX + device.address
        if shell.view().get(key) != wanted:
            await shell.request(
                member, "allow", payer=device.address, limit=device.allowance_wei, max_fee=config.limits.max_fee_wei
            )  # fmt: skip
            await shell.group.run(partial(_note, key, wanted))


def _note(key: bytes, wanted: bytes, view: StepOverlay) -> None:
    view.put(key, wanted)
