"""Doctor's look at the chain: does the node answer, is it the right chain, is the contract there, is there money."""

import time

from perunika.errors import PerunikaError
from perunika_cli.checks import Finding, bad, ok
from perunika_host.chain import Chain
from perunika_host.units import format_duration, format_ether

# R13 counts by the chain's clock; a skew of minutes makes validities end early or late.
MAX_SKEW_S = 120
LOW_GAS_WEI = 10**16


async def connect(
    url: str, contract: bytes, chain_id: int, confirmations: int, prefix: str
) -> tuple[list[Finding], Chain | None]:
    """Return findings about node and contract, and the chain when all is well with them."""
    name = f"{prefix} chain"
    try:
        chain = await Chain.connect(url, contract, chain_id, confirmations)
    except PerunikaError as error:
        return [bad(name, error)], None
    return [ok(name, f"chain {chain_id} at {url}, contract 0x{contract.hex()}")], chain


async def clock(chain: Chain, prefix: str) -> Finding:
    """Compare the newest block's time with this machine's."""
    head = await chain.rpc.call("eth_getBlockByNumber", "latest", False)
    skew_s = int(time.time()) - int(head["timestamp"], 16)
    name = f"{prefix} clock"
    if abs(skew_s) <= MAX_SKEW_S:
        return ok(name, f"{abs(skew_s)} s between this clock and the chain's")
    side = "behind" if skew_s > 0 else "ahead of"
    text = f"the newest block is {format_duration(abs(skew_s))} {side} this clock"
    return Finding(name, "note", text, "set this machine's clock by NTP, or wait until the node has caught up")


async def gas(chain: Chain, account: bytes, prefix: str) -> Finding:
    """Look whether an account can pay for transactions."""
    balance_wei = await chain.balance_wei(account)
    name, text = f"{prefix} gas", f"0x{account.hex()} has {format_ether(balance_wei)}"
    if balance_wei < LOW_GAS_WEI:
        fix = 'send coin there, for example with `perunika hub fund 0 --gas "0.1 ETH"`'
        return Finding(name, "bad" if balance_wei == 0 else "note", text, fix)
    return ok(name, text)


async def vault(chain: Chain, owner: bytes, hub: bytes, prefix: str) -> list[Finding]:
    """Look whether the hub may use its owner's vault, and what is in it."""
    findings = []
    if await chain.is_operator(owner, hub):
        findings.append(ok(f"{prefix} operator", "the hub's key may use the vault"))
    else:
        text = f"the hub's key may not use the vault of 0x{owner.hex()}"
        findings.append(Finding(f"{prefix} operator", "bad", text, "`perunika hub fund` with the owner's keystore"))
    held_wei = await chain.vault_wei(owner)
    if held_wei:
        findings.append(ok(f"{prefix} vault", format_ether(held_wei)))
    else:
        fix = '`perunika hub fund "1 ETH"`; until then only channels without a deposit of the hub can be opened'
        findings.append(Finding(f"{prefix} vault", "note", "empty", fix))
    return findings
