"""Registers on SQLite and PostgreSQL: load, append, read, prove; beside pymerkle and Datasette."""

import itertools
import json
import math
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import load
from bench.measure import Figure, Options, free_port, show
from bench.registers_site import Site, append, item, post, site, write_rsf
from tests.support import postgres

PEERS = Path(__file__).parent / "peers" / "registers"
PROOFS, APPENDS, BATCHES, BATCH = 400, 1500, 40, 250
LONGEST_LOAD_S, LARGEST_GB = 8 * 60, 5


def measure(options: Options) -> list[Figure]:
    """Measure every engine that is here, then the peers."""
    sizes = [10**4, 10**5] if options.quick else [10**4, 10**5, 10**6]
    sizes += [10**7] if options.big else []
    figures = []
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as name:
        folder = Path(name)
        engines = ["sqlite", *(["postgresql"] if postgres.programs() else [])]
        if len(engines) == 1:
            print(f"  PostgreSQL is not measured: {postgres.HOW_TO_ENABLE}")
        for engine in engines:
            figures += _engine(engine, folder, sizes)
        figures += _peers(folder, min(sizes[-1], 10**5))
    return figures


def _engine(engine: str, folder: Path, sizes: list[int]) -> list[Figure]:
    names = {size: f"r{size}" for size in sizes}
    with site(engine, folder, list(names.values()), core=0 if _cores() > 1 else None) as here:
        figures = []
        for size, register in names.items():
            figures += _load(here, engine, folder, register, size)
        appended = {size: _append_ms(here, names[size], size) for size in sizes}
        proved = {size: _proofs(here, names[size], size) for size in sizes}
        largest = sizes[-1]
        for size, (p50, p99) in proved.items():
            said = f"{engine}: any proof at {size:,} entries"
            figures.append(show(Figure(f"{said}, p50", p50, "ms")))
            figures.append(show(Figure(f"{said}, p99", p99, "ms", 25)))
        # no faster than log n: the ratio of the logarithms is the most that the cost may grow
        allowed = math.log(largest) / math.log(sizes[0])
        for what, before, after in (
            ("append", appended[sizes[0]], appended[largest]),
            ("proof", proved[sizes[0]][0], proved[largest][0]),
        ):
            said = f"{engine}: cost of one {what}, {largest:,} against {sizes[0]:,}"
            figures.append(show(Figure(said, after / before, "times", allowed)))
        figures += _appends(here, engine, names[largest])
        figures += _reads(here, engine, names[largest])
    return figures


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _load(here: Site, engine: str, folder: Path, register: str, size: int) -> list[Figure]:
    """Load a file over HTTP; every hash of both trees is made, and its declared register too."""
    path = folder / f"{register}.rsf"
    write_rsf(path, register, size)
    used = _used(here.disk)
    began = time.perf_counter()
    with path.open("rb") as file:
        headers = {
            "Content-Type": "application/uk-gov-rsf",
            "Content-Length": str(path.stat().st_size),
            "Accept": "application/json",
        }
        status, said = post(here, f"/registers/load?register={register}", file, headers)
    took = time.perf_counter() - began
    path.unlink()
    if status >= 300 or json.loads(said.splitlines()[-1]).get("problem"):
        raise RuntimeError(f"the load was answered {status}: {said[-500:]!r}")
    grown = _used(here.disk) - used
    # small loads measure the start of a load, not its rate
    target = 25_000 if size >= 10**6 else None
    said, rate = f"{engine}: load of {size:,} entries, both trees", size / took
    figures = [
        Figure(said, rate, "entries/s", target, at_least=True),
        Figure(f"{engine}: disk for {size:,} entries", grown / size, "B/entry"),
    ]
    if size == 10**7:
        figures.append(Figure(f"{engine}: load of 10 million entries", took, "s", LONGEST_LOAD_S))
        figures.append(Figure(f"{engine}: 10 million entries", grown / 1e9, "GB", LARGEST_GB))
    return [show(figure) for figure in figures]


def _used(disk: Path) -> int:
    total = 0
    for path in disk.rglob("*"):
        if path.is_file() and "pg_wal" not in path.parts and not path.name.endswith("-wal"):
            total += path.stat().st_size
    return total


def _append_ms(here: Site, register: str, size: int) -> float:
    """Return the median of single appends, one after the other."""
    connection = here.connect()
    durations = []
    for number in range(size, size + 300):
        began = time.perf_counter()
        append(here, connection, register, [item(register, number)])
        durations.append(time.perf_counter() - began)
    connection.close()
    return statistics.median(durations) * 1000


def _proofs(here: Site, register: str, size: int) -> tuple[float, float]:
    """Return p50 and p99 in ms of inclusion and consistency proofs of both trees at any size."""
    chance, connection, durations = random.Random(size), here.connect(), []
    for turn in range(PROOFS):
        whole = chance.randint(2, size)
        part = chance.randint(1, whole)
        path = (
            f"proofs/entries/{part}/{whole}",
            f"proofs/consistency/{part}/{whole}",
            f"v1/proof/entries/{part}/{whole}/merkle:sha-256",
            f"v1/proof/consistency/{part}/{whole}/merkle:sha-256",
        )[turn % 4]
        began = time.perf_counter()
        connection.request("GET", f"/registers/{register}/{path}", headers=dict(here.headers))
        answer = connection.getresponse()
        answer.read()
        durations.append(time.perf_counter() - began)
        if answer.status != 200:
            raise RuntimeError(f"{path} was answered {answer.status}")
    connection.close()
    durations.sort()
    return durations[PROOFS // 2] * 1000, durations[PROOFS * 99 // 100] * 1000


def _appends(here: Site, engine: str, register: str) -> list[Figure]:
    numbers = itertools.count(10**8)

    def single(times: int) -> None:
        connection = here.connect()
        for _ in range(times):
            append(here, connection, register, [item(register, next(numbers))])
        connection.close()

    def batched(times: int) -> None:
        connection = here.connect()
        for _ in range(times):
            items = [item(register, next(numbers)) for _ in range(BATCH)]
            append(here, connection, register, items)
        connection.close()

    figures = []
    for writers in (1, 8):
        rate = APPENDS / _at_once(single, writers, APPENDS // writers)
        said = f"{engine}: durable single appends, {writers} writer{'s' if writers > 1 else ''}"
        figures.append(show(Figure(said, rate, "entries/s", 500, at_least=True)))
    rate = BATCHES * BATCH / _at_once(batched, 2, BATCHES // 2)
    said = f"{engine}: durable appends in batches of {BATCH}"
    figures.append(show(Figure(said, rate, "entries/s", 5000, at_least=True)))
    return figures


def _at_once(task, writers: int, times: int) -> float:  # type: ignore[no-untyped-def]
    began = time.perf_counter()
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(task, [times] * writers))
    return time.perf_counter() - began


def _reads(here: Site, engine: str, register: str) -> list[Figure]:
    if not load.can_load():
        return []
    core = 1 if _cores() > 1 else None
    figures = []
    for what, path, target in (
        ("record read", "records/P-777", 1500),
        ("record read of version 1", "v1/records/P-777", None),
        ("page of 100 records", "records?start=P-500&limit=100", None),
    ):
        seen = load.run(f"{here.url}/registers/{register}/{path}", headers=here.headers, core=core)
        if seen.failed:
            raise RuntimeError(f"{path}: {seen.failed} answers were no 2xx")
        said = f"{engine}: {what}, one core"
        figures.append(show(Figure(said, seen.per_second, "reads/s", target, at_least=True)))
    return figures


# -- peers, each in a process and an environment of its own


def _peers(folder: Path, size: int) -> list[Figure]:
    python = _environment(folder)
    if python is None:
        return []
    said = subprocess.run(
        [str(python), str(PEERS / "merkle.py"), str(size)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    told = json.loads(said)
    figures = [
        show(Figure(f"pymerkle in memory: {size:,} appends", told["appends"], "entries/s")),
        show(Figure(f"pymerkle in memory: a proof at {size:,}, p50", told["p50_ms"], "ms")),
        show(Figure(f"pymerkle in memory: a proof at {size:,}, p99", told["p99_ms"], "ms")),
    ]
    return figures + _datasette(python, folder, size)


def _environment(folder: Path) -> Path | None:
    """Make a virtual environment with the peers; None where they cannot be installed."""
    place = folder / "peers"
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    done = subprocess.run(
        [str(python), "-m", "pip", "install", "-q", "-r", str(PEERS / "requirements.txt")],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print("  pymerkle and Datasette are not measured: they cannot be installed here")
        return None
    return python


def _datasette(python: Path, folder: Path, size: int) -> list[Figure]:
    """Read the same rows from a table of Datasette's."""
    if not load.can_load():
        return []
    file = folder / "rows.db"
    database = sqlite3.connect(file)
    columns = list(item("r", 0))
    database.execute(
        f"CREATE TABLE r ({', '.join(f'[{c}] TEXT' for c in columns)}, PRIMARY KEY (r))"
    )
    database.executemany(
        f"INSERT INTO r VALUES ({','.join('?' * len(columns))})",
        (tuple(item("r", number).values()) for number in range(size)),
    )
    database.commit()
    database.close()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    one_core = _cores() > 1
    with load.serving(
        [str(python), "-m", "datasette", "serve", "-i", str(file), "--port", str(port)],
        f"{url}/rows/r/P-777.json",
        environment=os.environ,
        folder=folder,
        core=0 if one_core else None,
    ):
        core = 1 if one_core else None
        one = load.run(f"{url}/rows/r/P-777.json", core=core)
        page = load.run(f"{url}/rows/r.json?_size=100&_next=P-500", core=core)
    return [
        show(Figure("Datasette: row read, one core", one.per_second, "reads/s")),
        show(Figure("Datasette: page of 100 rows, one core", page.per_second, "reads/s")),
    ]


if __name__ == "__main__":
    sys.exit(0 if all(f.is_met for f in measure(Options(quick="--quick" in sys.argv))) else 1)
