"""All services by name, and the gateway's own calls to them: feeds, keys, health, reset."""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from gateway.balance import Address, Upstream
from gateway.forward import SWEEP_EVERY_S, Instance, Limits, request_head
from gateway.settings import Settings
from servicekit.access import GATEWAY_ITSELF
from servicekit.problems import BadGateway, GatewayTimeout

logger = logging.getLogger(__name__)
MAX_OWN_ANSWER_BYTES = 16 * 1024 * 1024


class Upstreams:
    """Reaches each service by its name, with its own gateway key."""

    def __init__(
        self,
        addresses: Mapping[str, Sequence[Address]],
        keys: Mapping[str, str],
        limits: Limits,
        *,
        resolve_every_s: float = 3.0,
    ) -> None:
        self.keys = {name: key.encode() for name, key in keys.items()}
        self._upstreams = {name: Upstream(name, given, limits) for name, given in addresses.items()}
        self._named = {  # those whose names may come to mean other addresses
            name: given
            for name, given in addresses.items()
            if not all(_is_fixed(host) for host, _ in given)
        }
        self._resolve_every_s = resolve_every_s
        self._lost: dict[str, bool] = {}

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
            settings.upstream_addresses,
            settings.keys | {"gateway": settings.gateway_key},
            limits,
            resolve_every_s=settings.resolve_every_s,
        )

    def __getitem__(self, name: str) -> Upstream:
        return self._upstreams[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._upstreams)

    def __contains__(self, name: str) -> bool:
        return name in self._upstreams

    async def start(self) -> None:
        """Bind every service to the running loop and begin to watch time limits."""
        self._loop = asyncio.get_running_loop()
        for upstream in self._upstreams.values():
            upstream.bind()
        self._tasks = [asyncio.create_task(self._sweep())]
        for name, given in self._named.items():
            await self._find(name, given)
            self._tasks.append(asyncio.create_task(self._follow(name, given)))

    async def stop(self) -> None:
        """Close every connection."""
        for task in self._tasks:
            task.cancel()
        for upstream in self._upstreams.values():
            upstream.close()
        await asyncio.sleep(0)

    def now(self) -> float:
        """Return the seconds of the loop's clock, in any thread."""
        return self._loop.time()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            for upstream in self._upstreams.values():
                upstream.sweep()

    async def _follow(self, name: str, given: Sequence[Address]) -> None:
        while True:
            await asyncio.sleep(self._resolve_every_s)
            await self._find(name, given)

    async def _find(self, name: str, given: Sequence[Address]) -> None:
        """Look up the addresses that a service's names mean now; keep the old ones on failure."""
        found: list[Address] = []
        try:
            for host, port in given:
                answers = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                families = {family for family, *_ in answers}
                wanted = socket.AF_INET if socket.AF_INET in families else socket.AF_INET6
                found += [
                    (str(to[0]), int(to[1])) for family, *_, to in answers if family == wanted
                ]
        except OSError as error:
            if not self._lost.get(name):
                logger.warning("a service's name cannot be resolved: %s", error)
            self._lost[name] = True
            return
        self._lost[name] = False
        self._upstreams[name].replace(sorted(set(found)))

    async def call(
        self,
        service: str,
        method: str,
        path: str,
        *,
        timeout_s: float = 3.0,
        instance: Instance | None = None,
        json: Any = None,
    ) -> tuple[int, bytes]:
        """Make a call of the gateway's own; return status and body, or raise a Problem."""
        content = b"" if json is None else orjson.dumps(json)
        upstream = self._upstreams[service]
        head = request_head(
            method,
            path.encode(),
            [
                (b"host", service.encode()),
                (b"atoll-gateway-key", self.keys[service]),
                (b"atoll-caller", GATEWAY_ITSELF.encode()),
                (b"accept", b"application/json"),
                *([(b"content-type", b"application/json")] if content else []),
                *([(b"content-length", b"%d" % len(content))] if method == "POST" else []),
            ],
        )
        answer = None
        try:
            async with asyncio.timeout(timeout_s):
                answer = await upstream.send(head + content, safe=method == "GET", only=instance)
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


def _is_fixed(host: str) -> bool:
    """Whether a host means the same address for ever."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True
