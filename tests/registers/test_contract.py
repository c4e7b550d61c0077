"""The contract is the routes, and every view says who may call it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from servicekit import access, migrate
from servicekit.database import Database
from tests.registers.conftest import PACKAGE, Caller, vessel

ROOT = Path(__file__).parents[2]
OPENAPI: dict[str, Any] = yaml.safe_load(
    (ROOT / "services/registers/openapi.yaml").read_text("utf-8")
)
OWN = {"/healthz", "/readyz", "/registers/openapi.json", "/registers/operate/reset"}


def schema_of(path: str, method: str = "get", status: str = "200") -> dict[str, Any]:
    content = OPENAPI["paths"][path][method]["responses"][status]["content"]
    return {**content["application/json"]["schema"], "components": OPENAPI["components"]}


def test_the_contract_lists_exactly_the_routes(untouched: Caller) -> None:
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in untouched.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule not in OWN
    }
    listed = {
        (path, method)
        for path, item in OPENAPI["paths"].items()
        for method in item
        if method in ("get", "post", "put", "patch", "delete")
    }
    assert served == listed


def test_every_view_says_who_may_call_it(registers: Caller) -> None:
    labels = {}
    for name, view in registers.app.view_functions.items():
        rule = access.access_of(view)
        assert rule is not None, name
        labels[name] = rule.label
    guarded = {name for name, label in labels.items() if label.startswith("scope")}
    writing = {
        rule.endpoint
        for rule in registers.app.url_map.iter_rules()
        if (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"} and rule.rule not in OWN
    }
    inside = {name for name, label in labels.items() if label == "gateway only"}
    assert writing <= guarded | inside, "who writes shows a token"
    assert not {name for name in guarded if name.split(".")[0] in ("reading", "version1", "proofs")}


def test_migrations_make_the_tables(database: Database) -> None:
    migrate.upgrade(PACKAGE, database)
    assert migrate.differences(PACKAGE, database) == []


@pytest.mark.parametrize(
    ("path", "example"),
    [
        ("/registers", "/registers"),
        ("/registers/{register}/context", "/registers/council/context"),
        ("/registers/{register}/records", "/registers/council/records"),
        ("/registers/{register}/records/{key}", "/registers/council/records/S-Addu-City"),
        ("/registers/{register}/records/{key}/entries", "/registers/atoll/records/K/entries"),
        ("/registers/{register}/entries", "/registers/atoll/entries"),
        ("/registers/{register}/entries/{number}", "/registers/atoll/entries/1"),
        ("/registers/{register}/blobs", "/registers/atoll/blobs"),
        ("/registers/{register}/proofs/register", "/registers/atoll/proofs/register"),
        ("/registers/{register}/proofs/entries/{number}/{size}",
         "/registers/atoll/proofs/entries/3/9"),
        ("/registers/{register}/proofs/consistency/{old}/{new}",
         "/registers/atoll/proofs/consistency/3/9"),
        ("/registers/{register}/snapshots/{size}", "/registers/atoll/snapshots/9"),
        ("/registers/{register}/snapshots/{size}/{key}", "/registers/atoll/snapshots/21/K"),
        ("/registers/{register}/v1/register", "/registers/island/v1/register"),
        ("/registers/{register}/v1/records", "/registers/council/v1/records"),
        ("/registers/{register}/v1/records/{key}", "/registers/council/v1/records/S-Addu-City"),
        ("/registers/{register}/v1/records/{key}/entries", "/registers/atoll/v1/records/K/entries"),
        ("/registers/{register}/v1/records/{field}/{value}",
         "/registers/island/v1/records/name/Thulusdhoo"),
        ("/registers/{register}/v1/entries", "/registers/atoll/v1/entries"),
        ("/registers/{register}/v1/entries/{number}", "/registers/atoll/v1/entries/1"),
        ("/registers/{register}/v1/items", "/registers/council/v1/items"),
        ("/registers/{register}/v1/proof/register/merkle:sha-256",
         "/registers/atoll/v1/proof/register/merkle:sha-256"),
        ("/registers/{register}/v1/proof/entries/{number}/{size}/merkle:sha-256",
         "/registers/atoll/v1/proof/entries/3/9/merkle:sha-256"),
        ("/registers/{register}/v1/proof/consistency/{old}/{new}/merkle:sha-256",
         "/registers/atoll/v1/proof/consistency/3/9/merkle:sha-256"),
    ],
)  # fmt: skip
def test_answers_fit_the_contract(untouched: Caller, path: str, example: str) -> None:
    Draft202012Validator(schema_of(path)).validate(untouched.json(example))


def test_the_answer_to_an_append_fits_the_contract(registers: Caller) -> None:
    schema = schema_of("/registers/{register}/entries", "post", "201")
    Draft202012Validator(schema).validate(registers.append(vessel(1)).get_json())


def test_problems_fit_the_contract_and_are_explained(untouched: Caller) -> None:
    explained = yaml.safe_load(
        (ROOT / "services/portal/content/problems.yaml").read_text(encoding="utf-8")
    )
    schema = {**OPENAPI["components"]["schemas"]["Problem"], "components": OPENAPI["components"]}
    answers = [
        untouched.get("/registers/none/context"),
        untouched.get("/registers/atoll/context.csv"),
        untouched.get("/registers/atoll/records?limit=x"),
        untouched.get("/registers/atoll/proofs/entries/1/999"),
        untouched.append(vessel(1), key=None),
        untouched.append(vessel(1), headers={}),
        untouched.append(vessel(1), register="atoll"),
        untouched.append({"owner": "x"}),
        untouched.append({}, register="none"),
    ]
    for answer in answers:
        assert answer.status_code >= 400
        assert answer.headers["Content-Type"] == "application/problem+json"
        problem = answer.get_json()
        Draft202012Validator(schema).validate(problem)
        assert problem["type"].rpartition("/")[2] in explained
        assert problem["detail"].endswith(".")
