"""A provider of texts over HTTP: several messages with one call, receipts come later."""

import contextlib
import http.client
import json
import ssl
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from services.notify.providers.message import Message, Outcome

TIMEOUT_S = 4.0
MAX_ANSWER_BYTES = 1024 * 1024
_REASONS = {"unknown-number": "no-recipient", "blocked": "refused"}


class HttpTexts:
    """Speaks to one provider over a kept connection; each message carries its id as reference."""

    slowest_s = 2 * TIMEOUT_S  # a kept connection may turn out to be closed
    at_once = 50

    def __init__(self, name: str, url: str, token: str) -> None:
        self.name, self._token = name, token
        self._parts = urlsplit(url.rstrip("/"))
        self._connection: http.client.HTTPConnection | None = None

    def deliver(self, message: Message) -> Outcome:
        """Hand one text over."""
        return self.deliver_all([message])[0]

    def deliver_all(self, messages: Sequence[Message]) -> list[Outcome]:
        """Hand texts over; when the provider fails, all of them may be tried with another."""
        sent = [
            {
                "reference": message.id,
                "to": message.address,
                "from": message.sender,
                "text": message.body,
            }
            for message in messages
        ]
        try:
            status, answer = self._call("POST", "/messages", {"messages": sent})
        except (OSError, http.client.HTTPException, ValueError) as error:
            return [Outcome(None, type(error).__name__, is_fault=True)] * len(messages)
        if status != 200:
            fault = Outcome(None, f"answered {status}", response=str(status), is_fault=True)
            return [fault] * len(messages)
        said = {each.get("reference"): each for each in answer.get("results", [])}
        return [self._outcome(message, said.get(message.id)) for message in messages]

    def find(self, notification_id: str) -> Outcome | None:
        """Ask whether the provider has a message."""
        try:
            status, answer = self._call("GET", f"/messages/{quote(notification_id)}", None)
        except (http.client.HTTPException, ValueError) as error:
            raise OSError(type(error).__name__) from None
        if status == 404:
            return None
        if status != 200:
            raise OSError(f"answered {status}")
        return Outcome("sending", awaits_receipt=True, reason="accepted", response=_code(answer))

    def close(self) -> None:
        """End the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()

    def _outcome(self, message: Message, said: Mapping[str, Any] | None) -> Outcome:
        if said is None:
            return Outcome(None, "did not say what became of it")
        code = _code(said)
        match said.get("state"):
            case "accepted" if message.is_international:
                return Outcome("sent", reason="accepted", response=code)
            case "accepted":
                return Outcome("sending", awaits_receipt=True, reason="accepted", response=code)
            case "rejected":
                reason = _REASONS.get(code or "", "refused")
                return Outcome("permanent-failure", f"rejected {code}", False, reason, code)
            case _:
                return Outcome(None, "is busy", response=code)

    def _call(self, method: str, path: str, content: Any) -> tuple[int, dict[str, Any]]:
        body = None if content is None else json.dumps(content).encode()
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        is_new = self._connection is None
        connection = self._connection = self._connection or self._connect()
        try:
            connection.request(method, self._parts.path + path, body, headers)
            answer = connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected):
            self.close()
            if is_new:
                raise
            return self._call(method, path, content)  # it was closed while nobody used it
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        data = answer.read(MAX_ANSWER_BYTES)
        if answer.will_close:
            self.close()
        found = json.loads(data or b"{}") if answer.status == 200 else {}
        if not isinstance(found, dict):
            raise ValueError("the answer is no object")
        return answer.status, found

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)


def _code(said: Mapping[str, Any]) -> str | None:
    code = said.get("code")
    return str(code)[:100] if code is not None else None
