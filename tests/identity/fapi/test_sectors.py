"""Pairwise subjects: one for each sector, stable, and no two sectors can compare theirs."""

from collections.abc import Callable

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.identity.domain.subjects import pairwise, sector_of
from tests.identity.callers import Browser
from tests.identity.fapi.conftest import Party


@pytest.mark.parametrize(
    ("addresses", "sector"),
    [
        (["https://health.example/callback"], "health.example"),
        (["https://Health.Example:8443/a", "https://health.example/b"], "health.example"),
        (["https://a.example/", "https://b.example/"], "client"),
        (["http://localhost:9000/cb"], "client"),
        (["http://127.0.0.1/cb"], "client"),
        (["http://[::1]:9/cb"], "client"),
        ([], "client"),
    ],
)
def test_a_client_that_names_no_sector_has_that_of_its_host(
    addresses: list[str], sector: str
) -> None:
    assert sector_of("client", addresses) == sector


@settings(deadline=None)
@given(st.binary(min_size=16), st.text(), st.text(), st.text())
def test_subjects_are_stable_and_differ_by_sector(key: bytes, a: str, b: str, sub: str) -> None:
    a, b = a.encode("utf-8", "replace").decode(), b.encode("utf-8", "replace").decode()
    sub = sub.encode("utf-8", "replace").decode()
    assert pairwise(key, a, sub) == pairwise(key, a, sub)
    if a != b and "\n" not in a + b + sub:
        assert pairwise(key, a, sub) != pairwise(key, b, sub)


def known_as(party: Party, browser: Browser) -> tuple[str, str, str]:
    """The subject in the ID token, at userinfo and in the access token."""
    tokens = party.redeem(party.code(browser), None).json
    shown = party.userinfo(tokens["access_token"], None, "Bearer").json["sub"]
    claims = [
        jwt.decode(tokens[name], options={"verify_signature": False})["sub"]
        for name in ("id_token", "access_token")
    ]
    return claims[0], shown, claims[1]


def test_clients_of_one_sector_know_a_person_by_one_subject(
    register: Callable[..., Party], browser: Browser
) -> None:
    same = [known_as(register(name), browser) for name in ("clinic", "hospital")]
    other = known_as(register("ferries", sector="ferries"), browser)
    assert same[0] == same[1]
    assert same[0][0] == same[0][1]  # ID token and userinfo agree
    assert other[0] != same[0][0]
    assert other[2] == same[0][2]  # access tokens carry the platform's own
    assert other[2] not in (other[0], same[0][0])
