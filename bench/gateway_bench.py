"""The gateway beside its peers: same core, same upstream, same policy, one run, ratios.

Policy of each: match the route, verify an ES256 token (cached by token where the peer can), check
its scope, count it against a limit, name the caller and the trace to the upstream. The gateway also
writes its exchange log, which none of the peers does.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from bench import gateway_peers, load
from bench.measure import Figure, Options, free_port, show

CHECKOUT = Path(__file__).resolve().parent.parent
PATH = "/registers/island/records/K-Thulusdhoo"
ISSUER = "http://localhost:8000/identity"
ROUNDS, SECONDS, CONNECTIONS = 5, 4, 32
GATEWAY_CORE, OTHER_CORE = 0, 1
CLIENT = "portal"  # a client of the start state with the platform's own plan


@dataclass
class Stage:
    """What every candidate gets: the upstream, the key and the tokens."""

    folder: Path
    upstream: str
    key_file: Path
    key: ec.EllipticCurvePrivateKey
    tokens: list[str] = field(default_factory=list)

    def token(self, n: int = 0) -> str:
        """Return a token of the bench's issuer; each number another token."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": CLIENT,
            "aud": "urn:atoll:registers",
            "client_id": CLIENT,
            "scope": "registers.read",
            "jti": f"bench-{n}",
            "iat": now,
            "exp": now + 3600,
        }
        return jwt.encode(
            claims, self.key, algorithm="ES256", headers={"kid": "bench", "typ": "at+jwt"}
        )


def measure(options: Options) -> list[Figure]:
    """Load the gateway and every peer that this machine has, in turn."""
    if not load.can_load():
        return []
    if not shutil.which("nginx"):
        print("  not measured: nginx, the common upstream, is missing (apt-get install nginx)")
        return []
    rounds = 1 if options.quick else ROUNDS
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as name, ExitStack() as stack:
        Path(name).chmod(0o755)  # nginx's worker reads as another user
        stage = stack.enter_context(_stage(Path(name)))
        candidates: dict[str, Callable[[], Any]] = {"gateway": lambda: _gateway(stage)}
        candidates |= gateway_peers.available(stage)
        runs = _in_turn(stage, candidates, rounds)
        figures = _compared(runs)
        figures += _added_latency(stage, rounds)
        figures += _flat(stage, quick=options.quick)
    return figures


def _in_turn(
    stage: Stage, candidates: dict[str, Callable[[], Any]], rounds: int
) -> dict[str, list[load.Run]]:
    runs: dict[str, list[load.Run]] = {name: [] for name in candidates}
    headers = {"Authorization": f"Bearer {stage.token()}"}
    for _ in range(rounds):
        for name, start in candidates.items():
            with start() as url:
                gateway_peers.check(url + PATH, headers)
                run = load.run(
                    url + PATH,
                    headers=headers,
                    connections=CONNECTIONS,
                    seconds=SECONDS,
                    core=OTHER_CORE,
                )
                if run.failed:
                    print(f"  {name} failed {run.failed} requests", flush=True)
                runs[name].append(run)
    return runs


def _compared(runs: dict[str, list[load.Run]]) -> list[Figure]:
    rates = {name: statistics.median(run.per_second for run in all_) for name, all_ in runs.items()}
    own = rates.pop("gateway")
    p99 = statistics.median(run.p99_ms for run in runs["gateway"])
    figures = [
        show(Figure("gateway, requests a second on one core", own, "req/s")),
        show(Figure("its p99 at 32 connections", p99, "ms")),
    ]
    for name, rate in rates.items():
        target = gateway_peers.TARGETS.get(name)
        figures.append(show(Figure(f"{name}", rate, "req/s")))
        figures.append(show(Figure(f"ratio to {name}", own / rate, "×", target, True)))
    return figures


def _added_latency(stage: Stage, rounds: int) -> list[Figure]:
    """Compare one caller at a time with and without the gateway."""
    headers = {"Authorization": f"Bearer {stage.token()}"}
    direct, through = [], []
    with _gateway(stage) as url:
        gateway_peers.check(url + PATH, headers)
        for _ in range(rounds):
            for address, kept in ((stage.upstream, direct), (url, through)):
                run = load.run(
                    address + PATH, headers=headers, connections=1, seconds=2, core=OTHER_CORE
                )
                kept.append(run.p50_ms)
    added = statistics.median(through) - statistics.median(direct)
    return [show(Figure("latency that the gateway adds, p50, everything on", added, "ms", 0.3))]


def _flat(stage: Stage, *, quick: bool) -> list[Figure]:
    """Compare few and many routes, few and many tokens: the cost of a request must not grow."""
    seconds = 2 if quick else SECONDS

    def rate(url: str, tokens: int) -> float:
        lines = [stage.token(n) for n in range(tokens)]
        return load.run_tokens(
            url + PATH, lines, connections=CONNECTIONS, seconds=seconds, core=OTHER_CORE
        ).per_second

    with _gateway(stage) as url:
        gateway_peers.check(url + PATH, {"Authorization": f"Bearer {stage.token()}"})
        one, many = rate(url, 1), rate(url, 1_000 if quick else 10_000)
    with _gateway(stage, more_routes=1_000) as url:
        gateway_peers.check(url + PATH, {"Authorization": f"Bearer {stage.token()}"})
        routed = rate(url, 1)
    return [
        show(Figure("10,000 distinct tokens, of the rate with one", many / one, "×", 0.8, True)),
        show(Figure("1,000 more routes, of the rate without", routed / one, "×", 0.8, True)),
    ]


@contextmanager
def _stage(folder: Path) -> Iterator[Stage]:
    key = ec.generate_private_key(ec.SECP256R1())
    key_file = folder / "public.pem"
    key_file.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    static = folder / "static" / "identity"
    static.mkdir(parents=True)
    keys = {"keys": [jwk | {"kid": "bench", "alg": "ES256", "use": "sig"}]}
    (static / "jwks").write_text(json.dumps(keys))
    name = {"en": "Portal", "dv": "Portal"}
    client = {"n": 1, "kind": "client", "client_id": CLIENT, "name": name, "enabled": True}
    (static / "feed").write_text(json.dumps({"epoch": "bench", "events": [client], "last": 1}))
    port = free_port()
    with gateway_peers.nginx(folder, "upstream", gateway_peers.UPSTREAM, port, OTHER_CORE, {}):
        yield Stage(folder, f"http://127.0.0.1:{port}", key_file, key)


@contextmanager
def _gateway(stage: Stage, *, more_routes: int = 0) -> Iterator[str]:
    """Start the gateway as `atoll up` does, with the upstream in the place of every service."""
    home = stage.folder / "home"
    if not home.exists():
        command = [sys.executable, "-m", "atoll", "setup", "--home", str(home), "--quiet"]
        subprocess.run(command, cwd=CHECKOUT, check=True)
    port = free_port()
    services = ("identity", "registers", "notify", "portal")
    environment = os.environ | {
        "ATOLL_SECRETS": str(home / "secrets/gateway"),
        "ATOLL_PUBLIC_URL": "http://localhost:8000",
        "ATOLL_GATEWAY_URL": f"http://127.0.0.1:{port}",
        "GATEWAY_UPSTREAMS": ",".join(f"{name}={stage.upstream}" for name in services),
        "GATEWAY_IPV6_LOOPBACK": "false",
        "GATEWAY_LIMIT_FACTOR": "100000",  # every call is counted, and no limit is ever reached
        "MALLOC_ARENA_MAX": "2",
    }
    if more_routes:
        environment["GATEWAY_ROUTES_FILE"] = str(_longer_table(stage.folder, more_routes))
    command = [sys.executable, "-m", "servicekit.serve", "gateway", "--interface", "asgi"]
    url = f"http://127.0.0.1:{port}"
    with load.serving(
        [*command, "--port", str(port)],
        f"{url}/readyz",
        environment=environment,
        folder=CHECKOUT,
        core=GATEWAY_CORE,
    ):
        yield url


def _longer_table(folder: Path, more: int) -> Path:
    table = folder / "routes.yaml"
    lines = [
        f'  - {{path: "/bench/{n}/{{key}}", methods: [GET], service: registers, quiet: true}}'
        for n in range(more)
    ]
    own = (CHECKOUT / "gateway" / "routes.yaml").read_text(encoding="utf-8")
    table.write_text(own.rstrip() + "\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return table
