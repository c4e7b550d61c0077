"""Every operation of the portal's contract at random: no call is a fault of ours."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import schemathesis
import yaml
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case

from tests.portal.conftest import Browser
from tests.portal.platform import FakePlatform
from tests.portal.test_apps import Identity

ROOT = Path(__file__).parents[2]
CONTRACT = yaml.safe_load((ROOT / "services/portal/openapi.yaml").read_text(encoding="utf-8"))
EXAMPLES = 40 if os.environ.get("ATOLL_SOAK") else 2
KNOWN = {"register": "island", "key": "K-Thulusdhoo", "service": "registers", "number": 1}


@pytest.fixture
def her(make_app: Callable[..., Flask], platform: FakePlatform, examples: Path) -> Browser:
    """A browser in which Aishath is signed in, at a portal without programs to start."""
    Identity(platform)
    browser = Browser(make_app(examples=str(examples)), platform)
    browser.sign_in()
    return browser


@pytest.mark.filterwarnings("ignore")
@schemathesis.openapi.from_dict(CONTRACT).parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_no_page_of_the_contract_is_a_fault(her: Browser, case: Case[Any]) -> None:
    places = dict(case.path_parameters or {})
    ask(her, case, places)
    if places:
        ask(her, case, {name: KNOWN.get(name, value) for name, value in places.items()})


def ask(browser: Browser, case: Case[Any], places: dict[str, Any]) -> None:
    path = case.path
    for name, value in places.items():
        path = path.replace(f"{{{name}}}", quote(str(value).encode("utf-8", "replace"), safe=""))
    query = urlencode({k: _text(v) for k, v in dict(case.query or {}).items()})
    options: dict[str, Any] = {}
    if case.method.upper() != "GET" and isinstance(case.body, dict):
        options["data"] = {k: _text(v) for k, v in case.body.items()}
        options["data"]["form_token"] = browser.form_token()
    answer = browser.client.open(f"{path}?{query}", method=case.method.upper(), **options)
    # 503: what belongs to the page could not be had, and the page says so
    assert answer.status_code < 500 or answer.status_code == 503, (case.method, path, answer.text)


def _text(value: Any) -> str:
    return str(value).encode("utf-8", "replace").decode()
