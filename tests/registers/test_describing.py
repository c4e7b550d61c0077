"""Registers for machines: whole downloads, schemas that fit, a catalogue that parses."""

import csv
import io
import json
from typing import Any

import pytest
import rdflib
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from sqlalchemy import select

from services.registers.storage import heads
from services.registers.storage.tables import Record, Register, core
from tests.registers.conftest import Caller, vessel
from tests.registers.stamps import EMPTY, body, declared, stamp
from tests.support.clock import FakeClock

DCAT = rdflib.Namespace("http://www.w3.org/ns/dcat#")
DCT = rdflib.Namespace("http://purl.org/dc/terms/")
NEEDED = (
    DCT.title,
    DCT.description,
    DCT.publisher,
    DCT.accrualPeriodicity,
    DCT.accessRights,
    DCAT.contactPoint,
    DCAT.distribution,
)
NAMES = ("atoll", "island", "council", "ministry", "country", "fishing-vessel", "register", "field")


def download(caller: Caller, register: str, kind: str) -> Any:
    response = caller.get(f"/registers/{register}/download/{kind}")
    assert response.status_code == 200, response.text
    return response


def records(caller: Caller, register: str) -> Any:
    return caller.json(f"/registers/{register}/records?limit=5000")


class TestDownloads:
    def test_csv_has_every_record_and_loads_again(self, stored: Caller) -> None:
        response = download(stored, "council", "csv")
        assert response.headers["Content-Type"] == "text/csv;charset=UTF-8"
        assert response.headers["Content-Disposition"] == "attachment; filename=council.csv"
        rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
        assert [row["council"] for row in rows] == [r["_id"] for r in records(stored, "council")]
        again = stored.load(
            response.data, "/registers/council/load-csv", "text/csv",
            role="registers:custodian:council",
        )  # fmt: skip
        assert again.get_json()["skipped"] == len(rows)
        assert again.get_json()["entries"] == 0

    def test_json_lines_are_the_records(self, untouched: Caller) -> None:
        response = download(untouched, "island", "jsonl")
        assert response.headers["Content-Type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in response.text.splitlines()]
        assert lines == records(untouched, "island")

    def test_geojson_has_longitude_first(self, untouched: Caller) -> None:
        response = download(untouched, "island", "geojson")
        assert response.headers["Content-Type"] == "application/geo+json"
        features = {each["id"]: each for each in response.get_json(force=True)["features"]}
        assert len(features) == 189
        for record in records(untouched, "island"):
            geometry = features[record["_id"]]["geometry"]
            if "coordinates" not in record:
                assert geometry is None
                continue
            latitude, longitude = map(float, record["coordinates"].split(","))
            assert geometry == {"type": "Point", "coordinates": [longitude, latitude]}
            assert 72 < geometry["coordinates"][0] < 74
            assert -1 < geometry["coordinates"][1] < 8

    def test_what_has_no_places_has_no_geojson(self, untouched: Caller) -> None:
        assert untouched.get("/registers/country/download/geojson").status_code == 404
        for kind in ("xlsx", "csv.json", "csv-metadata.csv"):
            assert untouched.get(f"/registers/country/download/{kind}").status_code == 404

    def test_a_register_is_downloaded_as_it_was(self, stored: Caller) -> None:
        stored.append(vessel(1), "a")
        was = stored.get("/registers/fishing-vessel/download/jsonl?log-size=12")
        assert was.headers["Content-Disposition"].endswith("fishing-vessel-12.jsonl")
        assert len(was.text.splitlines()) == 12
        assert len(download(stored, "fishing-vessel", "jsonl").text.splitlines()) == 13

    def test_nothing_is_sent_again_that_the_caller_holds(self, untouched: Caller) -> None:
        tag = download(untouched, "atoll", "csv").headers["ETag"]
        again = untouched.get("/registers/atoll/download/csv", {"If-None-Match": tag})
        assert (again.status_code, again.data) == (304, b"")

    def test_the_metadata_describes_the_columns(self, untouched: Caller) -> None:
        response = download(untouched, "council", "csv")
        address = response.headers["Link"].partition("<")[2].partition(">")[0]
        about = untouched.get(address.removeprefix("http://localhost:8000"))
        assert about.headers["Content-Type"] == "application/csvm+json"
        document = about.get_json(force=True)
        assert document["@context"][0] == "http://www.w3.org/ns/csvw"
        assert document["url"] == "http://localhost:8000/registers/council/download/csv"
        columns = document["tableSchema"]["columns"]
        assert [each["titles"] for each in columns] == response.text.splitlines()[0].split(",")
        by_title = {each["titles"]: each for each in columns}
        assert by_title["islands"]["separator"] == ";"
        assert by_title["atoll"]["valueUrl"].endswith("/registers/curie/{atoll}")
        assert document["tableSchema"]["primaryKey"] == "council"


@pytest.mark.parametrize("register", NAMES)
def test_every_record_fits_the_schema_of_its_register(untouched: Caller, register: str) -> None:
    response = untouched.get(f"/registers/{register}/schema")
    assert response.headers["Content-Type"] == "application/schema+json"
    schema = json.loads(response.data)
    Draft202012Validator.check_schema(schema)
    check = Draft202012Validator(schema)
    every = records(untouched, register)
    assert every
    for record in every:
        check.validate(record)
    assert not check.is_valid({**every[0], "no-such-field": "x"})
    assert not check.is_valid({"_id": "x"})
    assert untouched.get(f"/registers/{register}/schema.json").data == response.data


def test_a_schema_refuses_what_is_of_another_datatype(untouched: Caller) -> None:
    check = Draft202012Validator(json.loads(untouched.get("/registers/island/schema").data))
    record = untouched.json("/registers/island/records/K-Thulusdhoo")
    for name, value in (("population-2022", "many"), ("atoll", "island:K"), ("coordinates", "x"),
                        ("area-km2", "1,5"), ("name", ["x"]), ("name", "")):  # fmt: skip
        assert not check.is_valid({**record, name: value}), name


@pytest.mark.parametrize("register", NAMES)
def test_each_register_has_an_openapi_document_that_is_true(
    untouched: Caller, register: str
) -> None:
    document = untouched.json(f"/registers/{register}/openapi.json")
    validate(document)
    known = {"key": records(untouched, register)[0]["_id"].replace("/", "%2F")}
    for path in document["paths"]:
        query = "?from=0" if path.endswith("/diff") else ""
        answer = untouched.get(path.format(**known) + query)
        assert answer.status_code == 200, path
        kinds = document["paths"][path]["get"]["responses"]["200"]["content"]
        assert answer.headers["Content-Type"].partition(";")[0] in kinds


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph:DeprecationWarning")
class TestCatalogue:
    def graph(self, caller: Caller, ending: str, kind: str) -> rdflib.Graph:
        response = caller.get(f"/registers/catalogue.{ending}")
        assert response.status_code == 200
        return rdflib.Graph().parse(data=response.data, format=kind)

    def test_both_forms_say_the_same(self, untouched: Caller) -> None:
        turtle = self.graph(untouched, "ttl", "turtle")
        linked = self.graph(untouched, "jsonld", "json-ld")
        assert len(turtle) > 300
        assert set(turtle) == set(linked)

    def test_what_dcat_ap_wants_is_there(self, untouched: Caller) -> None:
        graph = self.graph(untouched, "ttl", "turtle")
        catalogues = list(graph.subjects(rdflib.RDF.type, DCAT.Catalog))
        assert len(catalogues) == 1
        for wanted in (DCT.title, DCT.description, DCT.publisher, DCAT.dataset):
            assert (catalogues[0], wanted, None) in graph
        listed = {each["id"] for each in untouched.json("/registers")["registers"]}
        datasets = set(graph.objects(catalogues[0], DCAT.dataset))
        assert {str(graph.value(each, DCT.identifier)) for each in datasets} == listed
        for dataset in datasets:
            for wanted in NEEDED:
                assert (dataset, wanted, None) in graph, (dataset, wanted)
            for part in graph.objects(dataset, DCAT.distribution):
                assert (part, rdflib.RDF.type, DCAT.Distribution) in graph
                assert graph.value(part, DCT.license) is not None
                address = str(graph.value(part, DCAT.downloadURL))
                path = address.removeprefix("http://localhost:8000")
                assert untouched.get(path).status_code == 200, path
        dhivehi = [text for text in graph.objects(None, DCT.title) if text.language == "dv"]
        assert len(dhivehi) == len(listed)

    def test_the_form_is_the_one_asked_for(self, untouched: Caller) -> None:
        def kind(accept: str) -> str:
            response = untouched.get("/registers/catalogue", {"Accept": accept})
            return str(response.headers["Content-Type"]) if response.status_code == 200 else "none"

        assert kind("text/turtle").startswith("text/turtle")
        assert kind("application/ld+json") == kind("*/*") == "application/ld+json"
        assert kind("application/json") == "application/json"
        assert kind("image/png") == "none"
        assert untouched.get("/registers/catalogue.csv").status_code == 406

    def test_quotes_and_lines_in_a_text_break_nothing(self, registers: Caller) -> None:
        with registers.database.transaction() as session:
            strange = {"en": 'A "strange"\\ title,\nwith lines ', "dv": "ދިވެހި"}
            heads.describe(session, 1, {"title": strange, "licence": 'Own "licence"'})
        turtle = self.graph(registers, "ttl", "turtle")
        assert set(turtle) == set(self.graph(registers, "jsonld", "json-ld"))
        assert strange["en"] in {str(text) for text in turtle.objects(None, DCT.title)}


class TestCuries:
    def test_a_curie_leads_to_its_record_or_register(self, untouched: Caller) -> None:
        def place(curie: str) -> str:
            response = untouched.get(f"/registers/curie/{curie}")
            return str(response.headers["Location"]) if response.status_code == 303 else "none"

        assert place("island:K-Thulusdhoo").endswith("/registers/island/records/K-Thulusdhoo")
        assert place("island%3AK-Thulusdhoo").endswith("/registers/island/records/K-Thulusdhoo")
        assert place("island:").endswith("/registers/island/context")
        for wrong in ("island:K-Atlantis", "nothing:K", "island", "island:_", "records"):
            assert place(wrong) == "none", wrong


class TestQuality:
    def test_the_measures_of_the_start_state(self, untouched_on_both: Caller) -> None:
        told = untouched_on_both.json("/registers/island/quality")
        measures = told["measures"]
        assert measures["referential-integrity"]["score"] == 1.0
        assert measures["validity"]["score"] == 1.0
        fields = measures["completeness"]["fields"]
        filled = sum("population-2022" in r for r in records(untouched_on_both, "island"))
        assert fields["population-2022"] == round(filled / 189, 4)
        assert fields["island"] == 1.0
        assert told["measured-records"] == 189
        assert 0.9 < told["score"] <= 1.0
        assert untouched_on_both.json("/registers/island/dangling") == {
            "register": "island", "complete": True, "dangling": []
        }  # fmt: skip

    def test_what_is_late_says_so(self, registers: Caller, clock: FakeClock) -> None:
        def timely() -> Any:
            return registers.json("/registers/fishing-vessel/quality")["measures"]["timeliness"]

        assert (timely()["score"], timely()["overdue"]) == (1.0, False)
        clock.advance(days=62)
        assert timely()["overdue"] is True
        assert timely()["score"] == pytest.approx(31 / 64, abs=0.01)
        registers.append(vessel(1), "a")
        assert timely()["score"] == 1.0
        irregular = registers.json("/registers/ministry/quality")["measures"]["timeliness"]
        assert irregular["score"] is None

    def test_what_is_wrong_is_named(self, stored: Caller) -> None:
        """A file may bring what people may not append: it was published elsewhere so."""
        file = body(EMPTY, declared(), stamp("1"), stamp("2"))
        assert stored.load(file, "/registers/load").status_code == 201
        with stored.database.transaction() as session:
            found = heads.find_register(session, "stamp")
            assert found is not None
            fields = [
                {**field, "datatype": "curie", "register": "island"}
                if field["id"] != "stamp" and field.get("cardinality", "1") == "1"
                else field
                for field in found["fields"]
            ]
            heads.describe(session, found["id"], {"fields": fields})
        told = stored.json("/registers/stamp/quality")["measures"]
        wrong = told["validity"]["faulty"] + told["referential-integrity"]["dangling"]
        assert wrong >= 2
        assert told["validity"]["score"] < 1.0

    def test_dangling_references_come_in_pages(self, stored: Caller) -> None:
        for number in range(3):
            item = vessel(number, home_island="island:K-Huraa")
            assert stored.append(item, f"k{number}").status_code == 201
        with stored.database.transaction() as session:
            table = core(Record.__table__)
            island = session.scalar(select(Register.id).where(Register.name == "island"))
            session.execute(
                table.delete().where(table.c.register_id == island, table.c.key == "K-Huraa")
            )
        first = stored.get("/registers/fishing-vessel/dangling?limit=2")
        assert [each["key"] for each in first.get_json()["dangling"]] == ["T-0", "T-1"]
        assert first.get_json()["dangling"][0]["curie"] == "island:K-Huraa"
        path = first.headers["Link"].partition("<")[2].partition(">")[0]
        second = stored.json(path.removeprefix("http://localhost:8000"))
        assert [each["key"] for each in second["dangling"]] == ["T-2"]
        assert second["complete"] is True
        quality = stored.json("/registers/fishing-vessel/quality")["measures"]
        assert quality["referential-integrity"]["dangling"] == 3


def test_governance_comes_along_in_a_file(registers: Caller) -> None:
    """Who keeps a register is told by its system log, which RSF carries."""
    file = registers.get("/registers/country/download-rsf").data
    assert b'"legal-basis":"None: facts of a published standard' in file
    again = registers.load(file, "/registers/load?register=nation")
    assert again.status_code == 201, again.text
    said = registers.json("/registers/nation/governance")["governance"]
    assert said == registers.json("/registers/country/governance")["governance"]
