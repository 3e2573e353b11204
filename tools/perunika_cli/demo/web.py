"""Asking a hub or gateway over HTTP, as any owner would; no more than the standard library needs."""

import json
import urllib.error
import urllib.request
from typing import Any

from perunika.errors import ChainError, LocalError, PeerError, PerunikaError

FAULTS: dict[str, type[PerunikaError]] = {"us": LocalError, "peer": PeerError, "chain": ChainError}


def ask(url: str, body: object = None, token: str | None = None, timeout_s: float = 20.0) -> Any:
    """Return the JSON answer to GET (or POST of ``body``); an error answer is raised with the fault it names."""
    headers = {"Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    encoded = None
    if body is not None:
        encoded = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, encoded, headers), timeout=timeout_s) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise _refusal(url, error) from error
    except (urllib.error.URLError, TimeoutError) as error:
        raise LocalError("http.unreachable", f"{url} does not answer: {error}", "is the program running?") from error


def _refusal(url: str, error: urllib.error.HTTPError) -> PerunikaError:
    try:
        found = json.load(error)["error"]
        return FAULTS.get(found.get("fault"), PeerError)(found["code"], found["text"], found.get("hint", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return PeerError("http.answer", f"{url} answered {error.code}", "")
