"""Every page answers in both languages, alone, empty, and when a component is down."""


import pytest

from tests.portal.conftest import Browser

PUBLIC = [
    "/",
    "/portal/live/picture",
    "/portal/registers",
    "/portal/registers/island",
    "/portal/registers/island/records/K-Thulusdhoo",
    "/portal/happened",
    "/portal/happened?trace=" + "a" * 32,
    "/portal/happened?all=1",
    "/portal/live/happened",
    "/portal/apis",
    "/portal/apis/registers",
    "/portal/apis/portal",
    "/portal/problems",
    "/portal/problems/not-found",
    "/portal/licence",
]
OWN = ["/portal/inbox", "/portal/inbox?channel=email", "/portal/my-data"]
SERVICES = ["identity", "registers", "notify", "gateway"]


def in_dhivehi(path: str) -> str:
    return path + ("&" if "?" in path else "?") + "lang=dv"


@pytest.mark.parametrize("path", PUBLIC)
@pytest.mark.parametrize("language", ["en", "dv"])
def test_public_page_answers(browser: Browser, path: str, language: str) -> None:
    text = browser.text(path if language == "en" else in_dhivehi(path))
    if "<html" in text:
        direction = "rtl" if language == "dv" else "ltr"
        assert f'<html lang="{language}" dir="{direction}">' in text
