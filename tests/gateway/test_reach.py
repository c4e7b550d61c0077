"""Nothing that a caller writes chooses whom the door connects to (OWASP API7: forged requests)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway import balance, connection, forward
from tests.gateway.harness import door, in_loop

EVIL = "evil.example"
TARGETS = [
    f"http://{EVIL}/registers", f"//{EVIL}/registers", f"/registers@{EVIL}/context",
    f"/registers/http:%2F%2F{EVIL}%2F/context", f"/registers/{EVIL}:80/context",
    "/registers/169.254.169.254/context", "/registers/[::1]:22/context",
    f"/portal/redirect?to=http://{EVIL}/", f"/portal/http://{EVIL}/",
    f"/registers?url=http://{EVIL}&host={EVIL}",
]  # fmt: skip
HEADERS = {
    "Host": EVIL, "X-Forwarded-Host": EVIL, "Forwarded": f"host={EVIL}", "X-Original-URL": "/x",
    "X-Real-IP": "169.254.169.254", "Referer": f"http://{EVIL}/", "Origin": f"http://{EVIL}",
    "Proxy": f"http://{EVIL}", "Via": f"1.1 {EVIL}", "Atoll-Caller": EVIL, "Alt-Used": EVIL,
}  # fmt: skip


@in_loop
async def test_only_declared_services_are_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, reached = asyncio.get_running_loop(), set()
    create = loop.create_connection

    async def noting(factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        reached.add((host, port))
        return await create(factory, host, port, **options)

    monkeypatch.setattr(loop, "create_connection", noting)
    async with door(tmp_path) as it:
        declared = {
            instance.address
            for name in it.plane.upstreams
            for instance in it.plane.upstreams[name].instances
        }
        for target in TARGETS:
            for method in ("GET", "POST"):
                await it.call(method, target, HEADERS)
        for name in ("registers", "portal"):
            for request in it.asked(name):
                assert request.header("Host") == "localhost:8000"
    assert reached <= declared
    assert reached


def test_one_place_connects_and_it_takes_no_address_from_a_call() -> None:
    for module in (forward, balance, connection):
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        assert source.count("create_connection(") == (1 if module is forward else 0)
        for other in ("open_connection", "urlsplit", "urlopen", "import requests"):
            assert other not in source
