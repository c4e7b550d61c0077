"""Every operation of the gateway's own contract at random, through the door: no call is a fault."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case

from tests.platform.layout import ROOT
from tests.support.in_process import platform
from tests.support.people import Callers

CONTRACT = yaml.safe_load(Path(ROOT / "gateway/openapi.yaml").read_text(encoding="utf-8"))
EXAMPLES = 60 if os.environ.get("ATOLL_SOAK") else 3


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    with platform(tmp_path_factory.mktemp("random")) as running:
        yield Callers(running)


@pytest.mark.filterwarnings("ignore")
@schemathesis.openapi.from_dict(CONTRACT).parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_call_of_the_contract_is_a_fault(callers: Callers, case: Case[Any]) -> None:
    path = case.path
    for name, value in dict(case.path_parameters or {}).items():
        path = path.replace(f"{{{name}}}", quote(_text(value), safe=""))
    token = None  # what an operator changes would change the platform under the other tests
    if case.method.upper() == "GET" and not path.endswith(("/stream", "/metrics")):
        token = callers.kept("operator", "gateway", "exchanges.overview")
    options: dict[str, Any] = {}
    if isinstance(case.body, dict):
        options["json"] = case.body
    answer = callers.ask(
        case.method.upper(),
        path,
        token,
        params={name: _text(value) for name, value in dict(case.query or {}).items()},
        headers={
            name: _text(value).encode("ascii", "replace").decode().replace("\n", " ").strip()
            for name, value in dict(case.headers or {}).items()
        },
        **options,
    )
    assert answer.status_code < 500, (case.method, path, answer.text[:300])
    if answer.status_code >= 400:
        assert answer.json()["detail"], (case.method, path)


def _text(value: Any) -> str:
    return str(value).encode("utf-8", "replace").decode()
