"""One service after the other is killed, hung, slow, half-open or answers garbage under load.

Only calls to that service may fail, each with a sentence of the door; the others go on unharmed,
and the service is used again within seconds after it recovers.
"""

import asyncio
import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.gateway.harness import (
    SERVICES,
    SOAK,
    Answer,
    Door,
    Reply,
    Service,
    door,
    in_loop,
    listening,
    until,
)  # fmt: skip

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PATHS = {
    "identity": "/identity/openapi.json",
    "registers": "/registers",
    "notify": "/notify/openapi.json",
    "portal": "/portal/x",
}
FAULTS_LAST_S = 8.0 if SOAK else 0.6
RECOVERS_WITHIN_S = 5.0
ALLOWED = {502, 503, 504}


async def hung(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the connection and the request, and never say a word."""
    await reader.read()


async def half_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Begin an answer and stop in its middle."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it")
    await reader.read()


async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer what is not HTTP."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\x00\xff" * 500 + b"\r\n\r\n")
    await reader.read()


async def killed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Be gone as soon as anybody asks."""
    writer.transport.abort()


async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer byte by byte, slower than the total limit allows."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


@dataclass
class Switch:
    """A service that serves properly until a fault is put in its place."""

    service: Service = field(default_factory=lambda: Service(lambda request: Reply()))
    fault: Serve | None = None
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        try:
            await (self.fault or self.service.serve)(reader, writer)
        finally:
            self.writers.discard(writer)

    def switch(self, fault: Serve | None) -> None:
        """Behave otherwise from now on; what stands is cut."""
        self.fault = fault
        for writer in list(self.writers):
            writer.transport.abort()


@dataclass
class Load:
    """Callers of every service, without a pause."""

    it: Door
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    slowest_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    calls = 0

    async def call(self, name: str) -> Answer:
        began = time.monotonic()
        answer = await self.it.get(PATHS[name], {"Accept": "application/json"})
        self.calls += 1
        self.statuses[name][answer.status if answer.complete else 0] += 1
        self.slowest_s[name] = max(self.slowest_s[name], time.monotonic() - began)
        if answer.status >= 500:
            assert answer.slug in ("unavailable", "bad-gateway", "gateway-timeout")
        return answer

    async def go_on(self, name: str) -> None:
        while True:
            await self.call(name)
            await asyncio.sleep(0.002)

    def forget(self) -> None:
        self.statuses.clear()
        self.slowest_s.clear()


@contextlib.asynccontextmanager
async def under_load(folder: Path, broken: str) -> AsyncIterator[tuple[Switch, Load]]:
    switch = Switch()
    async with listening(switch.serve) as port:
        limits = {"idle_timeout_s": 0.8, "total_timeout_s": 2.0, "connect_timeout_s": 0.8}
        async with door(folder, probe_every_s=0.2, **limits) as it:
            it.plane.upstreams[broken].replace([("127.0.0.1", port)])
            load = Load(it)
            tasks = [asyncio.create_task(load.go_on(name)) for name in SERVICES for _ in range(3)]
            try:
                yield switch, load
            finally:
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended
            entries = await it.log()  # of the routes that are recorded; none is lost
            assert it.plane.log.dropped == 0
            assert entries


@pytest.mark.parametrize("fault", [killed, hung, slow, half_open, garbage])
@pytest.mark.parametrize("broken", SERVICES if SOAK else ("registers", "portal"))
@in_loop
async def test_a_broken_service_harms_nobody_else(
    tmp_path: Path, broken: str, fault: Serve
) -> None:
    async with under_load(tmp_path, broken) as (switch, load):
        await until(lambda: len(load.statuses) == 4)
        load.forget()
        switch.switch(fault)
        await asyncio.sleep(FAULTS_LAST_S)
        await until(lambda: set(load.statuses[broken]) & (ALLOWED | {0}), within_s=10)
        for name in SERVICES:
            if name != broken:
                assert set(load.statuses[name]) == {200}, (name, load.statuses[name])
                assert load.slowest_s[name] < 5
        assert set(load.statuses[broken]) & (ALLOWED | {0}), load.statuses[broken]
        assert set(load.statuses[broken]) <= ALLOWED | {0, 200}

        switch.switch(None)
        began = time.monotonic()
        while (await load.call(broken)).status != 200:
            assert time.monotonic() - began < RECOVERS_WITHIN_S, load.statuses[broken]
            await asyncio.sleep(0.02)
        load.forget()
        await until(lambda: load.statuses[broken][200] > 20)
        assert set(load.statuses[broken]) <= {200}, load.statuses[broken]
