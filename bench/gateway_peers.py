"""The gateway's peers: how each is started with the same policy in front of the same upstream."""

import base64
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench import load
from bench.measure import free_port

PEERS = Path(__file__).parent / "peers" / "gateway"
UPSTREAM = "upstream.conf"
FLASK = "Flask + requests under gunicorn (gthread)"
NGINX_JWT = "nginx verifying tokens by its JavaScript module"
HAPROXY = "HAProxy verifying tokens itself (native, ES256)"
FASTIFY = "npm fastify http-proxy"
CADDY = "Caddy with forward_auth"
PLAIN = "plain nginx, no policy (the limit)"
TARGETS = {FLASK: 5.0, NGINX_JWT: 1.0, FASTIFY: 2.0, CADDY: 2.0}
CORE, OTHER = 0, 1


class Stage(Protocol):
    """What a peer needs: the upstream's address, the issuer's key, a folder."""

    folder: Path
    upstream: str
    key_file: Path
    key: ec.EllipticCurvePrivateKey


def available(stage: Stage) -> dict[str, Callable[[], Any]]:
    """Return the peers that this machine can run; says of each other what is missing."""
    found: dict[str, Callable[[], Any]] = {PLAIN: lambda: _nginx_peer(stage, "plain.conf")}
    if Path("/usr/lib/nginx/modules/ngx_http_js_module.so").is_file():
        found[NGINX_JWT] = lambda: _nginx_peer(stage, "njs.conf")
    else:
        _missing(NGINX_JWT, "apt-get install libnginx-mod-http-js")
    if shutil.which("haproxy"):
        found[HAPROXY] = lambda: _haproxy(stage)
    else:
        _missing(HAPROXY, "apt-get install haproxy")
    if (node := load.npm_peer("fastify", stage.folder)) is not None:
        found[FASTIFY] = lambda: _fastify(stage, node)
        if shutil.which("caddy"):
            found[CADDY] = lambda: _caddy(stage, node)
        else:
            _missing(CADDY, "apt-get install caddy")
    if (python := _gunicorn(stage.folder)) is not None:
        found[FLASK] = lambda: _flask(stage, python)
    return found


def check(url: str, headers: Mapping[str, str]) -> None:
    """Wait until a candidate lets a good token pass."""
    for _ in range(50):
        good = requests.get(url, headers=dict(headers), timeout=5)
        if good.status_code == 200 and "Thulusdhoo" in good.text:
            return
        time.sleep(0.2)  # it may still be fetching the issuer's keys
    raise RuntimeError(f"{url} answered {good.status_code}: {good.text[:200]}")


@contextmanager
def nginx(
    folder: Path, name: str, config: str, port: int, core: int, values: Mapping[str, str]
) -> Iterator[str]:
    """Run nginx with one of the configurations here, on one core."""
    file = folder / f"{name}.conf"
    text = (PEERS / config).read_text(encoding="utf-8")
    for key, value in {"folder": str(folder), "name": name, "port": str(port), **values}.items():
        text = text.replace("{" + key + "}", value)
    file.write_text(text, encoding="utf-8")
    url = f"http://127.0.0.1:{port}"
    with load.serving(
        ["nginx", "-c", str(file)], url, environment=os.environ, folder=folder, core=core
    ):
        yield url


@contextmanager
def _nginx_peer(stage: Stage, config: str) -> Iterator[str]:
    scripts = stage.folder / "njs"
    scripts.mkdir(exist_ok=True)
    script = (PEERS / "decide.js").read_text(encoding="utf-8")
    der = stage.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    (scripts / "decide.js").write_text(script.replace("{key}", base64.b64encode(der).decode()))
    values = {"upstream": stage.upstream.removeprefix("http://")}
    with nginx(stage.folder, config.partition(".")[0], config, free_port(), CORE, values) as url:
        yield url


@contextmanager
def _haproxy(stage: Stage) -> Iterator[str]:
    port = free_port()
    file = _configured(stage, "haproxy.cfg", port=port)
    with load.serving(
        ["haproxy", "-f", str(file)],
        f"http://127.0.0.1:{port}",
        environment=os.environ,
        folder=stage.folder,
        core=CORE,
    ):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _fastify(stage: Stage, folder: Path) -> Iterator[str]:
    port = free_port()
    with load.serving(
        ["node", "proxy.mjs", str(port), stage.upstream, str(stage.key_file)],
        f"http://127.0.0.1:{port}",
        environment=os.environ,
        folder=folder,
        core=CORE,
    ):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _caddy(stage: Stage, folder: Path) -> Iterator[str]:
    port, decides = free_port(), free_port()
    file = _configured(stage, "Caddyfile", port=port, second_port=decides)
    environment = os.environ | {"XDG_DATA_HOME": str(stage.folder), "GOMAXPROCS": "1"}
    with ExitStack() as stack:
        stack.enter_context(
            load.serving(
                ["node", "decide.mjs", str(decides), str(stage.key_file)],
                f"http://127.0.0.1:{decides}",
                environment=os.environ,
                folder=folder,
                core=CORE,
            )
        )
        stack.enter_context(
            load.serving(
                ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"],
                f"http://127.0.0.1:{port}",
                environment=environment,
                folder=stage.folder,
                core=CORE,
            )
        )
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _flask(stage: Stage, python: Path) -> Iterator[str]:
    port = free_port()
    environment = os.environ | {"BENCH_KEY": str(stage.key_file), "BENCH_UPSTREAM": stage.upstream}
    command = [str(python), "-m", "gunicorn", "-k", "gthread", "-w", "1", "--threads", "8"]
    command += ["-b", f"127.0.0.1:{port}", "flask_proxy:app"]
    with load.serving(
        command, f"http://127.0.0.1:{port}", environment=environment, folder=PEERS, core=CORE
    ):
        yield f"http://127.0.0.1:{port}"


def _gunicorn(folder: Path) -> Path | None:
    """Give the peer an environment of its own: our packages, and gunicorn beside them."""
    environment = folder / "gunicorn"
    try:
        subprocess.run(
            [sys.executable, "-m", "venv", "--system-site-packages", str(environment)], check=True
        )
        site = subprocess.run(
            [
                sys.executable,
                "-c",
                "import flask, pathlib; print(pathlib.Path(flask.__file__).parents[1])",
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        python = environment / "bin" / "python"
        [own] = environment.glob("lib/python*/site-packages")
        (own / "atoll.pth").write_text(f"{site}\n")
        subprocess.run([python, "-m", "pip", "install", "-qq", "gunicorn>=23"], check=True)
    except (subprocess.CalledProcessError, ValueError):
        _missing(FLASK, "pip could not install gunicorn")
        return None
    return python


def _configured(stage: Stage, config: str, **values: object) -> Path:
    text = (PEERS / config).read_text(encoding="utf-8")
    given = {
        "upstream": stage.upstream.removeprefix("http://"),
        "key_file": str(stage.key_file),
        **{name: str(value) for name, value in values.items()},
    }
    for key, value in given.items():
        text = text.replace("{" + key + "}", value)
    file = stage.folder / config
    file.write_text(text, encoding="utf-8")
    return file


def _missing(peer: str, remedy: str) -> None:
    print(f"  {peer} is not measured: {remedy}", flush=True)
