"""The HTTP interfaces of hub and gateway, seen from the command line: every failure is a PerunikaError."""

import http.client
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from perunika.errors import ChainError, LocalError, PeerError, PerunikaError
from perunika_host.secret_file import read_secret

TIMEOUT_S = 10.0
# Admin calls may wait for a transaction.
PATIENT_TIMEOUT_S = 150.0
MAX_ANSWER_BYTES = 16 * 2**20
FAULTS: dict[str, type[PerunikaError]] = {"us": LocalError, "peer": PeerError, "chain": ChainError}


class Api:
    """One service, such as ``Api("the hub", "http://127.0.0.1:8420", token_file)``.

    ``get`` and ``post`` return the JSON of the answer. They raise LocalError ``api.unreachable`` when nobody answers,
    and what the service itself said was wrong, with its fault, when it refuses.
    """

    def __init__(self, who: str, url: str, token_file: Path | None = None) -> None:
        self.who = who
        self.url = url.rstrip("/")
        self.token_file = token_file

    def get(self, path: str) -> Any:
        """Return what GET answers."""
        return self._call(urllib.request.Request(self.url + path), TIMEOUT_S)

    def health(self) -> Any:
        """Return /v1/health, also that of a service which says that it is not well."""
        return self._call(urllib.request.Request(self.url + "/v1/health"), TIMEOUT_S, degraded_status=503)

    def all(self, path: str, name: str) -> list[Any]:
        """Return a whole list, page by page: each page has entries under ``name`` and where the next one begins."""
        found: list[Any] = []
        after = None
        while True:
            page = self.get(path if after is None else f"{path}?after={after}")
            found += page[name]
            after = page.get("next")
            if after is None:
                return found

    def post(self, path: str, body: object | None = None, admin: bool = False) -> Any:
        """Return what POST answers; ``admin`` sends the token of ``token_file`` along (LocalError without one)."""
        headers = {"Content-Type": "application/json"}
        if admin:
            headers["Authorization"] = "Bearer " + self._token()
        content = json.dumps({} if body is None else body).encode()
        return self._call(urllib.request.Request(self.url + path, content, headers), PATIENT_TIMEOUT_S)

    def _token(self) -> str:
        if self.token_file is None:
            hint = "name its file with --token-file, or the configuration with --config"
            raise LocalError("api.token", f"{self.who} wants an admin token for this", hint)
        return read_secret(self.token_file)

    def _call(self, request: urllib.request.Request, timeout_s: float, degraded_status: int = 0) -> Any:
        try:
            with _OPENER.open(request, timeout=timeout_s) as response:
                return self._parsed(response.read(MAX_ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                content = error.read(MAX_ANSWER_BYTES)
            if error.code == degraded_status and self._parsed_error(content) is None:
                return self._parsed(content)
            raise self._refusal(error.code, content) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            hint = f"start {self.who}, or correct its address"
            raise LocalError("api.unreachable", f"{self.who} does not answer at {self.url}: {reason}", hint) from error

    def _parsed(self, content: bytes) -> Any:
        try:
            return json.loads(content)
        except ValueError as error:
            hint = "is this address another service's?"
            raise PeerError("api.answer", f"{self.who} at {self.url} does not answer with JSON", hint) from error

    def _refusal(self, status: int, content: bytes) -> PerunikaError:
        """Return the error that the service put into its answer, or one about the bare status."""
        said = self._parsed_error(content)
        if said is None:
            return PeerError("api.status", f"{self.who} at {self.url} answers with HTTP status {status}")
        kind = FAULTS.get(str(said.get("fault")), PeerError)
        return kind(str(said.get("code")), f"{self.who} refuses: {said.get('text')}", str(said.get("hint") or ""))

    @staticmethod
    def _parsed_error(content: bytes) -> dict[str, Any] | None:
        try:
            said = json.loads(content)["error"]
        except (ValueError, KeyError, TypeError):
            return None
        return said if isinstance(said, dict) else None


# Services of one's own machine are not reached through a proxy.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
