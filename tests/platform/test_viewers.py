"""Thirty people watch while others work: nobody is refused, and nobody's absence costs anything."""

import json
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import event

from servicekit.database import Database
from tests.support.in_process import platform
from tests.support.platform import RunningPlatform, wait_for

VIEWERS, CALLS = 30, 90
PAGES = ("/portal/live/happened", "/portal/live/picture")


def token(running: RunningPlatform, client_id: str, service: str, scope: str) -> str:
    [client] = [c for c in running.credentials()["clients"] if c["client_id"] == client_id]
    form = {"grant_type": "client_credentials", "scope": scope, "resource": f"urn:atoll:{service}"}
    answer = requests.post(
        f"{running.url}/identity/token",
        data=form,
        auth=(client_id, client["client_secret"]),
        timeout=10,
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def watch(url: str, bearer: str, trace: str, watching: threading.Semaphore) -> int:
    """Watch the stream until every call of the trace was seen; return how many were."""
    headers = {"Authorization": f"Bearer {bearer}"}
    seen: set[str] = set()
    with requests.get(
        f"{url}/exchanges/stream", headers=headers, stream=True, timeout=30
    ) as answer:
        assert answer.status_code == 200, answer.text
        for line in answer.iter_lines():
            if line.startswith(b": the exchange log"):
                watching.release()
            if line.startswith(b"data: ") and (entry := json.loads(line[6:]))["trace"] == trace:
                seen.add(entry["exchange"])
                if len(seen) == CALLS:
                    break
    return len(seen)


def look(url: str, number: int) -> list[int]:
    """Ask for a live part of a page three times, as its script does with the tag it has."""
    statuses, tag = [], ""
    for _ in range(3):
        answer = requests.get(
            f"{url}{PAGES[number % len(PAGES)]}",
            headers={"Accept": "text/html"} | ({"If-None-Match": tag} if tag else {}),
            timeout=30,
        )
        statuses.append(answer.status_code)
        tag = answer.headers.get("ETag", tag)
    return statuses


@pytest.mark.process
def test_thirty_streams_and_thirty_pages_beside_ordinary_traffic(
    running_platform: RunningPlatform,
) -> None:
    url, trace = running_platform.url, secrets.token_hex(16)
    bearer = token(running_platform, "operator", "gateway", "exchanges.stream")
    watching = threading.Semaphore(0)

    def call(number: int) -> int:
        traced = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}
        path = "/registers/island/records/K-Thulusdhoo"
        return requests.get(f"{url}{path}", headers=traced, timeout=30).status_code

    with ThreadPoolExecutor(2 * VIEWERS + 4) as pool:
        viewers = [pool.submit(watch, url, bearer, trace, watching) for _ in range(VIEWERS)]
        for _ in range(VIEWERS):
            assert watching.acquire(timeout=30), [v.exception() for v in viewers if v.done()]
        pages = [pool.submit(look, url, number) for number in range(VIEWERS)]
        calls = list(pool.map(call, range(CALLS)))
        assert calls == [200] * CALLS
        assert {status for page in pages for status in page.result(60)} <= {200, 304}
        assert [viewer.result(60) for viewer in viewers] == [CALLS] * VIEWERS


@contextmanager
def asked_of(database: Database) -> Iterator[list[str]]:
    """Note every statement that a database is asked to run."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        asked.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def test_without_viewers_nobody_reads_the_log(tmp_path: Path) -> None:
    with platform(tmp_path) as running:
        log, pages = running.databases["gateway"], running.databases["portal"]
        look(running.url, 0)
        with asked_of(log) as of_log, asked_of(pages) as of_pages:
            time.sleep(1.2)  # longer than a stream's look and than a page's part of a second
        assert [one for one in of_log if "FROM exchange" in one] == []
        assert of_pages == []
        with asked_of(log) as of_log:  # and the count would have seen it
            look(running.url, 0)
            wait_for(lambda: [one for one in of_log if "FROM exchange" in one], 5)
