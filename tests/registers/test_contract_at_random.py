"""Calls made up from the contract: none is answered with a fault, each fits what is declared."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case

from servicekit.database import Database
from tests.registers.conftest import Caller, as_forwarded
from tests.registers.test_contract import OPENAPI
from tests.support.clock import FakeClock
from tests.support.issuer import FakeIssuer

EXAMPLES = 60 if os.environ.get("ATOLL_SOAK") else 2
SCHEMA = schemathesis.openapi.from_dict(OPENAPI)


@pytest.fixture(scope="module")
def any_caller(seeded_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """The service on a start state of its own: these calls append, too."""
    path = shutil.copy(seeded_file, tmp_path_factory.mktemp("random") / "registers.db")
    database = Database(f"sqlite:///{path}")
    yield Caller(database, FakeIssuer(), FakeClock())
    database.dispose()


@pytest.mark.filterwarnings("ignore")
@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_call_of_the_contract_is_a_fault(any_caller: Caller, case: Case[Any]) -> None:
    ask(any_caller, case, dict(case.path_parameters or {}))
    if case.path_parameters:
        known = {"register": "island", "key": "K-Thulusdhoo", "number": 1, "size": 9, "old": 3,
                 "new": 9, "first": 1, "last": 2}  # fmt: skip
        ask(any_caller, case, {n: known.get(n, v) for n, v in case.path_parameters.items()})


def ask(caller: Caller, case: Case[Any], places: dict[str, Any]) -> None:
    path = case.path
    for name, value in places.items():
        path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
    headers = as_forwarded(path) | {
        name: str(value).encode("latin-1", "replace").decode("latin-1").replace("\n", " ")
        for name, value in dict(case.headers or {}).items()
    }
    if case.method.upper() != "GET":
        headers |= caller.token(role="registers:custodian:island")
    body = {} if isinstance(case.body, type(schemathesis.core.NOT_SET)) else sent(case)
    response = caller.client.open(
        path, method=case.method.upper(), query_string=flat(case.query), headers=headers, **body
    )
    assert response.status_code < 500, (case.method, path, response.text[:300])
    declared = OPENAPI["paths"][case.path][case.method.lower()]["responses"]
    known = {*declared, "304", "401", "404", "405", "406", "413"}
    assert str(response.status_code) in known, (case.method, path, response.status_code)


def sent(case: Case[Any]) -> dict[str, Any]:
    if case.media_type == "application/json":
        return {
            "data": json.dumps(case.body, default=repr).encode(),
            "content_type": "application/json",
        }
    body = case.body if isinstance(case.body, bytes) else str(case.body).encode("utf-8", "replace")
    return {"data": body, "content_type": case.media_type}


def flat(query: Any) -> list[tuple[str, str]]:
    pairs = []
    for name, value in dict(query or {}).items():
        for each in value if isinstance(value, list) else [value]:
            text = str(each).lower() if isinstance(each, bool) else str(each)
            pairs.append((name, text.encode("utf-8", "replace").decode()))
    return pairs
