"""The simulated providers over HTTP/1.1: one small asyncio server, no framework.

``POST /<provider>/messages`` takes texts, ``GET /<provider>/messages/<reference>`` looks one up.
``GET /control`` says how each behaves, ``POST /control`` changes that.
"""

import asyncio
import contextlib
import hmac
import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote

from services.notify.simulator.behaviour import MAX_DELAY_MS, MODES, SimulatedProvider
from services.notify.simulator.store import Store

MAX_BODY_BYTES = 4 * 1024 * 1024
_HEAD_BYTES = 16 * 1024
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Busy"}
Answer = tuple[int, dict[str, Any]]


class Simulator:
    """Serves some providers; report: called when there are receipts to send."""

    def __init__(
        self, names: Sequence[str], token: str, store: Store, report: Callable[[], None]
    ) -> None:
        self.providers = {name: SimulatedProvider(name, store) for name in names}
        self._token, self._store, self._report = token, store, report

    async def serve(self, host: str, port: int) -> asyncio.Server:
        """Listen; the caller closes the server."""
        return await asyncio.start_server(self._speak, host, port, limit=_HEAD_BYTES)

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        except (ValueError, UnicodeDecodeError):
            _write(writer, 400, {})
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, path, _ = first.split(" ")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }
        size = int(headers.get("content-length", "0"))
        if not 0 <= size <= MAX_BODY_BYTES:
            raise ValueError
        body = await reader.readexactly(size) if size else b""
        status, answer = await self._answer(method, path, headers, body)
        _write(writer, status, answer)
        await writer.drain()
        return headers.get("connection", "").lower() != "close"

    async def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if path == "/readyz":
            return 200, {"status": "ready"}
        given = headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return 401, {}
        parts = [unquote(part) for part in path.split("/")[1:]]
        if parts == ["control"]:
            return self._control(json.loads(body)) if method == "POST" else (200, self._told())
        provider = self.providers.get(parts[0])
        if provider is None or parts[1:2] != ["messages"]:
            return 404, {}
        if provider.delay_ms:
            await asyncio.sleep(provider.delay_ms / 1000)
        if method == "GET":
            known = len(parts) == 3 and self._store.knows(provider.name, parts[2])
            return (200, {"reference": parts[2], "code": "queued"}) if known else (404, {})
        messages = json.loads(body).get("messages")
        if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
            return 400, {}
        answer = provider.take(messages)
        self._report()
        return answer

    def _control(self, wanted: Any) -> Answer:
        """Change how one provider behaves, or all of them."""
        if not isinstance(wanted, dict):
            return 400, {}
        mode, delay_ms = wanted.get("mode", "ok"), wanted.get("delay_ms", 0)
        name = wanted.get("provider")
        chosen = [p for p in self.providers.values() if name in (None, p.name)]
        if mode not in MODES or type(delay_ms) is not int or not chosen:
            return 400, {}
        if not 0 <= delay_ms <= MAX_DELAY_MS:
            return 400, {}
        for provider in chosen:
            provider.mode, provider.delay_ms = mode, delay_ms
        return 200, self._told()

    def _told(self) -> dict[str, Any]:
        return {"providers": {name: each.told() for name, each in self.providers.items()}}


def _write(writer: asyncio.StreamWriter, status: int, answer: dict[str, Any]) -> None:
    body = json.dumps(answer).encode()
    reason = _REASONS.get(status, "Failed")
    writer.write(
        f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
