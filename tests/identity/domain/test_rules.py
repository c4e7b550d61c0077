"""Scopes, redirect addresses, parameters, client ids, waits, thumbprints, agreements."""

import string
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.domain import agreements, parameters, redirects, scopes, sign_in
from services.identity.domain.digests import SUBJECT_LENGTH, random_id
from services.identity.domain.jwk import thumbprint
from services.identity.domain.subjects import is_client_id, pairwise

ADDRESS = "https://ship.example/callback"


def test_the_example_of_rfc_7638_holds() -> None:
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"
        "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbIS"
        "D08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    jwk = {"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@given(st.text(max_size=60))
def test_only_the_registered_address_itself_is_taken(text: str) -> None:
    assert redirects.is_registered(text, [ADDRESS]) == (text == ADDRESS)


@given(st.text(min_size=1, max_size=10))
def test_no_change_of_a_registered_address_is_taken(added: str) -> None:
    for changed in (ADDRESS + added, added + ADDRESS, ADDRESS.replace("/callback", added)):
        assert redirects.is_registered(changed, [ADDRESS]) == (changed == ADDRESS)


def test_parameters_are_added_behind_those_that_are_there() -> None:
    assert redirects.with_parameters(ADDRESS, [("a", "1&2")]) == ADDRESS + "?a=1%262"
    assert redirects.with_parameters(ADDRESS + "?x=y", [("a", "1")]) == ADDRESS + "?x=y&a=1"
    assert redirects.with_parameters(ADDRESS, []) == ADDRESS


@given(st.text(max_size=30))
def test_no_client_can_bear_a_persons_subject(text: str) -> None:
    assert len(random_id()) == SUBJECT_LENGTH
    assert not is_client_id(random_id())
    assert not (is_client_id(text) and len(text) == SUBJECT_LENGTH)
    assert not is_client_id("a" * SUBJECT_LENGTH)
    assert is_client_id("portal")


def test_no_two_clients_know_a_person_by_the_same_name() -> None:
    subject = random_id()
    known = {pairwise(b"k" * 32, client, subject) for client in ("portal", "fisheries", "a", "b")}
    assert len(known) == 4
    assert subject not in known
    assert pairwise(b"k" * 32, "portal", subject) != pairwise(b"x" * 32, "portal", subject)


def test_scopes_are_never_dropped_silently() -> None:
    registered = ["openid", "notify.inbox"]
    assert scopes.allowed("notify.inbox openid openid", registered) == "notify.inbox openid"
    for refused in (None, "", "  ", "registers.read", "openid registers.read"):
        assert scopes.allowed(refused, registered) is None


@given(st.lists(st.sampled_from(sorted(set(scopes.SCOPES) - scopes.EVERYWHERE)), unique=True))
def test_every_scope_but_the_operators_is_for_exactly_one_service(asked: list[str]) -> None:
    split = [scopes.for_audience(asked, audience) for audience in scopes.AUDIENCES]
    assert sorted(scope for part in split for scope in part) == sorted(asked)


@given(st.dictionaries(st.text(max_size=8), st.lists(st.text(max_size=8), max_size=3)))
def test_whatever_passes_can_be_stored_and_echoed(values: dict[str, list[str]]) -> None:
    fault = parameters.fault(values)
    printable = set(string.printable) - set("\t\n\r\x0b\x0c")
    if fault is None:
        for name, given_values in values.items():
            assert set(name) <= printable
            assert name in ("login_hint", "ui_locales") or set("".join(given_values)) <= printable
            assert len(given_values) <= 1 or name == "resource"
    else:
        assert set(fault) <= printable - set('"\\')  # Authlib refuses these in a description


def test_waits_grow_and_end_at_half_a_minute() -> None:
    waits = [sign_in.wait_after(failures).total_seconds() for failures in range(12)]
    assert waits == [0, 0, 0, 2, 4, 8, 16, 30, 30, 30, 30, 30]
    assert sign_in.wait_after(10**9) == timedelta(seconds=30)


@pytest.mark.parametrize(
    ("days", "withdrawn", "expected"),
    [
        (1, False, "in-force"),
        (0, False, "expired"),
        (1, True, "withdrawn"),
        (-1, True, "withdrawn"),
    ],
)
def test_an_agreement_ends_by_time_or_by_word(days: int, withdrawn: bool, expected: str) -> None:
    now = datetime(2026, 3, 3, tzinfo=UTC)
    agreement = SimpleNamespace(
        until=now + timedelta(days=days), withdrawn_at=now if withdrawn else None
    )
    assert agreements.state(agreement, now) == expected
