"""Identity: tokens a second beside npm's oidc-provider, and verification in a service."""

import base64
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests

from bench import load
from bench.measure import Figure, Options, free_port, show
from servicekit.tokens import KeySource, Verifier

CHECKOUT = Path(__file__).resolve().parent.parent
FORM = {
    "grant_type": "client_credentials",
    "scope": "registers.read",
    "resource": "urn:atoll:registers",
}
ROUNDS, SECONDS = 5, 4
RATIO = {1: 0.5, 2: 0.75}  # of the peer, by processes


def measure(options: Options) -> list[Figure]:
    """Measure the token endpoint with one process and with two, and the verifier."""
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as name:
        folder = Path(name)
        home = folder / "home"
        subprocess.run(
            [sys.executable, "-m", "atoll", "setup", "--home", str(home), "--quiet"],
            cwd=CHECKOUT,
            check=True,
        )
        figures = _verifying(home)
        if not load.can_load():
            return figures
        peer = load.npm_peer("oidc-provider", folder)
        for processes in (1, 2):
            figures += _tokens(home, peer, processes, 1 if options.quick else ROUNDS)
    return figures


def _tokens(home: Path, peer: Path | None, processes: int, rounds: int) -> list[Figure]:
    """Load both token endpoints in turn; with one process each server has a core of its own."""
    client = next(c for c in _credentials(home)["clients"] if c["client_id"] == "fisheries")
    headers = _basic("fisheries", client["client_secret"]) | {
        "Content-Type": "application/x-www-form-urlencoded",
        "Atoll-Gateway-Key": (home / "secrets/identity/gateway-key").read_text().strip(),
    }
    core, other = (0, 1) if processes == 1 else (None, None)
    with _identity(home, processes, core) as url:
        ours, theirs = [], []
        peer_url = f"http://127.0.0.1:{free_port()}"
        for _ in range(rounds):
            ours.append(_load(f"{url}/identity/token", headers, other))
            if peer is None:
                continue
            with load.serving(
                ["node", "server.mjs", peer_url.rpartition(":")[2], str(processes)],
                f"{peer_url}/jwks",
                environment=os.environ | {"BENCH_SECRET": client["client_secret"]},
                folder=peer,
                core=core,
            ):
                theirs.append(_load(f"{peer_url}/token", _form(client), other))
    said = f"{processes} process{'es' if processes > 1 else ''}"
    mine = statistics.median(run.per_second for run in ours)
    p99 = statistics.median(run.p99_ms for run in ours)
    figures = [
        show(Figure(f"tokens by client credentials, {said}", mine, "tokens/s")),
        show(Figure(f"their p99 at 16 connections, {said}", p99, "ms", 10)),
    ]
    if theirs:
        peers = statistics.median(run.per_second for run in theirs)
        figures += [
            show(Figure(f"the same of oidc-provider (npm), {said}", peers, "tokens/s")),
            show(
                Figure(f"ratio to oidc-provider, {said}", mine / peers, "×", RATIO[processes], True)
            ),
        ]
    return figures


def _load(url: str, headers: Mapping[str, str], core: int | None) -> load.Run:
    first = requests.post(url, data=FORM, headers=dict(headers), timeout=5)
    if first.status_code != 200:
        raise RuntimeError(f"{url} answered {first.status_code}: {first.text}")
    run = load.run(
        url, method="POST", headers=headers, body=urlencode(FORM), seconds=SECONDS, core=core
    )
    if run.failed:
        raise RuntimeError(f"{url} refused {run.failed} requests under load")
    return run


def _form(client: Mapping[str, str]) -> dict[str, str]:
    return _basic("bench", client["client_secret"]) | {
        "Content-Type": "application/x-www-form-urlencoded"
    }


def _basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


@contextmanager
def _identity(home: Path, processes: int, core: int | None) -> Iterator[str]:
    """Start identity alone, as `atoll up` does; yields its address."""
    port = free_port()
    environment = os.environ | {
        "ATOLL_SECRETS": str(home / "secrets/identity"),
        "ATOLL_PUBLIC_URL": "http://localhost:8000",
        "ATOLL_GATEWAY_URL": "http://127.0.0.1:8000",
        "MALLOC_ARENA_MAX": "2",
    }
    command = [sys.executable, "-m", "servicekit.serve", "services.identity"]
    command += ["--port", str(port), "--workers", str(processes)]
    url = f"http://127.0.0.1:{port}"
    with load.serving(
        command, f"{url}/healthz", environment=environment, folder=CHECKOUT, core=core
    ):
        yield url


def _verifying(home: Path) -> list[Figure]:
    """Measure the verifier with a real token of this home's identity."""
    with _identity(home, 1, None) as url:
        client = next(c for c in _credentials(home)["clients"] if c["client_id"] == "fisheries")
        key = {"Atoll-Gateway-Key": (home / "secrets/identity/gateway-key").read_text().strip()}
        token = requests.post(
            f"{url}/identity/token",
            data=FORM,
            headers=_basic("fisheries", client["client_secret"]) | key,
            timeout=5,
        ).json()["access_token"]
        keys = KeySource(
            lambda: requests.get(f"{url}/identity/jwks", headers=key, timeout=5).json()
        )
        keys.refresh()
        issuer, audience = "http://localhost:8000/identity", FORM["resource"]
        uncached = _each(lambda: Verifier(keys, issuer).verify(token, audience), 2_000)
        verifier = Verifier(keys, issuer)
        cached = _each(lambda: verifier.verify(token, audience), 200_000)
    return [
        show(Figure("verifying a token in a service, first time", uncached, "µs", 100)),
        show(Figure("the same, verified before", cached, "µs", 5)),
    ]


def _each(action: Callable[[], object], times: int) -> float:
    """Return the least of five rounds, in microseconds an action."""
    rounds = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(times // 5):
            action()
        rounds.append((time.perf_counter() - began) / (times // 5))
    return min(rounds) * 1_000_000


def _credentials(home: Path) -> Any:
    return json.loads((home / "secrets/operator/credentials.json").read_text(encoding="utf-8"))
