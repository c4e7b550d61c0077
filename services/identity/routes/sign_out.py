"""Sign-out, asked for by a client (OpenID Connect RP-Initiated Logout 1.0) or by the person."""

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, Response, make_response, render_template, request

from servicekit import access
from services.identity.domain.redirects import is_registered, with_parameters
from services.identity.parts import parts
from services.identity.protocol.request import parameters_of
from services.identity.protocol.tokens import subject_for
from services.identity.protocol.verify import id_token_claims
from services.identity.routes import browser
from services.identity.storage import clients, grants, sessions
from services.identity.storage.tables import Client

blueprint = Blueprint("sign_out", __name__)
PATH = "/identity/sign-out"
KEPT = ("id_token_hint", "post_logout_redirect_uri", "state", "client_id", "lang")


@dataclass(frozen=True)
class Asked:
    """A sign-out request: for whom a valid hint speaks, and where to go afterwards."""

    client: Client | None
    subject: str | None
    leads_to: str | None
    state: str | None

    def destination(self) -> str | None:
        """Return the registered address to go to, with the state that came."""
        if self.leads_to is None:
            return None
        return with_parameters(self.leads_to, [("state", self.state)] if self.state else [])


@blueprint.route(PATH, methods=["GET", "POST"])
@access.public
def sign_out() -> Response:
    confirmed = "form_token" in request.form
    if confirmed:
        browser.check_own_form()
    asked = _asked()
    with parts().database.transaction() as session:
        now_in = browser.signed_in(session)
        if now_in is not None:
            mine = asked.client is not None and asked.subject == subject_for(
                parts(), asked.client, now_in.sub
            )
            if not (confirmed or mine):
                return browser.form_page(
                    "sign-out.html", leads_to=asked.leads_to, action=_same_request()
                )
            grants.revoke_of_session(session, now_in.id_hash, parts().clock.now())
            sessions.close(session, now_in.id_hash)
    destination = asked.destination()
    response = (
        make_response(render_template("signed-out.html"))
        if destination is None
        else Response(status=303, headers={"Location": destination})
    )
    browser.forget(response)
    return response


def _asked() -> Asked:
    values = parameters_of(request.values)
    hint, client_id = values.get("id_token_hint"), values.get("client_id")
    claims = id_token_claims(parts(), hint) if hint else None
    if claims is None or (client_id is not None and client_id != claims["aud"]):
        return Asked(
            None, None, None, None
        )  # nobody is redirected without a valid hint (section 3)
    with parts().database.snapshot() as session:
        client = clients.find(session, str(claims["aud"]))
    address = values.get("post_logout_redirect_uri")
    leads_to = (
        address
        if client and address and is_registered(address, client.post_logout_redirect_uris)
        else None
    )
    return Asked(client, str(claims["sub"]), leads_to, values.get("state"))


def _same_request() -> str:
    kept = [(name, request.values[name]) for name in KEPT if name in request.values]
    return f"{PATH}?{urlencode(kept)}" if kept else PATH
