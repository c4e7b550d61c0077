"""Texts in both languages, and a stylesheet that keeps its promises."""

import re
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
import yaml

from servicekit import pages
from servicekit.settings import SettingsError
from tests.portal.conftest import make_settings

ROOT = Path(__file__).parents[2]
PORTAL = ROOT / "services" / "portal"
SHARED = Path(pages.__file__).parent
STYLES = [SHARED / "static" / "atoll.css", *sorted((PORTAL / "static").glob("*.css"))]


def texts(path: Path) -> dict[str, Any]:
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


FOLDER = PORTAL / "templates"
OWN = {
    key: words
    for path in [FOLDER / "texts.yaml", *sorted((FOLDER / "texts").glob("*.yaml"))]
    for key, words in texts(path).items()
}
ALL = OWN | texts(SHARED / "templates" / "texts.yaml")


@pytest.mark.parametrize("key", sorted(ALL))
def test_every_text_is_there_in_both_languages_with_the_same_values(key: str) -> None:
    assert set(ALL[key]) == {"en", "dv"}
    places = [{place for _, place, *_ in Formatter().parse(t) if place} for t in ALL[key].values()]
    assert places[0] == places[1]
    assert re.search(r"[\u0780-\u07bf]", ALL[key]["dv"]), "it is not Dhivehi"
    assert not re.search(r"[\u0780-\u07bf]", ALL[key]["en"])


def sources() -> str:
    files = [*PORTAL.rglob("*.py"), *PORTAL.rglob("*.html")]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def test_every_text_that_a_page_asks_for_exists_and_every_text_is_used() -> None:
    code = sources()
    asked = set(re.findall(r"""\b(?:t|text)\(["']([a-z_]+)["'][,)]""", code))
    assert asked <= set(ALL), asked - set(ALL)
    prefixes = (
        "component_",
        "state_",
        "outcome_",
        "channel_",
        "empty_",
        "door_",
        "step_",
        "check_",
        "reuse_days_",
        "try_token_",
        "call_",
        "my_account_",
        "journey_run_",
        "licence_",
        "birth_",
        "ferry_",
        "try_where_",
        "app_status_",
        "app_fault_",
        "app_done_",
        "token_",
        "hook_verdict_",
        "correction_",
        "own_done_",
        "kind_",
        "governance_",
        "quality_",
        "download_",
        "directory_state_",
        "teach_",
    )
    unused = {
        key
        for key in OWN
        if not re.search(rf"""["']{key}["']""", code) and not key.startswith((*prefixes, "basis_"))
    }
    assert not unused


def test_explanations_and_apis_are_in_both_languages() -> None:
    for explained in texts(PORTAL / "content" / "problems.yaml").values():
        assert set(explained) == {"title", "means", "do"}
        assert all(set(part) == {"en", "dv"} for part in explained.values())
    for name in ("conventions", "libraries"):
        for part in texts(PORTAL / "content" / f"{name}.yaml").values():
            assert all(set(part[key]) == {"en", "dv"} for key in ("title", "says"))
    for api in texts(PORTAL / "content" / "apis.yaml").values():
        assert set(api["about"]) == set(api["owner"]) == {"en", "dv"}
        assert "{public}" in api["curl"]


def test_the_changelog_knows_every_api_and_its_version() -> None:
    changes = texts(PORTAL / "content" / "changelog.yaml")
    assert list(changes) == list(texts(PORTAL / "content" / "apis.yaml"))
    for service, lines in changes.items():
        folder = ROOT / ("gateway" if service == "gateway" else f"services/{service}")
        assert lines[0]["version"] == texts(folder / "openapi.yaml")["info"]["version"]
        assert [one["day"] for one in lines] == sorted((one["day"] for one in lines), reverse=True)
        assert all(one["en"] and one["dv"] for one in lines)


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_a_stylesheet_is_small_and_knows_no_left_or_right(path: Path) -> None:
    css = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
    assert path.stat().st_size <= 12 * 1024
    sides = r"(?:(?:margin|padding|border)-)?(?:left|right)|float|text-align: (?:left|right)"
    physical = rf"(?<![-\w])(?:{sides})\b"
    assert not re.findall(physical, css)
    assert "http" not in css, "everything comes from this platform"
    assert css.count("{") == css.count("}")


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def tokens() -> list[dict[str, str]]:
    css = STYLES[0].read_text(encoding="utf-8")
    return [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", block))
        for block in re.findall(r":root \{(.*?)\}", css, flags=re.S)[:2]
    ]


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_text_stands_out_seven_to_one(mode: int) -> None:
    colours = tokens()[mode]
    for text in ("ink", "quiet", "teal", "deep", "error"):
        for ground in ("paper", "soft"):
            assert contrast(colours[text], colours[ground]) >= 7, (text, ground)
    assert contrast(colours["on-teal"], colours["teal"]) >= 7
    assert contrast(colours["coral"], colours["paper"]) >= 3
    assert contrast(colours["edge"], colours["paper"]) >= 3


def test_the_header_stands_out_seven_to_one() -> None:
    assert contrast("#fff", "#0b5563") >= 7


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"form_key": "short"}, "PORTAL_FORM_KEY"),
        ({"data_key": "short"}, "PORTAL_DATA_KEY"),
        ({"data_key": "é"}, "PORTAL_DATA_KEY"),
        ({"start_state": "{"}, "PORTAL_START_STATE"),
        ({"start_state": "[]"}, "PORTAL_START_STATE"),
        ({"public_url": "https://atoll.example"}, "only when ATOLL_PUBLIC_URL is on loopback"),
    ],
)
def test_a_faulty_setting_stops_the_start(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        make_settings(**changes)


def test_secrets_are_not_shown() -> None:
    shown = repr(make_settings())
    for secret in ("portal-secret", "f" * 64, "demonstration"):
        assert secret not in shown
