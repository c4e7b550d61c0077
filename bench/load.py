"""Load from wrk (Debian's package): requests a second, latencies, and answers that were no 2xx."""

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Run:
    """What one run of wrk saw."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


def can_load() -> bool:
    """Whether wrk is here; says how to get it when not."""
    if shutil.which("wrk"):
        return True
    print("  not measured: wrk is missing (apt-get install wrk)")
    return False


def run(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: str = "",
    connections: int = 16,
    seconds: int = 4,
    core: int | None = None,
) -> Run:
    """Load one address and return what was seen; ``core`` pins wrk to one core."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f"wrk.method = {json.dumps(method)}\nwrk.body = {json.dumps(body)}\n")
        for name, value in (headers or {}).items():
            script.write(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}\n")
        script.flush()
        return _wrk(url, Path(script.name), connections, seconds, core)


def _wrk(url: str, script: Path, connections: int, seconds: int, core: int | None) -> Run:
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}",
        "--latency",
        "-s",
        str(script),
        url,
    ]
    shown = subprocess.run(
        [*_pin(core), *command], capture_output=True, text=True, check=True
    ).stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", shown)
    broken = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", shown
    )
    return Run(
        float(_found(r"Requests/sec:\s+([\d.]+)", shown)),
        _milliseconds(_found(r"\n\s+50%\s+(\S+)", shown)),
        _milliseconds(_found(r"\n\s+99%\s+(\S+)", shown)),
        (int(failed[1]) if failed else 0) + (sum(map(int, broken.groups())) if broken else 0),
    )


def run_tokens(
    url: str, tokens: list[str], *, connections: int, seconds: int, core: int | None = None
) -> Run:
    """Load one address with many bearer tokens in turn."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tokens").write_text("\n".join(tokens))
        script = Path(folder) / "tokens.lua"
        script.write_text(
            f"local tokens = {{}}\nfor line in io.lines({json.dumps(folder + '/tokens')}) do "
            "tokens[#tokens + 1] = 'Bearer ' .. line end\nlocal n = 0\n"
            "request = function()\n  n = n % #tokens + 1\n"
            "  return wrk.format('GET', nil, { Authorization = tokens[n] })\nend\n"
        )
        return _wrk(url, script, connections, seconds, core)


@contextmanager
def serving(
    command: list[str],
    url: str,
    *,
    environment: Mapping[str, str],
    folder: Path,
    core: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Start a server, wait until it answers at ``url`` at all, and stop it afterwards."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*_pin(core), *command], cwd=folder, env=dict(environment), stdout=log, stderr=log
        )
        try:
            for _ in range(150):
                try:
                    requests.get(url, headers=dict(headers or {}), timeout=2)
                    break
                except requests.RequestException:
                    if process.poll() is not None:
                        log.seek(0)
                        raise RuntimeError(log.read().decode("utf-8", "replace")) from None
                    time.sleep(0.2)
            else:
                raise RuntimeError(f"{command[0]} does not answer at {url}")
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def npm_peer(name: str, into: Path) -> Path | None:
    """Install a peer of ``bench/peers`` from its lock into a folder; None where npm is missing."""
    if not shutil.which("npm"):
        print(f"  {name} is not measured: npm is missing (install Node 20 or newer)")
        return None
    folder = into / name
    shutil.copytree(Path(__file__).parent / "peers" / name, folder)
    subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)
    return folder


def _pin(core: int | None) -> list[str]:
    return [] if core is None or not shutil.which("taskset") else ["taskset", "-c", str(core)]


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"wrk said nothing of {pattern}:\n{text}")
    return found[1]


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * _UNITS[unit]
