"""The journeys' buttons: an outside program, run once, with its credentials out of sight."""

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from services.portal.domain.journey import Outcome, read
from services.portal.program import ExampleProgram
from tests.portal.conftest import Browser
from tests.portal.platform import FakePlatform

TRACE = "ab" * 16
STEP = json.dumps({"step": 1, "says": "It proved who it is.", "ms": 3, "trace": TRACE})


def program(folder: Path, code: str) -> None:
    (folder / "vessel_licence.py").write_text(textwrap.dedent(code), encoding="utf-8")


@pytest.fixture
def press(
    make_app: Callable[..., Flask], platform: FakePlatform, examples: Path
) -> Callable[..., Any]:
    browser = Browser(make_app(examples=str(examples)), platform)

    def run(**form: str) -> Any:
        return browser.post(
            "/portal/licence",
            data={"form_token": browser.form_token(), "application": "A-1"} | form,
        )

    return run


def test_the_button_leads_to_what_happened(press: Callable[..., Any], examples: Path) -> None:
    program(examples, f"print('''{STEP}''')")
    answer = press()
    assert (answer.status_code, answer.location) == (303, f"/portal/happened?trace={TRACE}")


def test_step_by_step_runs_the_same_and_leads_to_the_first_step(
    press: Callable[..., Any], examples: Path
) -> None:
    program(examples, f"print('''{STEP}''')")
    assert press(steps="1").location == f"/portal/happened?trace={TRACE}&step=1"


def test_a_journey_stopped_at_the_door_is_shown_too(
    press: Callable[..., Any], examples: Path
) -> None:
    program(examples, f"import sys; print('''{STEP}'''); sys.exit(3)")
    assert press().location == f"/portal/happened?trace={TRACE}"


def test_a_journey_that_fails_says_how_far_it_came(
    press: Callable[..., Any], examples: Path
) -> None:
    program(examples, f"import sys; print('''{STEP}'''); sys.exit(1)")
    answer = press()
    assert answer.status_code == 503
    for words in ("The journey did not finish", "It proved who it is.", 'value="A-1"'):
        assert words in answer.text


def test_credentials_travel_on_standard_input_only(
    press: Callable[..., Any], examples: Path
) -> None:
    program(
        examples,
        f"""
        import json, os, sys
        given = json.load(sys.stdin)
        assert given["gateway"] == "http://localhost:8000" and given["clients"] == []
        assert os.environ["ATOLL_CREDENTIALS"] == "-"
        assert not [name for name in os.environ if "SECRET" in name or "PORTAL" in name]
        assert sys.argv[1:] == ["--json", "--application=A-1"], sys.argv
        print('''{STEP}''')
        """,
    )
    assert press().status_code == 303


@pytest.mark.parametrize("application", ["", "a b", "x" * 41, "../x", "é", "\x00"])
def test_an_odd_application_gets_a_new_number(
    press: Callable[..., Any], examples: Path, application: str
) -> None:
    program(
        examples,
        f"""
        import re, sys
        assert re.fullmatch(r"--application=[A-Za-z0-9_-]{{12}}", sys.argv[2]), sys.argv
        print('''{STEP}''')
        """,
    )
    assert press(application=application).status_code == 303


@pytest.mark.parametrize("application", ["-dash", "--help", "--json"])
def test_an_application_that_looks_like_an_option_is_none(
    press: Callable[..., Any], examples: Path, application: str
) -> None:
    """One random application in 64 begins with a dash."""
    code = f"""
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--json", action="store_true")
        parser.add_argument("--application")
        assert parser.parse_args().application == {application!r}
        print({STEP!r})
    """
    program(examples, code)
    assert press(application=application).status_code == 303


def test_the_same_form_is_the_same_application(browser: Browser) -> None:
    first, second = browser.text("/portal/licence"), browser.text("/portal/licence")
    name = 'name="application" value="'
    assert first.partition(name)[2][:12] != second.partition(name)[2][:12]


def test_a_journey_that_hangs_is_ended(examples: Path) -> None:
    program(examples, f"import time; print('''{STEP}''', flush=True); time.sleep(60)")
    run = ExampleProgram(
        examples / "vessel_licence.py", {}, gateway="http://x", issuer="http://x", limit_s=1.5
    )
    assert run.run("A-1") == Outcome("failed", ("It proved who it is.",), TRACE)


def test_without_a_demonstration_there_is_no_button(
    make_app: Callable[..., Flask], platform: FakePlatform
) -> None:
    browser = Browser(make_app(start_state=None), platform)
    for path in ("/", "/portal/licence"):
        assert 'action="/portal/licence"' not in browser.text(path)
    token = browser.form_token("/portal/licence")
    assert token == ""


def test_lines_that_are_no_steps_are_left_out() -> None:
    output = f"hello\n[1]\n{{}}\n{STEP}\nnull\n" + json.dumps({"says": 3, "trace": 4})
    assert read(0, output) == Outcome("done", ("It proved who it is.",), TRACE)
    assert read(None, "") == Outcome("failed", (), None)
    assert read(-9, "").state == "failed"


@pytest.mark.parametrize(
    ("journey", "file"), [("birth", "birth_registration.py"), ("ferry", "ferry_booking.py")]
)
def test_each_journey_runs_its_own_program_with_its_own_credentials(
    make_app: Callable[..., Flask],
    platform: FakePlatform,
    examples: Path,
    journey: str,
    file: str,
) -> None:
    code = f"import json, sys; assert json.load(sys.stdin)['clients'] == ['{journey}']"
    code += f"; print({STEP!r})"
    (examples / file).write_text(code, encoding="utf-8")
    given = {"island-council": {"clients": ["birth"]}, "ferry-operator": {"clients": ["ferry"]}}
    start_state = json.dumps({"demonstration": given})
    browser = Browser(make_app(examples=str(examples), start_state=start_state), platform)
    form = {"form_token": browser.form_token(f"/portal/{journey}"), "application": "A-1"}
    answer = browser.post(f"/portal/{journey}", data=form)
    assert (answer.status_code, answer.location) == (303, f"/portal/happened?trace={TRACE}")
    assert f'href="/portal/{journey}"' in browser.text("/")
    assert "runs without the demonstration" in browser.text("/portal/licence")
