"""Loading CSV files: columns to fields, dry runs, rows that change nothing, references."""

from typing import Any

from tests.registers.conftest import Caller


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
