"""Recovery codes on a page: shown until the person says that they are kept, then never again."""

import json
from datetime import timedelta

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from servicekit import access
from services.identity.parts import parts
from services.identity.routes import browser
from services.identity.storage import pending

blueprint = Blueprint("codes", __name__)
PATH = "/identity/recovery-codes"
KIND, LIFE = "codes", timedelta(minutes=30)
AFTERWARDS = "/identity/factors"


def show_next(session: Session, response: Response, made: list[str]) -> None:
    """Let a redirect lead to new codes; they are kept sealed for the browser that it goes to."""
    owner, now = _next_owner(response), parts().clock.now()
    sealed = parts().vault.seal(json.dumps(made), f"{KIND}:{owner}")
    pending.put(session, owner, KIND, sealed, now, now + LIFE)
    response.headers["Location"] = browser.in_language(PATH)


@blueprint.get(PATH)
@access.public
def show_codes() -> Response:
    owner = browser.cookie(browser.SESSION)
    with parts().database.snapshot() as session:
        sealed = pending.get(session, owner, KIND, parts().clock.now())
    if sealed is None:
        return browser.go(AFTERWARDS)
    made = json.loads(parts().vault.open(sealed, f"{KIND}:{owner}"))
    return browser.form_page("recovery-codes.html", codes=made)


@blueprint.post(PATH)
@access.public
def keep_codes() -> Response:
    browser.check_own_form()
    with parts().database.transaction() as session:
        pending.remove(session, browser.cookie(browser.SESSION), KIND)
    return browser.go(AFTERWARDS)


def _next_owner(response: Response) -> str:
    """Return the session cookie that the browser will have: the one that this answer gives it."""
    for line in response.headers.getlist("Set-Cookie"):
        name, _, rest = line.partition("=")
        if name.removeprefix("__Host-") == browser.SESSION:
            return rest.partition(";")[0]
    return browser.cookie(browser.SESSION)
