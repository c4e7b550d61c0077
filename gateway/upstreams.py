"""All services by name, and the gateway's own calls to them: feeds, keys, health, reset."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from gateway.forward import SWEEP_EVERY_S, Limits, Upstream, request_head
from gateway.settings import Settings
from servicekit.access import GATEWAY_ITSELF
from servicekit.problems import BadGateway, GatewayTimeout

logger = logging.getLogger(__name__)
MAX_OWN_ANSWER_BYTES = 16 * 1024 * 1024


class Upstreams:
    """Reaches each service by its name, with its own gateway key."""

    def __init__(self, urls: Mapping[str, str], keys: Mapping[str, str], limits: Limits) -> None:
        self._upstreams: dict[str, Upstream] = {}
        self.keys = {name: key.encode() for name, key in keys.items()}
        for name, url in urls.items():
            address = urlsplit(url)
            host, port = str(address.hostname), int(address.port or 80)
            self._upstreams[name] = Upstream(name, host, port, limits)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Upstreams":
        """Return the services that the settings name."""
        limits = Limits(
            settings.connect_timeout_s,
            settings.idle_timeout_s,
            settings.total_timeout_s,
            settings.upstream_connections,
        )
        return cls(
            settings.upstream_urls, settings.keys | {"gateway": settings.gateway_key}, limits
        )

    def __getitem__(self, name: str) -> Upstream:
        return self._upstreams[name]

    def __iter__(self) -> Any:
        return iter(self._upstreams)

    def __contains__(self, name: str) -> bool:
        return name in self._upstreams

    async def start(self) -> None:
        """Bind every service to the running loop and begin to watch time limits."""
        self._loop = asyncio.get_running_loop()
        for upstream in self._upstreams.values():
            upstream.bind()
        self._sweeper = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """Close every connection."""
        self._sweeper.cancel()
        for upstream in self._upstreams.values():
            upstream.close()
        await asyncio.sleep(0)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            for upstream in self._upstreams.values():
                upstream.sweep()

    async def call(
        self, service: str, method: str, path: str, *, timeout_s: float = 3.0
    ) -> tuple[int, bytes]:
        """Make a call of the gateway's own; return status and body, or raise a Problem."""
        upstream = self._upstreams[service]
        head = request_head(
            method,
            path.encode(),
            [
                (b"host", service.encode()),
                (b"atoll-gateway-key", self.keys[service]),
                (b"atoll-caller", GATEWAY_ITSELF.encode()),
                (b"accept", b"application/json"),
                *([(b"content-length", b"0")] if method == "POST" else []),
            ],
        )
        answer = None
        try:
            async with asyncio.timeout(timeout_s):
                answer = await upstream.send(head, safe=method == "GET")
                await answer.head()
                body = bytearray()
                while not answer.finished:
                    body += await answer.read()
                    if len(body) > MAX_OWN_ANSWER_BYTES:
                        raise BadGateway(f"{service} answered with more than can be read.")
                return answer.status, bytes(body)
        except TimeoutError:
            raise GatewayTimeout(f"{service} did not answer in time. Try again shortly.") from None
        finally:
            if answer is not None:
                answer.abort()

    async def get_json(self, service: str, path: str) -> Any:
        """Get a JSON document from a service; raise a Problem when there is none."""
        status, body = await self.call(service, "GET", path)
        if status != 200:
            raise BadGateway(f"{service} answered {status} to the gateway's own call.")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            raise BadGateway(
                f"{service} answered the gateway with something else than JSON."
            ) from None

    def wait_for(self, call: Any, timeout_s: float) -> Any:
        """Run one of these calls from another thread and return what it returns."""
        return asyncio.run_coroutine_threadsafe(call, self._loop).result(timeout_s)
