"""What the tests of the account pages share: filling in forms, reading messages."""

import html
import json
import re
from typing import Any

from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from services.identity.citizens import Citizens
from services.identity.parts import Parts
from services.identity.storage.citizen_tables import Announcement, AuditEvent
from services.identity.storage.tables import Person
from tests.identity.callers import Browser
from tests.support.passkey import SoftPasskey

NEW_PASSWORD = "three wet coconuts"


def parts_of(app: Flask) -> Parts:
    found = app.extensions["identity"]
    assert isinstance(found, Parts)
    return found


def tools_of(app: Flask) -> Citizens:
    found = app.extensions["identity_citizens"]
    assert isinstance(found, Citizens)
    return found


def send(browser: Browser, path: str, at: str | None = None, **form: str) -> TestResponse:
    """Open the page ``at`` and send one of its forms to ``path``."""
    page = browser.get(at or path)
    assert page.status_code == 200, f"{at or path}: {page.status_code} {page.headers}"
    return browser.post(path, {"form_token": browser.form_token(page), **form})


def options_on(page: TestResponse) -> dict[str, Any]:
    """The options that a page gives to the browser's passkey dialogue."""
    found = re.search(r'data-options="([^"]*)"', page.text)
    assert found, page.text
    options: dict[str, Any] = json.loads(html.unescape(found[1]))
    return options


def add_passkey(browser: Browser, device: SoftPasskey | None = None) -> SoftPasskey:
    """Add a passkey to the signed-in person's account."""
    device = device or SoftPasskey()
    page = browser.get("/identity/factors/passkeys")
    form = {
        "form_token": browser.form_token(page),
        "credential": device.create(options_on(page)),
        "label": "test key",
    }
    answer = browser.post("/identity/factors/passkeys", form)
    assert answer.status_code == 303, answer.text
    return device


def sign_in_with(
    browser: Browser, device: SoftPasskey, at: str = "/identity/sign-in", **changes: Any
) -> TestResponse:
    """Sign in with a passkey from the sign-in page at an address."""
    page = browser.get(at)
    form = {
        "form_token": browser.form_token(page),
        "credential": device.get(options_on(page), **changes),
    }
    return browser.post(at.replace("/sign-in", "/sign-in/passkey"), form)


def hidden(page: TestResponse, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    assert found, page.text
    return found[1]


def secret_on(page: TestResponse) -> str:
    """The secret of an authenticator app that a page shows in letters."""
    found = re.search(r'<code class="secret"[^>]*>([A-Z2-7 ]+)</code>', page.text)
    assert found, page.text
    return found[1].replace(" ", "")


def key_on(page: TestResponse) -> str:
    """The id of the first passkey that the page of factors shows."""
    found = re.search(r"/identity/factors/passkeys/([\w-]{22})/rename", page.text)
    assert found, page.text
    return found[1]


def codes_on(page: TestResponse) -> list[str]:
    return re.findall(r"<li><code>([\d-]+)</code>", page.text)


def new_codes(browser: Browser) -> list[str]:
    """Give the signed-in person new recovery codes and keep them."""
    answer = send(browser, "/identity/factors/recovery-codes", at="/identity/factors")
    assert answer.status_code == 303, answer.text
    page = browser.get("/identity/recovery-codes")
    return codes_on(page)


def messages(app: Flask, username: str) -> list[dict[str, str]]:
    """What was written to a person, opened, in the order in which it was written."""
    parts = parts_of(app)
    with parts.database.snapshot() as session:
        sub = person(app, username).sub
        rows = session.scalars(
            select(Announcement).where(Announcement.sub == sub).order_by(Announcement.created_at)
        ).all()
    return [{"channel": r.channel, **json.loads(parts.vault.open(r.sealed, r.sub))} for r in rows]


def person(app: Flask, username: str) -> Person:
    with parts_of(app).database.snapshot() as session:
        found = session.scalar(select(Person).where(Person.username == username))
    assert found is not None
    return found


def events(app: Flask, username: str) -> list[str]:
    """The kinds of the events about a person, in their order."""
    sub = person(app, username).sub
    with parts_of(app).database.snapshot() as session:
        query = select(AuditEvent.kind).where(AuditEvent.about == sub).order_by(AuditEvent.id)
        return list(session.scalars(query).all())
