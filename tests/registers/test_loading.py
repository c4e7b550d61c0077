"""Loading RSF files: who may, what creates a register, refusals with their line, all or nothing."""

import json

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from servicekit import merkle
from services.registers.domain import canonical, rsf
from services.registers.domain.canonical import write_hash
from tests.conftest import GATEWAY_KEY
from tests.registers.conftest import Caller
from tests.registers.stamps import AT, EMPTY, body, declared, item, stamp


def test_a_file_that_declares_a_register_creates_it(registers: Caller) -> None:
    response = registers.load(
        body(EMPTY, declared(), stamp("1"), stamp("2", colours=["red", "blue"])),
        "/registers/load",
    )
    assert response.status_code == 201
    assert response.headers["Location"] == "http://localhost:8000/registers/stamp/context"
    told = response.get_json()
    assert (told["register"], told["created"], told["entries"]) == ("stamp", True, 2)
    assert (told["system-entries"], told["total-entries"], told["warnings"]) == (6, 2, [])
    context = registers.json("/registers/stamp/context")
    assert context["title"] == "Stamps"
    assert context["description"] == "Every stamp."
    assert context["custodian"] == "The Post"
    assert [field["id"] for field in context["schema"]] == ["stamp", "name", "colours"]
    assert context["root-hash"] == told["root-hash"]
    assert registers.json("/registers/stamp/records/2")["colours"] == ["red", "blue"]
    proof = registers.json("/registers/stamp/v1/proof/register/merkle:sha-256")
    assert proof["root-hash"] == told["root-hash-v1"]


def test_a_new_register_is_entered_into_the_registers_of_registers_and_fields(
    stamps: Caller,
) -> None:
    record = stamps.json("/registers/register/records/stamp")
    assert record["fields"] == ["stamp", "name", "colours"]
    assert record["registry"] == "The Post"
    assert stamps.json("/registers/field/records/colours")["cardinality"] == "n"
    before = stamps.json("/registers/field/records/name/entries")
    assert len(before) == 1, "a field that was there keeps what it says"


def test_the_reference_loads_with_the_answers_of_the_specification(stamps: Caller) -> None:
    response = stamps.load(body(stamp("3")), "/registers/stamp/load-rsf")
    assert response.status_code == 200
    assert response.get_json() == {"success": True, "message": "success"}
    assert response.headers["Content-Type"] == "application/json"
    assert stamps.json("/registers/stamp/entries/3")["key"] == "3"
    wrong = stamps.load(body(stamp("4"), EMPTY), "/registers/stamp/v1/load-rsf")
    assert wrong.status_code == 400
    told = wrong.get_json()
    assert (told["success"], told["message"]) == (False, "Failed to load RSF")
    assert told["details"].startswith("line 3, assert-root-hash: The root of the 4 entries")
    assert stamps.get("/registers/stamp/entries/4").status_code == 404


def test_an_item_may_be_in_the_register_already(stamps: Caller) -> None:
    _, digest = item(stamp="1", name="Blue")
    lines = body(stamp("1", "Green"), rsf.append_entry("user", "1", AT + 2, digest))
    assert stamps.load(lines, "/registers/stamp/load-rsf").status_code == 200
    history = stamps.json("/registers/stamp/records/1/entries")
    assert [entry["entry-number"] for entry in history] == [1, 3, 4]
    assert history[0]["blob-hash"] == history[2]["blob-hash"]
    assert stamps.json("/registers/stamp/context")["statistics"]["total-blobs"] == 3


@pytest.mark.parametrize(
    ("lines", "line", "reason"),
    [
        ([*stamp("3"), rsf.add_item('{"stamp":"9"}')], 3, "No later entry names this item"),
        ([rsf.append_entry("user", "3", AT, b"\x07" * 32)], 1, "neither in the file"),
        ([rsf.append_entry("system", "a", AT, b"\x07" * 32)], 1, "neither in the file"),
        ([*stamp("3"), stamp("3")[1]], 3, "this very item already"),
        ([stamp("1")[1]], 1, "this very item already"),
        ([rsf.assert_root(b"\x07" * 32)], 1, "The root of the 3 entries so far is sha-256:"),
        ([*stamp("3"), "append-entry\tuser\tx\n"], 3, "4 parts"),
        ([*stamp("3"), 'add-item\t{"b":"c","a":"d"}\n'], 3, "not canonical"),
        (stamp("3", owner="me"), 2, "no field owner"),
        (stamp("3", colours="red"), 2, "takes a list"),
        (stamp("3", colours=["red", "red"]), 2, "differ"),
        (stamp("3", colours=["a;b"]), 2, "semicolon"),
        (stamp("3", name=["Blue"]), 2, "takes one value"),
        (stamp("3", name=" "), 2, "must be"),
        (["".join(stamp("3")).replace("\tuser\t3\t", "\tuser\t4\t")], 2, "must hold the key 4"),
        ([rsf.add_item('{"name":"x"}'),
          rsf.append_entry("user", "3", AT, canonical.item_hash('{"name":"x"}'))], 2, "lacks"),
        ([*stamp("3"), "\n", *stamp("4")], 3, "empty line"),
    ],
    ids=range(17),
)  # fmt: skip
def test_what_breaks_a_rule_is_named_and_nothing_is_loaded(
    stamps: Caller, lines: list[str], line: int, reason: str
) -> None:
    before = stamps.get("/registers/stamp/download-rsf").data
    response = stamps.load(body(stamp("8"), lines), "/registers/load?register=stamp")
    assert response.status_code == 400, response.text
    problem = response.get_json()
    assert problem["type"].endswith("/file-refused")
    assert problem["line"] == line + 2
    assert reason in problem["reason"]
    assert stamps.get("/registers/stamp/download-rsf").data == before
    again = stamps.load(body(stamp("8"), lines), "/registers/stamp/load-rsf")
    assert again.status_code == 400
    assert again.get_json()["details"].startswith(f"line {line + 2}, ")


def test_relaxed_takes_what_old_files_hold_and_says_so(stamps: Caller) -> None:
    _, digest = item(stamp="1", name="Blue")
    lines = body(
        rsf.append_entry("user", "1", AT + 2, digest),
        rsf.append_entry("system", "custodian", AT, item(custodian="The Post")[1]),
        stamp("3", name=" "),
        rsf.add_item('{"stamp":"lonely"}'),
    )
    response = stamps.load(lines, "/registers/load?register=stamp&relaxed=true")
    assert response.status_code == 200, response.text
    assert len(response.get_json()["warnings"]) == 4
    assert stamps.json("/registers/stamp/context")["statistics"]["total-entries"] == 4


def test_a_published_log_is_taken_as_it_is_up_to_its_last_root(registers: Caller) -> None:
    twice = [*stamp("1"), stamp("1")[1]]
    leaves = [
        merkle.leaf_hash(
            f'{{"index-entry-number":"{n}","entry-number":"{n}","entry-timestamp":'
            f'"2020-01-01T00:00:01Z","key":"1","item-hash":["{write_hash(digest)}"]}}'.encode()
        )
        for n, digest in (
            (1, item(stamp="1", name="Blue")[1]),
            (2, item(stamp="1", name="Blue")[1]),
        )
    ]
    proved = [*declared(), *twice, rsf.assert_root(merkle.root(leaves))]
    after = registers.load(body(EMPTY, proved, stamp("1")[1]), "/registers/load")
    assert after.status_code == 400, "after its last root a file is held to the rules"
    assert registers.load(body(EMPTY, declared(), twice), "/registers/load").status_code == 400
    response = registers.load(body(EMPTY, proved), "/registers/load")
    assert response.status_code == 201, response.text
    assert len(response.get_json()["warnings"]) == 1


def test_a_dry_run_loads_nothing(registers: Caller) -> None:
    lines = body(declared(), stamp("1"))
    response = registers.load(lines, "/registers/load?dry-run=true")
    assert response.status_code == 200, response.text
    told = response.get_json()
    assert (told["dry-run"], told["created"], told["entries"]) == (True, False, 1)
    assert registers.get("/registers/stamp/context").status_code == 404
    assert registers.load(lines, "/registers/load").status_code == 201
    wrong = registers.load(body(stamp("3"), "x"), "/registers/load?register=stamp&dry-run=true")
    assert wrong.status_code == 400


def test_a_register_may_be_loaded_under_another_name(registers: Caller) -> None:
    lines = body(EMPTY, declared(), stamp("1"))
    assert registers.load(lines, "/registers/load?register=stamp-of-old").status_code == 201
    assert registers.json("/registers/stamp-of-old/records/1")["stamp"] == "1"
    role = registers.token(role="registers:custodian:stamp-of-old")
    more = registers.append({"stamp": "2", "name": "Red"}, "k", "stamp-of-old", role)
    assert more.status_code == 201, more.text
    assert registers.get("/registers/stamp-of-old/v1/stamp/2").status_code == 301
    other = registers.load(body(declared("coin")), "/registers/stamp-of-old/load-rsf")
    assert "coin" in other.get_json()["details"]


@pytest.mark.parametrize(
    ("lines", "query", "reason"),
    [
        (stamp("1"), "", "does not say which register"),
        (stamp("1"), "?register=new-one", "declares no fields"),
        (stamp("1"), "?register=No%20Name", "cannot be the name"),
        (declared(), "?register=atoll", "is of the register stamp"),
        ([*declared()[2:], "x"], "", "unknown"),
        (["x\n"], "", "unknown"),
        ([], "", "does not say which register"),
    ],
    ids=range(7),
)
def test_a_file_for_no_register_is_refused(
    registers: Caller, lines: list[str], query: str, reason: str
) -> None:
    response = registers.load(body(lines), f"/registers/load{query}")
    assert response.status_code == 400, response.text
    assert reason in response.get_json()["detail"]


def test_what_a_field_is_never_changes(stamps: Caller) -> None:
    content, digest = item(field="name", datatype="integer", cardinality="1")
    lines = body(rsf.add_item(content), rsf.append_entry("system", "field:name", AT, digest))
    response = stamps.load(lines, "/registers/load?register=stamp")
    assert response.status_code == 400
    assert "from string to integer" in response.get_json()["detail"]


def test_a_field_may_be_added_with_the_entries_that_use_it(stamps: Caller) -> None:
    content, digest = item(field="year", datatype="integer", cardinality="1")
    lines = body(
        rsf.add_item(content),
        rsf.append_entry("system", "field:year", AT, digest),
        stamp("3", year="1906"),
    )
    assert stamps.load(lines, "/registers/stamp/load-rsf").status_code == 200
    names = [field["id"] for field in stamps.json("/registers/stamp/context")["schema"]]
    assert names == ["stamp", "name", "colours", "year"]
    assert stamps.json("/registers/stamp/records/3")["year"] == "1906"
    assert stamps.json("/registers/field/records/year")["datatype"] == "integer"


def test_only_custodian_and_operator_load(stamps: Caller) -> None:
    for role, status in (
        ("registers:custodian:stamp", 200),
        ("registers:custodian:atoll", 403),
        ("registers:custodian:fishing-vessel", 403),
    ):
        lines = body(stamp(f"by-{status}"))
        for path in ("/registers/load?register=stamp&dry-run=true", "/registers/stamp/load-rsf"):
            response = stamps.load(lines, path, role=role)
            assert response.status_code == status, response.text
        rows = stamps.load(b"stamp,name\n5,x\n", "/registers/stamp/load-csv", "text/csv", role)
        assert rows.status_code == status
    headers = {"Atoll-Gateway-Key": GATEWAY_KEY, "Content-Type": rsf.MEDIA_TYPE}
    for path in ("/registers/load", "/registers/stamp/load-rsf", "/registers/stamp/load-csv"):
        assert stamps.client.post(path, data=b"", headers=headers).status_code == 401
    other = stamps.load(body(declared("coin")), "/registers/load", role="registers:custodian:stamp")
    assert other.status_code == 403, "a custodian creates only the own register"


def test_other_bodies_and_queries_are_refused(stamps: Caller) -> None:
    for path in ("/registers/load", "/registers/stamp/load-rsf", "/registers/stamp/load-csv"):
        assert stamps.load(b"{}", path, "application/json").status_code == 415
        assert stamps.load(b"", f"{path}?more=1").status_code == 400
    for path in ("/registers/load?relaxed=maybe", "/registers/load?dry-run=1",
                 "/registers/stamp/load-rsf?relaxed=2"):  # fmt: skip
        assert stamps.load(b"", path).status_code == 400
    assert stamps.load(b"", "/registers/none/load-rsf").status_code == 404
    assert stamps.load(b"", "/registers/none/load-csv").status_code == 404
    assert stamps.load(b"", "/registers/stamp/load-rsf").status_code == 200


def test_progress_is_told_line_by_line(stamps: Caller) -> None:
    response = stamps.load(
        body(stamp("3")), "/registers/load?register=stamp", accept="application/x-ndjson"
    )
    assert response.headers["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in response.data.splitlines()]
    assert lines[-1]["result"]["entries"] == 1
    assert all("entries" in line for line in lines[:-1])
    wrong = stamps.load(
        body(stamp("3")), "/registers/load?register=stamp", accept="application/x-ndjson"
    )
    problem = json.loads(wrong.data.splitlines()[-1])["problem"]
    assert (problem["status"], problem["line"]) == (400, 2)


PIECES = st.sampled_from([*declared(), *stamp("1"), *stamp("2"), EMPTY, "\n", "x\n", "add-item\t{"])


@hypothesis_settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(PIECES | st.text(max_size=6), max_size=12))
def test_no_file_breaks_the_service(registers: Caller, pieces: list[str]) -> None:
    data = "".join(pieces).encode("utf-8", "surrogatepass")
    for path in ("/registers/load?dry-run=true&register=fuzzed", "/registers/load?dry-run=true"):
        assert registers.load(data, path).status_code in (200, 400)
    rows = registers.load(data, "/registers/atoll/load-csv?dry-run=true", "text/csv")
    assert rows.status_code in (200, 400)
