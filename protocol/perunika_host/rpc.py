"""JSON-RPC to an Ethereum node: every failure is a ChainError that says what kind it is."""

import asyncio
from typing import Any, Self

import aiohttp
from eth_typing import URI
from web3 import AsyncHTTPProvider
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint

from perunika.errors import ChainError


class RpcError(ChainError):
    """The node answered with an error: ``number`` is its JSON-RPC code, ``revert`` what the contract returned."""

    def __init__(self, method: str, number: int, message: str, revert: bytes | None) -> None:
        self.number = number
        self.message = message
        self.revert = revert
        super().__init__("chain.refused", f"the node refuses {method}: {message}")


class Rpc:
    """One node by URL. ``call`` raises ChainError ``chain.unreachable`` (try again later) or RpcError."""

    def __init__(self, url: str, timeout_s: float = 20.0) -> None:
        self.url = url
        self.timeout_s = timeout_s
        self._provider = AsyncHTTPProvider(
            URI(url),
            request_kwargs={"timeout": aiohttp.ClientTimeout(total=timeout_s)},
            # Whoever calls decides about repeating: a lost answer to a transaction is not a lost transaction.
            exception_retry_configuration=None,
        )

    async def call(self, method: str, *parameters: Any) -> Any:
        """Return the ``result`` of one request."""
        try:
            async with asyncio.timeout(self.timeout_s):
                response = await self._provider.make_request(RPCEndpoint(method), list(parameters))
        except (aiohttp.ClientError, OSError, TimeoutError, Web3Exception, ValueError) as error:
            hint = "start the node, or correct its URL; it is asked again"
            raise ChainError("chain.unreachable", _silence(self.url, method, error), hint) from error
        fault = response.get("error")
        if fault:
            raise _refusal(method, fault)
        if "result" not in response:
            raise ChainError("chain.unreachable", f"{self.url} does not speak JSON-RPC", "correct the node's URL")
        return response["result"]

    async def number(self, method: str, *parameters: Any) -> int:
        """Return a result that is a hexadecimal quantity."""
        return int(await self.call(method, *parameters), 16)

    async def close(self) -> None:
        """Close the connections."""
        await self._provider.disconnect()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _silence(url: str, method: str, error: Exception) -> str:
    """Say what came instead of an answer, without the words of the libraries in between."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{url} answers {method} with HTTP status {error.status}"
    if isinstance(error, (aiohttp.ClientError, OSError)):
        return f"nothing answers at {url}"  # TimeoutError is an OSError
    return f"{url} does not answer {method} as JSON-RPC"


def _refusal(method: str, fault: Any) -> RpcError:
    if not isinstance(fault, dict):
        return RpcError(method, 0, str(fault), None)
    number, message = int(fault.get("code", 0)), str(fault.get("message", fault))
    return RpcError(method, number, message, _revert_of(fault.get("data")))


def _revert_of(data: Any) -> bytes | None:
    """Find the bytes a contract reverted with: nodes put them into ``data`` or one level below."""
    if isinstance(data, dict):
        data = data.get("data") or data.get("result")
    if isinstance(data, str) and data.startswith("0x"):
        try:
            return bytes.fromhex(data[2:])
        except ValueError:
            return None
    return None
