"""Loading files: who may, what creates a register, every refusal with its line, all or nothing."""

import io
import json
import zipfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from servicekit import merkle
from services.registers.domain import canonical, rsf
from services.registers.domain.canonical import write_hash
from tests.conftest import GATEWAY_KEY
from tests.registers.conftest import Caller

AT = 1_577_836_800  # 2020
EMPTY = rsf.assert_root(merkle.EMPTY_ROOT)


def item(**values: Any) -> tuple[str, bytes]:
    content = canonical.item_json(values)
    return content, canonical.item_hash(content)


def declared(register: str = "stamp") -> list[str]:
    """The lines that declare a register of stamps."""
    said: list[tuple[str, dict[str, Any]]] = [
        (f"field:{name}", {"field": name, "datatype": "string", "cardinality": cardinality})
        for name, cardinality in {register: "1", "name": "1", "colours": "n"}.items()
    ]
    said.append(("register-name", {"register-name": "Stamps"}))
    said.append(("custodian", {"custodian": "The Post"}))
    about = {"register": register, "fields": [register, "name", "colours"], "text": "Every stamp."}
    said.append((f"register:{register}", about))
    lines = []
    for key, value in said:
        content, digest = item(**value)
        lines += [rsf.add_item(content), rsf.append_entry("system", key, AT, digest)]
    return lines


def stamp(key: str, name: Any = "Blue", **more: Any) -> list[str]:
    content, digest = item(stamp=key, name=name, **more)
    return [rsf.add_item(content), rsf.append_entry("user", key, AT + 1, digest)]


def body(*lines: list[str] | str) -> bytes:
    return "".join("".join(each) for each in lines).encode()


@pytest.fixture
def stamps(registers: Caller) -> Caller:
    """The service with a register of two stamps."""
    response = registers.load(body(EMPTY, declared(), stamp("1"), stamp("2")), "/registers/load")
    assert response.status_code == 201, response.text
    return registers


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


# -- downloads


def test_a_part_of_the_log_follows_the_part_before(stamps: Caller) -> None:
    assert stamps.load(body(stamp("3"), stamp("1", "Red")), "/registers/stamp/load-rsf").json
    whole = stamps.get("/registers/stamp/download-rsf")
    assert whole.headers["Content-Disposition"].startswith("attachment; filename=rsf-")
    start = stamps.get("/registers/stamp/download-rsf/0/2").data
    rest = stamps.get("/registers/stamp/download-rsf/2").data
    assert rest == stamps.get("/registers/stamp/v1/download-rsf/2/4").data
    assert stamps.load(start, "/registers/load?register=copied").status_code == 201
    assert stamps.load(rest, "/registers/copied/load-rsf").status_code == 200
    assert stamps.get("/registers/copied/download-rsf").data == whole.data
    assert stamps.get("/registers/stamp/download-rsf/0").data == whole.data
    same = stamps.get("/registers/stamp/download-rsf/4/4").data.decode().splitlines()
    assert same == whole.data.decode().splitlines()[-1:]
    assert b"\tsystem\t" not in rest
    fixed = stamps.get("/registers/stamp/download-rsf/2/4").headers
    assert fixed["Cache-Control"] == "public, max-age=31536000, immutable"
    unchanged = stamps.get(
        "/registers/stamp/download-rsf", {"If-None-Match": whole.headers["ETag"]}
    )
    assert unchanged.status_code == 304


@pytest.mark.parametrize("part", ["3", "2/1", "0/3", "-1", "x", "1/x", "1.5", "9" * 30])
def test_a_part_that_is_not_there_is_refused(stamps: Caller, part: str) -> None:
    assert stamps.get(f"/registers/stamp/download-rsf/{part}").status_code == 400


def test_the_archive_holds_a_file_for_each_item_and_entry(stamps: Caller) -> None:
    response = stamps.get("/registers/stamp/v1/download-register")
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert ".zip" in response.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(response.data)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        entry = json.loads(archive.read("stamp/entry/2.json"))
        proof = json.loads(archive.read("stamp/proof.json"))
        about = json.loads(archive.read("stamp/register.json"))
        digest = entry["item-hash"][0].removeprefix("sha-256:")
        assert (
            canonical.item_hash(archive.read(f"stamp/item/{digest}.json").decode()).hex() == digest
        )
    assert len([name for name in names if "/item/" in name]) == 2
    assert len([name for name in names if "/entry/" in name]) == 2
    assert entry == stamps.json("/registers/stamp/v1/entries/2")[0]
    assert proof == stamps.json("/registers/stamp/v1/proof/register/merkle:sha-256")
    assert about == stamps.json("/registers/stamp/v1/register")
    assert stamps.get("/registers/stamp/download-register").data == response.data


# -- rows


def csv_load(caller: Caller, text: str, query: str = "") -> Any:
    return caller.load(text.encode(), f"/registers/stamp/load-csv{query}", "text/csv")


def test_rows_that_change_their_records_are_appended(stamps: Caller) -> None:
    text = "stamp,name,colours\n1,Blue,\n2,Green,red;blue\n3,White,\n"
    response = csv_load(stamps, text)
    assert response.status_code == 200, response.text
    told = response.get_json()
    assert (told["entries"], told["skipped"], told["total-entries"]) == (2, 1, 4)
    assert stamps.json("/registers/stamp/records/2")["colours"] == ["red", "blue"]
    again = csv_load(stamps, text).get_json()
    assert (again["entries"], again["skipped"]) == (0, 3)


def test_a_dry_run_lists_every_faulty_row(stamps: Caller) -> None:
    rows = "".join(f"K--{n},Blue,\n" for n in range(1500))
    response = csv_load(stamps, f"stamp,name,colours\n3,Red,\n{rows}", "?dry-run=true")
    assert response.status_code == 200
    told = response.get_json()
    assert (told["rows"], told["faulty"], len(told["errors"])) == (1501, 1500, 1500)
    assert told["errors"][0]["line"] == 3
    assert told["errors"][0]["field"] == "stamp"
    assert told["errors"][-1]["line"] == 1502
    refused = csv_load(stamps, f"stamp,name,colours\n3,Red,\n{rows}")
    assert refused.status_code == 400
    assert "1500 rows" in refused.get_json()["detail"]
    assert len(refused.get_json()["errors"]) == 1000
    assert stamps.get("/registers/stamp/records/3").status_code == 404
    fine = csv_load(stamps, "stamp\n9\n", "?dry-run=true").get_json()
    assert fine == {"errors": [], "rows": 1, "faulty": 0}


def test_columns_are_mapped_to_fields(stamps: Caller) -> None:
    text = "Number,What,Owner\n7,Blue,somebody\n"
    unmapped = csv_load(stamps, text, "?dry-run=true")
    assert unmapped.status_code == 400
    assert "'Number' is no field" in unmapped.get_json()["detail"]
    query = "?map=Number%3Dstamp&map=What%3Dname&map=Owner%3D"
    assert csv_load(stamps, text, query).status_code == 200
    assert stamps.json("/registers/stamp/records/7")["name"] == "Blue"
    for wrong in ("?map=Number", "?map=%3Dname"):
        assert csv_load(stamps, text, wrong).status_code == 400


def test_references_of_rows_must_lead_somewhere(registers: Caller) -> None:
    role = "registers:custodian:fishing-vessel"
    text = "fishing-vessel,name,home-island\nT-1,One,island:K-Thulusdhoo\nT-2,Two,island:Nowhere\n"
    path = "/registers/fishing-vessel/load-csv"
    told = registers.load(text.encode(), f"{path}?dry-run=true", "text/csv", role).get_json()
    assert (told["rows"], told["faulty"]) == (2, 1)
    assert told["errors"][0]["line"] == 3
    assert told["errors"][0]["field"] == "home-island"
    assert registers.load(text.encode(), path, "text/csv", role).status_code == 400
    good = text.replace("Nowhere", "K-Thulusdhoo")
    assert registers.load(good.encode(), path, "text/csv", role).status_code == 200


def test_rows_may_refer_to_rows_of_the_same_file(registers: Caller) -> None:
    text = "ministry,name,replaced-by\nold,Old,ministry:new\nnew,New,\nbad,Bad,ministry:gone\n"
    told = registers.load(text.encode(), "/registers/ministry/load-csv?dry-run=true", "text/csv")
    errors = told.get_json()["errors"]
    assert [(error["line"], error["field"]) for error in errors] == [(4, "replaced-by")]


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
