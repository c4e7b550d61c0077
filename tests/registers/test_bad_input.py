"""Whatever is sent, the answer is a clear refusal and never a fault of the service."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.registers.conftest import Caller, vessel

GATEWAY = {"Atoll-Gateway-Key": "k" * 64}
NASTY = [
    "%00",
    "a%00b",
    "%FF%FE",
    "%ED%A0%80",
    "%0A",
    "..%2F..%2Fetc%2Fpasswd",
    "%2F",
    "a%2F%2Fb",
    "%25%32%46",
    "ތުލުސްދޫ",
    "🇲🇻",
    "-1",
    "0",
    "1.5",
    "1e9",
    "0x10",
    "٣",
    "9" * 30,
    "9" * 5000,
    "a" * 5000,
    "' OR 1=1 --",
    "<script>",
    ".json",
    ".csv",
    "1220" + "z" * 64,
    "1220" + "a" * 64,
    "+",
    "%20",
    "__proto__",
]
PLACES = [
    "/registers/{}",
    "/registers/{}/context",
    "/registers/{}/records",
    "/registers/{}/records/K",
    "/registers/{}/entries/1",
    "/registers/{}/blobs/1220",
    "/registers/island/{}",
    "/registers/island/records/{}",
    "/registers/island/records/{}/entries",
    "/registers/island/entries/{}",
    "/registers/island/blobs/{}",
    "/registers/island/proofs/{}",
    "/registers/island/proofs/entries/{}/9",
    "/registers/island/proofs/entries/1/{}",
    "/registers/island/proofs/consistency/{}/9",
    "/registers/island/proofs/consistency/1/{}",
]


def refused(response: Any) -> None:
    assert 400 <= response.status_code < 500, (response.request.path, response.status_code)
    if response.headers["Content-Type"] == "text/csv;charset=UTF-8":
        assert response.request.path.endswith(".csv")
        assert response.text.startswith("type,title,status,detail\r\n")
        return
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.get_json()
    assert problem["status"] == response.status_code
    assert problem["detail"].endswith(".")


@pytest.mark.parametrize("place", PLACES)
def test_no_path_breaks_the_service(untouched: Caller, place: str) -> None:
    for nasty in NASTY:
        response = untouched.get(place.format(nasty))
        if response.status_code not in (200, 301):
            refused(response)


@pytest.mark.parametrize("name", ["start", "limit"])
@pytest.mark.parametrize("place", ["island/records", "island/entries", "island/blobs",
                                   "island/records/K-Thulusdhoo/entries"])  # fmt: skip
def test_no_cursor_breaks_the_service(untouched: Caller, place: str, name: str) -> None:
    for nasty in [*NASTY, "", "1;2", "1 2", "%D9%A3"]:
        response = untouched.get(f"/registers/{place}?{name}={nasty}")
        if response.status_code != 200:
            refused(response)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=5001", "limit=-1", "limit=ten", "limit=", "limit=1.0", "start=", "start=a",
     "start=0", "start=-1", "page-index=2", "name=atoll&value=K"],
)  # fmt: skip
def test_a_query_that_would_be_misread_is_refused(untouched: Caller, query: str) -> None:
    response = untouched.get(f"/registers/island/entries?{query}")
    assert response.status_code == 400
    refused(response)


def test_single_things_take_no_query(untouched: Caller) -> None:
    for path in ("", "/atoll/context", "/atoll/records/K", "/atoll/entries/1",
                 "/atoll/proofs/register", "/atoll/proofs/entries/1/1"):  # fmt: skip
        assert untouched.get(f"/registers{path}?at=2020").status_code == 400


@pytest.mark.parametrize("accept", ["", ";;;", "application/", "\x7f", "a" * 9000, "*/*;q=nan"])
def test_no_accept_header_breaks_the_service(untouched: Caller, accept: str) -> None:
    response = untouched.get("/registers/atoll/records/K", {"Accept": accept})
    assert response.status_code in (200, 406)


@pytest.mark.parametrize("known", ['"', "W/", "*", "a" * 9000, '"x", "y", W/"z"'])
def test_no_known_etag_breaks_the_service(untouched: Caller, known: str) -> None:
    response = untouched.get("/registers/atoll/records/K", {"If-None-Match": known})
    assert response.status_code in (200, 304)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"item": NaN}', 400),
        (b'{"item": {"fishing-vessel": "\\ud800"}}', 400),
        (b'{"item": {"\\udfff": "x"}}', 400),
        (b'{"item": {}, "item": {}}', 400),
        (b'{"item": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", 400),
        (b'{"item": ' + b"9" * 6_000 + b"}", 400),
        (b"null", 422),
        (b"[]", 422),
        (b'"item"', 422),
        (b"{}", 422),
        (b'{"item": null}', 422),
        (b'{"item": []}', 422),
        (b'{"item": {}}', 422),
        (b'{"item": {"fishing-vessel": "T-1"}, "more": 1}', 422),
        (b'{"item": {"fishing-vessel": "T-1", "name": 1e400}}', 422),
        (b'{"item": {"fishing-vessel": "T-1", "name": {"a": [1]}}}', 422),
        (b'{"item": {"fishing-vessel": "T-1", "name": "nul \\u0000"}}', 422),
        (b'{"item": {"fishing-vessel": "T-1", "name": "   "}}', 422),
        (b'{"item": {"fishing-vessel": "T-1", "\\u0000": "x"}}', 422),
        (b'{"item": {"fishing-vessel": "T-1\\u0000"}}', 422),
        (b'{"item": {"fishing-vessel": "' + b"T" * 201 + b'"}}', 422),
        (b'{"item": {"fishing-vessel": "T-1", "home-island": "island:%00"}}', 422),
        (b'{"item": {"fishing-vessel": "T-1", "home-island": "island:%ED%A0%80"}}', 422),
        (b'{"item": {"fishing-vessel": "' + b"T" * 70_000 + b'"}}', 413),
    ],
)
def test_a_body_that_is_no_item_is_refused(untouched: Caller, body: bytes, status: int) -> None:
    response = untouched.send(body)
    assert response.status_code == status, response.text
    refused(response)
    assert untouched.json("/registers/fishing-vessel/proofs/register")["total-entries"] == 12


def test_another_content_type_is_refused(untouched: Caller) -> None:
    body = json.dumps({"item": vessel(1)})
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        response = untouched.send(body, headers={**untouched.custodian, "Content-Type": kind})
        assert response.status_code == 415
        refused(response)


@pytest.mark.parametrize("key", [None, "", " ", "two words", "a" * 256, "ތ", "tab\there"])
def test_an_append_without_a_usable_key_is_refused(registers: Caller, key: str | None) -> None:
    response = registers.append(vessel(1), key)
    assert response.status_code == 400
    refused(response)


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
@pytest.mark.parametrize("path", ["", "/atoll/records/K", "/atoll/entries", "/atoll/entries/1"])
def test_nothing_is_changed_in_place(untouched: Caller, method: str, path: str) -> None:
    response = untouched.client.open(
        f"/registers{path}", method=method.upper(), headers={**GATEWAY, **untouched.custodian}
    )
    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]
    refused(response)


def test_an_unknown_register_cannot_be_appended_to(untouched: Caller) -> None:
    role = untouched.token(role="registers:custodian:none")
    for name in ("none", "NONE", "%00", "a" * 300):
        response = untouched.append(vessel(1), register=name, headers=role)
        assert response.status_code == 404


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    place=st.sampled_from(PLACES),
    text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
)
def test_no_text_in_a_path_breaks_the_service(untouched: Caller, place: str, text: str) -> None:
    response = untouched.get(place.format(quote(text, safe="")))
    if response.status_code not in (200, 301):
        refused(response)


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    item=st.dictionaries(
        st.sampled_from(["fishing-vessel", "name", "length-m", "home-island"]) | st.text(),
        st.none() | st.integers() | st.text() | st.lists(st.text(), max_size=3),
        max_size=5,
    )
)
def test_no_item_breaks_the_service(registers: Caller, item: dict[str, Any]) -> None:
    response = registers.append(item, key=f"k{hash(json.dumps(item))}")
    if response.status_code != 201:
        refused(response)


def test_every_nasty_path_is_refused_on_every_engine(stored: Caller) -> None:
    for place in PLACES:
        for nasty in ("%00", "a%00b", "%ED%A0%80", "9" * 30, "ތ"):
            refused(stored.get(place.format(nasty)))
