"""``atoll load``: what it sends, what it tells, and every way in which it says no."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atoll import door, load_command
from atoll.exits import DONE, FAILED, MISUSED, NOT_RUNNING, Stop
from atoll.home import Home
from atoll.load_command import Bar
from tests.support.platform import RunningPlatform

LOADED: dict[str, Any] = {
    "register": "stamp", "created": True, "dry-run": False, "entries": 2, "system-entries": 1,
    "items": 2, "skipped": 0, "warnings": ["line 3, append-entry: Old."], "total-entries": 2,
    "root-hash": "1220" + "ab" * 32, "root-hash-v1": "sha-256:" + "ab" * 32,
}  # fmt: skip


class Door(http.server.ThreadingHTTPServer):
    """A gateway that notes what comes and answers what it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: dict[str, Any] = {}
        self.status, self.kind, self.answer = 200, "application/x-ndjson", b""

    def tells(self, *lines: dict[str, Any]) -> None:
        self.answer = b"".join(json.dumps(line).encode() + b"\n" for line in lines)


class Handler(http.server.BaseHTTPRequestHandler):
    server: Door

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/identity/token":
            self.server.seen["form"] = body.decode()
            return self.send(200, "application/json", b'{"access_token": "the-token"}')
        self.server.seen |= {"path": self.path, "headers": dict(self.headers), "body": body}
        return self.send(self.server.status, self.server.kind, self.server.answer)

    def send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: Any) -> None:  # noqa: A002 (the base class's name)
        """Write nothing."""


@pytest.fixture
def gateway() -> Iterator[Door]:
    server = Door()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def home(tmp_path: Path, gateway: Door, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home whose platform is the fake gateway."""
    place = Home(tmp_path / "home")
    folder = place.secrets / "operator"
    folder.mkdir(parents=True)
    clients = [{"client_id": "operator", "client_secret": "secret", "redirect_uris": []}]
    stored = {
        "gateway": "", "issuer": "", "people": [], "clients": clients, "notify": {"api_keys": {}}
    }  # fmt: skip
    (folder / "credentials.json").write_text(json.dumps(stored))
    monkeypatch.setenv("ATOLL_GATEWAY_URL", f"http://127.0.0.1:{gateway.server_port}")
    monkeypatch.delenv("ATOLL_PUBLIC_URL", raising=False)
    return place


def load(place: Home, path: Path, *maps: str, **options: Any) -> int:
    given = {"register": None, "dry_run": False, "relaxed": False, "as_json": False} | options
    return load_command.load(place, path, given.pop("register"), maps, **given)


@pytest.fixture
def rsf(tmp_path: Path) -> Path:
    path = tmp_path / "stamp.rsf"
    path.write_bytes(b"append-entry\tuser\t1\n" * 30_000)
    return path


def test_a_file_is_sent_whole_and_its_end_is_told(
    home: Home, gateway: Door, rsf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.tells({"entries": 1}, {"entries": 2}, {"result": LOADED})
    assert load(home, rsf, relaxed=True, register="stamp") == DONE
    seen = gateway.seen
    assert seen["path"] == "/registers/load?register=stamp&relaxed=true"
    assert seen["body"] == rsf.read_bytes()
    assert seen["headers"]["Authorization"] == "Bearer the-token"
    assert seen["headers"]["Content-Type"] == "application/uk-gov-rsf"
    assert "urn%3Aatoll%3Aregisters" in seen["form"]
    told = capsys.readouterr()
    assert "loaded into the new register stamp (2 entries, 2 items, 1 system entries)" in told.out
    assert LOADED["root-hash"] in told.out
    assert "warning: line 3" in told.err
    assert "\r" not in told.err, "no bar where no terminal is"


def test_rows_are_sent_with_their_columns(home: Home, gateway: Door, tmp_path: Path) -> None:
    path = tmp_path / "rows.CSV"
    path.write_text("Number\n1\n")
    gateway.tells({"result": {**LOADED, "created": False, "skipped": 1, "warnings": []}})
    assert load(home, path, "Number=stamp", "More=", register="a/b") == DONE
    assert gateway.seen["path"] == "/registers/a%2Fb/load-csv?map=Number%3Dstamp&map=More%3D"
    assert gateway.seen["headers"]["Content-Type"] == "text/csv"


def test_a_dry_run_lists_the_faults(
    home: Home, gateway: Door, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("stamp\n")
    gateway.kind = "application/json"
    errors = [{"line": n, "field": "stamp", "detail": "Wrong."} for n in range(2, 40)]
    gateway.tells({"errors": errors, "rows": 60, "faulty": 38})
    assert load(home, path, register="stamp", dry_run=True) == FAILED
    told = capsys.readouterr().out
    assert "line 2, stamp: Wrong." in told
    assert "and 18 more" in told
    assert "60 rows, 38 faulty. Nothing was loaded." in told
    gateway.tells({"errors": [], "rows": 60, "faulty": 0})
    assert load(home, path, register="stamp", dry_run=True) == DONE


def test_a_refusal_is_told_with_its_reason(home: Home, gateway: Door, rsf: Path) -> None:
    problem = {"status": 400, "detail": "Nothing was loaded. line 3, add-item: Not canonical."}
    gateway.tells({"entries": 5}, {"problem": problem})
    with pytest.raises(Stop, match=r"line 3, add-item: Not canonical\.") as stopped:
        load(home, rsf)
    assert stopped.value.code == FAILED
    gateway.status, gateway.kind = 403, "application/problem+json"
    gateway.tells({"detail": "Only the custodian."})
    with pytest.raises(Stop, match=r"Only the custodian. \(403\)"):
        load(home, rsf)
    assert load(home, rsf, as_json=True) == FAILED


@pytest.mark.parametrize("answer", [b"", b'{"entries": 4}\n', b"<html>"])
def test_a_service_that_goes_away_is_told(
    home: Home, gateway: Door, rsf: Path, answer: bytes
) -> None:
    gateway.answer = answer
    with pytest.raises(Stop, match=r"went away|no JSON"):
        load(home, rsf)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("a.txt", {}, "neither in .rsf nor in .csv"),
        ("a.csv", {}, "--register ID"),
        ("a.csv", {"register": "x", "relaxed": True}, "for RSF files"),
        ("none.rsf", {}, "There is no file"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(
    home: Home, tmp_path: Path, name: str, options: dict[str, Any], reason: str
) -> None:
    if name != "none.rsf":
        (tmp_path / name).touch()
    with pytest.raises(Stop, match=reason) as stopped:
        load(home, tmp_path / name, **options)
    assert stopped.value.code == MISUSED


def test_nothing_runs_is_said(
    home: Home, rsf: Path, gateway: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ATOLL_GATEWAY_URL")
    with pytest.raises(Stop) as stopped:
        load(home, rsf)
    assert stopped.value.code == NOT_RUNNING


def test_a_bar_tells_how_far_it_is_and_leaves_nothing(rsf: Path) -> None:
    written: list[str] = []
    bar = Bar(100, written.append)
    with rsf.open("rb") as file:
        for _ in load_command._pieces(file, bar):
            pass
    assert bar.entries == 30_000, "also those that two pieces share"
    bar.sent(50)
    bar.loaded(15_000)
    assert written[-2].startswith("\rsending [############............]")
    assert "15,000 of 30,000 entries" in written[-1]
    bar.end()
    assert not written[-1].strip()
    Bar(1).sent(1)


@pytest.mark.process
def test_a_file_goes_through_the_door_into_a_register(
    running_platform: RunningPlatform, tmp_path: Path
) -> None:
    address = str(running_platform.credentials()["gateway"])
    status, before = door.call(address, "GET", "/registers/atoll/proofs/register")
    assert status == 200
    path = tmp_path / "part.rsf"
    path.write_text("append-entry\tuser\tK\t2020-01-01T00:00:00Z\tsha-256:" + "ab" * 32 + "\n")
    refused = running_platform.run("load", str(path), "--register", "atoll")
    assert refused.returncode == FAILED
    assert "line 1, append-entry: The item sha-256:abab" in refused.stderr
    rows = tmp_path / "rows.csv"
    rows.write_text("atoll,capital\nK--1,\nK,island:Nowhere\n")
    checked = running_platform.run("load", str(rows), "--register", "atoll", "--dry-run")
    assert checked.returncode == FAILED
    assert "line 2, atoll:" in checked.stdout
    assert "line 3, capital: The register island has no record Nowhere." in checked.stdout
    assert door.call(address, "GET", "/registers/atoll/proofs/register")[1] == before
