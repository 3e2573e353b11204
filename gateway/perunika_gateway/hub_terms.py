"""Compares what the hub says about itself over HTTP with what this gateway expects, so that people learn it early.

Nothing depends on it: every message and every fee is checked on its own. It only turns a refusal at the first
opening into a sentence right after the start.
"""

import asyncio
import json
import logging

import aiohttp

from perunika.errors import PeerError
from perunika_gateway.config import GatewayConfig

log = logging.getLogger("perunika.gateway.hub")

TIMEOUT_S = 10.0
RETRY_S = 30.0
MAX_ANSWER_BYTES = 65536


class HubTerms:
    """``problem`` is None, or why openings through this hub will be refused."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self.problem: PeerError | None = None

    async def run(self) -> None:
        """Ask until the hub has answered once; without ``hub.url`` there is nobody to ask."""
        url = self._config.hub.url
        while url is not None:
            try:
                self.problem = self._compare(await _ask(url))
                if self.problem is not None:
                    log.warning("%s", self.problem)
                return
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                log.info("the hub's API at %s does not answer: %s", url, error)
            await asyncio.sleep(RETRY_S)

    def _compare(self, told: dict[str, object]) -> PeerError | None:
        """Return what does not fit: key, chain, contract, fees."""
        config, limits = self._config, self._config.limits
        for name, ours in (
            ("hub", "0x" + config.hub.address.hex()),
            ("contract", "0x" + config.chain.contract.hex()),
            ("chain_id", str(config.chain.chain_id)),
        ):
            theirs = str(told.get(name)).lower()
            if theirs != ours:
                return PeerError(
                    "hub.other", f"the hub says {name} = {theirs}, we expect {ours}", "correct hub or chain"
                )
        fees = told.get("fees")
        asked = fees if isinstance(fees, dict) else {}
        for name, most in (
            ("base", limits.fee_base_wei),
            ("ppm", limits.fee_ppm),
            ("ppm_per_day", limits.fee_ppm_per_day),
        ):
            theirs = str(asked.get(name, "0"))
            if not theirs.isdigit() or int(theirs) > most:
                hint = "raise limits.fee_* if that is acceptable"
                return PeerError("hub.fees", f"the hub asks {name} = {theirs}, we accept {most}", hint)
        return None


async def _ask(url: str) -> dict[str, object]:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url.rstrip("/") + "/v1/info") as answer:
        raw = await answer.content.read(MAX_ANSWER_BYTES)
    told = json.loads(raw)
    if not isinstance(told, dict):
        raise ValueError("no JSON object")
    return told
