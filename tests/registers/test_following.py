"""A follower mirrors a register over HTTP and refuses every rewritten past; verify tells people."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from werkzeug.serving import make_server

from atoll import door, exits, follow_command, verify_command
from atoll.home import Home
from services.registers import start_state
from services.registers.storage.tables import Blob, Checkpoint, Edge, Entry
from tests.conftest import GATEWAY_KEY
from tests.registers.conftest import Caller, settings, vessel
from tests.registers.storage.loads import create, head_of, load, towns


@pytest.fixture
def served(registers: Caller) -> Iterator[str]:
    """The registers over HTTP, as the gateway passes calls on."""

    def application(environ: Any, start: Any) -> Any:
        environ["HTTP_ATOLL_GATEWAY_KEY"] = GATEWAY_KEY
        return registers.app.wsgi_app(environ, start)

    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def url(served: str, registers: Caller) -> str:
    create(registers.database, towns(1, 700))
    return f"{served}/registers/town"


def pull(url: str, folder: Path, vkey: str | None = None) -> int:
    return follow_command.follow(url, str(folder), vkey, once=True)


def refusal(url: str, folder: Path) -> str:
    state = (folder / "state.json").read_bytes()
    with pytest.raises(exits.Stop) as stop:
        pull(url, folder)
    assert stop.value.code == exits.REWRITTEN
    assert (folder / "state.json").read_bytes() == state, "the mirror stays as it was"
    return stop.value.message


def mirrored(folder: Path) -> list[Any]:
    lines = (folder / "entries.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def forget_checkpoints(caller: Caller) -> None:
    """What an operator with something to hide would do too."""
    with caller.database.transaction() as session:
        session.execute(Checkpoint.__table__.delete())  # type: ignore[attr-defined]


def test_a_mirror_has_every_entry_and_goes_on_from_where_it_was(
    url: str, registers: Caller, tmp_path: Path
) -> None:
    folder = tmp_path / "mirror"
    assert pull(url, folder) == exits.DONE
    assert [entry["entry-number"] for entry in mirrored(folder)] == list(range(1, 701))
    assert mirrored(folder)[4]["item"] == {"name": "Town 5", "town": "T-5"}
    load(registers.database, towns(1, 300, "New"))
    assert pull(url, folder) == exits.DONE
    assert [entry["entry-number"] for entry in mirrored(folder)] == list(range(1, 1001))
    assert pull(url, folder) == exits.DONE
    state = json.loads((folder / "state.json").read_text())
    assert state["size"] == 1000
    assert "\n1000\n" in state["checkpoint"]


def test_a_pull_that_was_cut_short_is_taken_up_again(
    url: str, registers: Caller, tmp_path: Path
) -> None:
    pull(url, tmp_path)
    with (tmp_path / "entries.jsonl").open("ab") as file:
        file.write(b'{"entry-number":701,"half of a li')
    load(registers.database, towns(701, 702))
    assert pull(url, tmp_path) == exits.DONE
    assert len(mirrored(tmp_path)) == 702


def test_a_smaller_log_is_refused(url: str, registers: Caller, tmp_path: Path) -> None:
    pull(url, tmp_path)
    start_state.reset(settings(), registers.database)
    create(registers.database, towns(1, 699))
    assert "Entries were taken away" in refusal(url, tmp_path)


def test_another_log_of_the_same_size_is_refused(
    url: str, registers: Caller, tmp_path: Path
) -> None:
    pull(url, tmp_path)
    start_state.reset(settings(), registers.database)
    create(registers.database, towns(1, 700, "Another"))
    assert "not those that were mirrored" in refusal(url, tmp_path)


def test_a_larger_log_with_another_past_is_refused(
    url: str, registers: Caller, tmp_path: Path
) -> None:
    pull(url, tmp_path)
    start_state.reset(settings(), registers.database)
    create(registers.database, [*towns(1, 699), *towns(700, 800, "Another")])
    assert "the history was rewritten" in refusal(url, tmp_path)
    assert len(mirrored(tmp_path)) == 700


def test_an_item_that_is_not_the_entrys_is_refused(
    url: str, registers: Caller, tmp_path: Path
) -> None:
    pull(url, tmp_path)
    load(registers.database, towns(701, 705))
    with registers.database.transaction() as session:
        session.execute(
            update(Blob)
            .where(Blob.register_id == head_of(registers.database)["id"], Blob.number == 703)
            .values(content='{"name":"Nowhere","town":"T-703"}')
        )
    assert "item of entry 703" in refusal(url, tmp_path)


def test_another_key_is_refused(url: str, registers: Caller, tmp_path: Path) -> None:
    pull(url, tmp_path)
    registers.app.config["ATOLL_SETTINGS"] = settings(log_key="B" * 43 + "=")
    forget_checkpoints(registers)
    assert "not signed by the known key" in refusal(url, tmp_path)


def test_a_key_from_the_custodian_is_held_to(url: str, served: str, tmp_path: Path) -> None:
    _, told = door.call(served, "GET", "/registers/town/log")
    key = told["trees"][0]["vkey"]
    assert pull(url, tmp_path / "one", key) == exits.DONE
    other = told["trees"][1]["vkey"]
    with pytest.raises(exits.Stop) as stop:
        pull(url, tmp_path / "one", other)
    assert stop.value.code == exits.REWRITTEN
    with pytest.raises(exits.Stop) as stop:
        pull(url, tmp_path / "two", other)
    assert stop.value.code == exits.REWRITTEN
    with pytest.raises(exits.Stop) as stop:
        pull(url, tmp_path / "three", "no key")
    assert stop.value.code == exits.MISUSED


def test_what_cannot_be_followed_is_said(served: str, tmp_path: Path) -> None:
    for url, code in (
        (f"{served}/registers/nothing", exits.NOT_RUNNING),
        ("http://127.0.0.1:1/registers/town", exits.NOT_RUNNING),
        ("town", exits.MISUSED),
    ):
        with pytest.raises((exits.Stop, follow_command._Away)) as stop:
            pull(url, tmp_path / "x")
        assert isinstance(stop.value, exits.Stop)
        assert stop.value.code == code


def test_a_follower_hears_of_entries_as_they_come(
    url: str, registers: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Enough(Exception):
        pass

    pulls: list[int] = []
    inner = follow_command.pull

    def counted(mirror: Any) -> int:
        grown = inner(mirror)
        pulls.append(grown)
        if len(pulls) == 2:
            load(registers.database, towns(701, 710))
        if sum(pulls) == 710:
            raise Enough
        return grown

    monkeypatch.setattr(follow_command, "pull", counted)
    with pytest.raises(Enough):
        follow_command.follow(url, str(tmp_path), None, once=False)
    assert len(mirrored(tmp_path)) == 710


# -- atoll verify


@pytest.fixture
def operator(served: str, registers: Caller, monkeypatch: pytest.MonkeyPatch) -> Home:
    token = registers.issuer.headers("registers", "platform.operate")["Authorization"]
    monkeypatch.setattr(verify_command, "running_address", lambda place: served)
    monkeypatch.setattr(
        verify_command,
        "credentials",
        lambda place: {"clients": [{"client_id": "operator", "client_secret": "x"}]},
    )
    monkeypatch.setattr(door, "operator_token", lambda *_: token.removeprefix("Bearer "))
    return Home(Path("/nowhere"))


def test_verify_goes_through_every_register(
    operator: Home, registers: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify_command.verify(operator, None, as_json=False) == exits.DONE
    told = capsys.readouterr().out
    for register in ("atoll", "island", "fishing-vessel"):
        assert register in told
    assert "189 entries, both trees" in told


TAMPERED: dict[str, Any] = {
    "content": (Blob, {"content": '{"fishing-vessel":"DEMO-0001"}'}, 7),
    "time": (Entry, {"timestamp": 1}, 7),
    "leaf": (Edge, {"hash": bytes(32)}, 7),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_verify_names_the_entry_that_was_changed(
    operator: Home, registers: Caller, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    table, values, number = TAMPERED[what]
    registers.append(vessel(1))
    with registers.database.transaction() as session:
        register_id = head_of(registers.database, "fishing-vessel")["id"]
        session.execute(
            update(table)
            .where(table.register_id == register_id, table.number == number)
            .values(**values)
        )
    assert verify_command.verify(operator, "fishing-vessel", as_json=False) == exits.FAILED
    assert f"fishing-vessel, entry {number}:" in capsys.readouterr().err
    assert verify_command.verify(operator, "island", as_json=True) == exits.DONE
    assert json.loads(capsys.readouterr().out)[0]["difference"] is None
    with pytest.raises(exits.Stop):
        verify_command.verify(operator, "nothing", as_json=False)
