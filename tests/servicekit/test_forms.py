"""Forms are taken from our own pages only."""

import pytest
from flask import Flask

from servicekit.pages import check_form, form_token
from servicekit.problems import Forbidden

KEY, SESSION, PUBLIC = "k" * 64, "session-1", "http://localhost:8000"


def send(token: str, **headers: str) -> None:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    with Flask("forms").test_request_context(
        method="POST", data={"form_token": token}, headers=given
    ):
        check_form(KEY, SESSION, PUBLIC)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": PUBLIC},
        {"Origin": PUBLIC, "Sec_Fetch_Site": "same-origin"},
        # what Chromium sends from a page with Referrer-Policy: no-referrer, which all of ours have
        {"Origin": "null", "Sec_Fetch_Site": "same-origin"},
    ],
)
def test_our_own_form_is_taken(headers: dict[str, str]) -> None:
    send(form_token(KEY, SESSION), **headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:8000.evil.example"},
        {"Origin": "null"},
        {"Origin": "null", "Sec_Fetch_Site": "cross-site"},
        {"Origin": PUBLIC, "Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_a_form_from_elsewhere_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Forbidden):
        send(form_token(KEY, SESSION), **headers)


@pytest.mark.parametrize("token", ["", "0" * 64, "ދިވެހި", form_token(KEY, "session-2")])
def test_a_form_without_this_sessions_token_is_refused(token: str) -> None:
    with pytest.raises(Forbidden):
        send(token, Origin=PUBLIC)
