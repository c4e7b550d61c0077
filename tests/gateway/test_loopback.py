"""Answering on ::1 beside 127.0.0.1."""

import asyncio
import contextlib
import socket

import pytest

from gateway.loopback import Ipv6Loopback
from tests.gateway.harness import in_loop, listening


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data.upper())
        await writer.drain()


@needs_ipv6
@in_loop
async def test_bytes_pass_both_ways_and_ends_too() -> None:
    async with listening(echo) as port:
        relays = [Ipv6Loopback(port), Ipv6Loopback(port)]  # two workers on one port
        for relay in relays:
            await relay.start()
        for _ in range(8):
            reader, writer = await asyncio.open_connection("::1", port)
            writer.write(b"a" * 1_000_000)
            writer.write_eof()
            assert await reader.read(-1) == b"A" * 1_000_000
            writer.close()
            await writer.wait_closed()
        for relay in relays:
            await relay.stop()
        await asyncio.sleep(0.05)
        with pytest.raises(OSError, match="onnect"):
            await asyncio.open_connection("::1", port)


@needs_ipv6
@in_loop
async def test_a_gateway_that_went_away_ends_the_connection() -> None:
    async with listening(echo) as port:
        pass
    relay = Ipv6Loopback(port)
    await relay.start()
    reader, writer = await asyncio.open_connection("::1", port)
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    await relay.stop()


@in_loop
async def test_a_machine_without_ipv6_goes_on_without(monkeypatch: pytest.MonkeyPatch) -> None:
    async def missing(*_: object, **__: object) -> None:
        raise OSError("Address family not supported by protocol")

    monkeypatch.setattr(asyncio, "start_server", missing)
    for port in (1, None):
        relay = Ipv6Loopback(port)
        await relay.start()
        await relay.stop()
