"""Asks the simulator how its providers behave, and tells them to behave otherwise."""

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

_TIMEOUT_S = 2.0


class Unreachable(Exception):
    """The simulator gave no answer."""


class Control:
    """The lever on a simulator."""

    def __init__(self, url: str, token: str) -> None:
        self._parts, self._token = urlsplit(url), token

    def ask(self, wanted: Mapping[str, Any] | None) -> Any:
        """Change how providers behave (None: change nothing) and return how they do."""
        connection = http.client.HTTPConnection(
            self._parts.hostname or "", self._parts.port, timeout=_TIMEOUT_S
        )
        headers = {"Authorization": f"Bearer {self._token}"}
        body = None if wanted is None else json.dumps(wanted)
        try:
            connection.request("GET" if body is None else "POST", "/control", body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            raise Unreachable from None
        finally:
            connection.close()
        if answer.status != 200:
            raise Unreachable
        return json.loads(content)
