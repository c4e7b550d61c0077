"""Programs on the developer pages: made in a minute, managed, approved; the secret shown once."""

import json
import re
from typing import Any

import pytest

from tests.portal.conftest import Browser
from tests.portal.platform import FakePlatform

SECRET = "s3cret-of-the-program"
APP: dict[str, Any] = {
    "client_id": "app-ferrytimes",
    "client_name": "Ferry <times>",
    "client_name#dv": "ފެރީގެ ވަގުތުތައް",
    "status": "sandbox",
    "environment": "sandbox",
    "owner": "zeena",
    "profile": "standard",
    "scope": "openid profile registers.read",
    "redirect_uris": ["https://ferry.example/back"],
    "grant_types": ["authorization_code", "client_credentials"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "client_secret_basic",
    "faults": {},
    "former_secret_until": None,
    "waiting": None,
    "decision": None,
}
WAITING = {
    "why": "For licences",
    "asked_at": "2026-03-03T05:00:00Z",
    "environment": "live",
    "scope": "registers.read registers.append",
    "redirect_uris": [],
    "grant_types": ["client_credentials"],
}
SCOPES = [
    {
        "scope": name,
        "service": "registers",
        "given": given,
        "for_itself": True,
        "for_people": False,
        "description": {"en": f"Words about {name}", "dv": "ބަސް"},
    }
    for name, given in (("registers.read", "at once"), ("registers.append", "approved"))
]


class Identity:
    """What identity answers about programs; remembers what it was sent."""

    def __init__(self, platform: FakePlatform) -> None:
        self.sent: list[tuple[str, str, Any]] = []
        self.app, self.refusal, self.administrator = dict(APP), None, False
        self.waiting: list[dict[str, Any]] = []
        self._other = platform._route
        platform._route = self.route  # type: ignore[method-assign]

    refusal: tuple[int, dict[str, Any]] | None

    def route(self, request: Any, path: str, query: dict[str, str]) -> Any:
        if path == "/identity/scopes":
            return 200, {"scopes": SCOPES}
        if not path.startswith(("/identity/clients", "/identity/audit")):
            return self._other(request, path, query)
        assert request.headers["Authorization"].startswith("Bearer ")
        body = json.loads(request.body) if request.body else None
        self.sent.append((request.method, path, body))
        if request.method != "GET" and self.refusal:
            return self.refusal
        match request.method, path.split("/")[3:]:
            case "GET", []:
                found = self.waiting if query.get("waiting") else [self.app]
                return 200, {"clients": found, "administrator": self.administrator, "next": None}
            case "POST", []:
                return 201, self.app | {"client_secret": SECRET}
            case "POST", [_, "secret"]:
                return 200, self.app | {"client_secret": "the-new-one"}
            case "DELETE", _:
                return 200, {}
            case _, [app_id, *_] if app_id != APP["client_id"]:
                return 404, {"detail": "There is no such program, or it is not yours."}
            case _:
                return 200, self.app


@pytest.fixture
def identity(platform: FakePlatform) -> Identity:
    return Identity(platform)


@pytest.fixture
def developer(browser: Browser, identity: Identity) -> Browser:
    browser.sign_in()
    return browser


def send(browser: Browser, path: str, **form: Any) -> Any:
    token = browser.form_token("/portal/developers/apps/new")
    return browser.post(path, data={"form_token": token, **form})


def test_the_pages_of_programs_need_a_person(browser: Browser) -> None:
    for path in ("apps", "apps/new", "apps/app-ferrytimes", "approvals", "audit"):
        answer = browser.get(f"/portal/developers/{path}")
        assert answer.status_code == 403, path
        assert "/portal/sign-in" in answer.text
    assert browser.get("/portal/developers").status_code == 200


def test_a_name_and_two_ticks_make_a_program_whose_secret_is_shown_once(
    developer: Browser, identity: Identity
) -> None:
    made = send(
        developer,
        "/portal/developers/apps/new",
        name="Ferry times",
        kind=["alone", "people"],
        addresses="https://ferry.example/back",
    )
    assert made.status_code == 200, made.text
    assert made.headers["Cache-Control"] == "no-store"
    method, path, body = identity.sent[-1]
    assert (method, path) == ("POST", "/identity/clients")
    assert body["redirect_uris"] == ["https://ferry.example/back"]
    assert body["scope"] == "openid profile registers.read"
    assert SECRET in made.text
    assert "data-copy" in made.text
    assert f"-u &#39;{APP['client_id']}:{SECRET}&#39;" in made.text or (
        f"-u '{APP['client_id']}:{SECRET}'" in made.text
    )
    assert SECRET not in developer.text(f"/portal/developers/apps/{APP['client_id']}")
    assert SECRET not in developer.text("/portal/developers/apps")


def test_a_refusal_keeps_what_was_typed_and_says_why(
    developer: Browser, identity: Identity
) -> None:
    identity.refusal = (
        400,
        {"error": "invalid_redirect_uri", "error_description": "Plain http is for this machine."},
    )
    answer = send(
        developer,
        "/portal/developers/apps/new",
        name="<b>Ferry</b>",
        kind=["people"],
        addresses="http://ferry.example",
    )
    assert answer.status_code == 422
    assert "Plain http is for this machine." in answer.text
    assert "&lt;b&gt;Ferry" in answer.text
    assert "http://ferry.example" in answer.text


def test_names_are_shown_as_text_and_in_the_pages_language(developer: Browser) -> None:
    page = developer.text("/portal/developers/apps")
    assert "Ferry &lt;times&gt;" in page
    dhivehi = developer.text("/portal/developers/apps?lang=dv")
    assert 'dir="rtl"' in dhivehi
    assert "ފެރީގެ ވަގުތުތައް" in dhivehi


def test_changing_addresses_keeps_everything_else_and_what_waits(
    developer: Browser, identity: Identity
) -> None:
    identity.app["waiting"] = WAITING
    answer = send(
        developer,
        f"/portal/developers/apps/{APP['client_id']}/addresses",
        addresses="https://a.example/one\r\nhttps://a.example/two\r\n",
    )
    assert answer.status_code == 303, answer.text
    method, _, body = identity.sent[-1]
    assert method == "PUT"
    assert body["redirect_uris"] == ["https://a.example/one", "https://a.example/two"]
    assert body["client_name"] == APP["client_name"]
    assert body["scope"] == WAITING["scope"]
    assert body["environment"] == "live"


def test_scopes_that_need_approval_are_asked_for_with_a_reason(
    developer: Browser, identity: Identity
) -> None:
    page = developer.text(f"/portal/developers/apps/{APP['client_id']}")
    assert "Words about registers.append" in page
    answer = send(
        developer,
        f"/portal/developers/apps/{APP['client_id']}/scopes",
        scope=["registers.append"],
        why="We keep the register",
    )
    assert answer.status_code == 303
    body = identity.sent[-1][2]
    assert body["scope"].split() == [*APP["scope"].split(), "registers.append"]
    assert body["why"] == "We keep the register"


@pytest.mark.parametrize(
    ("action", "form", "call"),
    [
        ("live", {"why": "We are ready"}, ("POST", "/live", {"why": "We are ready"})),
        (
            "faults",
            {"fault": ["expired_token", "slow_token", "anything"]},
            ("PUT", "/faults", {"expired_token": True, "slow_token_ms": 3000}),
        ),
        ("faults", {}, ("PUT", "/faults", {})),
        ("remove", {}, ("DELETE", "", None)),
    ],
)
def test_each_form_sends_one_call(
    developer: Browser,
    identity: Identity,
    action: str,
    form: dict[str, Any],
    call: tuple[str, str, Any],
) -> None:
    answer = send(developer, f"/portal/developers/apps/{APP['client_id']}/{action}", **form)
    assert answer.status_code == 303, answer.text
    method, path, body = identity.sent[-1]
    assert (method, path.removeprefix(f"/identity/clients/{APP['client_id']}"), body) == call


def test_a_new_secret_overlaps_unless_the_former_is_known_to_others(
    developer: Browser, identity: Identity
) -> None:
    path = f"/portal/developers/apps/{APP['client_id']}/secret"
    assert "the-new-one" in send(developer, path).text
    assert identity.sent[-1][2] == {"overlap_s": 86400}
    send(developer, path, at_once="yes")
    assert identity.sent[-1][2] == {"overlap_s": 0}


def test_a_live_program_has_no_faults_to_choose(developer: Browser, identity: Identity) -> None:
    assert "expired_token" in developer.text(f"/portal/developers/apps/{APP['client_id']}")
    identity.app |= {"status": "live", "environment": "live"}
    assert "expired_token" not in developer.text(f"/portal/developers/apps/{APP['client_id']}")


def test_somebody_elses_program_is_not_there(developer: Browser) -> None:
    assert developer.get("/portal/developers/apps/app-of-others").status_code == 404
    assert developer.get("/portal/developers/apps/..%2f..%2fkeys").status_code == 404


def test_approvals_show_what_is_asked_and_carry_the_reason(
    developer: Browser, identity: Identity
) -> None:
    identity.administrator = True
    identity.waiting = [APP | {"waiting": WAITING}]
    assert "/portal/developers/approvals" in developer.text("/portal/developers/apps")
    page = developer.text("/portal/developers/approvals")
    assert "For licences" in page
    assert "registers.append" in page
    answer = send(
        developer,
        f"/portal/developers/approvals/{APP['client_id']}",
        decision="approve",
        reason="I know them",
    )
    assert answer.status_code == 303
    assert identity.sent[-1][2] == {"decision": "approve", "reason": "I know them"}
    identity.refusal = (403, {"detail": "Somebody else must decide."})
    refused = send(developer, f"/portal/developers/approvals/{APP['client_id']}", reason="no")
    assert refused.status_code == 422
    assert "Somebody else must decide." in refused.text


def test_forms_without_our_token_change_nothing(developer: Browser, identity: Identity) -> None:
    before = len(identity.sent)
    for action in ("addresses", "scopes", "live", "secret", "faults", "remove"):
        path = f"/portal/developers/apps/{APP['client_id']}/{action}"
        assert developer.post(path, data={"form_token": "0" * 64}).status_code == 403
    assert developer.post("/portal/developers/apps/new").status_code == 403
    assert len(identity.sent) == before


def test_pages_stand_while_identity_is_away(developer: Browser, platform: FakePlatform) -> None:
    developer.text("/portal/developers/apps")
    platform.down.add("identity")
    for path in ("scopes", "apps"):
        assert "Identity is not answering" in developer.text(f"/portal/developers/{path}")
    answer = send(developer, f"/portal/developers/apps/{APP['client_id']}/faults")
    assert answer.status_code == 422
    assert "Identity is not answering" in answer.text


def test_every_scope_is_explained_to_everybody(browser: Browser, identity: Identity) -> None:
    page = browser.text("/portal/developers/scopes")
    for one in SCOPES:
        assert one["scope"] in page
        assert f"Words about {one['scope']}" in page
    assert not re.search(r"\{[a-z_]+\}", page)
