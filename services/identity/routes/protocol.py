"""What the issuer publishes, and who signed in."""

from typing import Any

from flask import Blueprint, Response, jsonify

from servicekit import access
from servicekit.problems import Forbidden
from services.identity.parts import parts
from services.identity.protocol import consent, discovery
from services.identity.protocol.tokens import subject_for
from services.identity.storage import people

blueprint = Blueprint("protocol", __name__)
KEYS_AND_METADATA_AGE_S = 300


@blueprint.get("/identity/.well-known/openid-configuration")
@blueprint.get("/.well-known/oauth-authorization-server/identity")
@access.public
def metadata() -> Response:
    return _cacheable(discovery.metadata(parts()))


@blueprint.get("/identity/jwks")
@access.public
def jwks() -> Response:
    parts().teaching.slow_keys()
    return _cacheable(parts().keys.jwks())


def _cacheable(document: dict[str, Any]) -> Response:
    response = jsonify(document)
    response.headers["Cache-Control"] = f"public, max-age={KEYS_AND_METADATA_AGE_S}"
    return response


@blueprint.route("/identity/userinfo", methods=["GET", "POST"])
@access.scope("openid")
def userinfo() -> Response:
    caller = access.token()
    client = parts().clients.find(caller.client_id)
    if client is None:
        raise Forbidden("The service that this token was given to is no longer allowed.")
    with parts().database.snapshot() as session:
        person = people.by_subject(session, caller.subject)
        allowed = consent.of_token(session, client, caller, parts().clock.now())
    if person is None or not caller.is_person:
        raise Forbidden("This token does not speak for a person. Let the person sign in.")
    claims = {"sub": subject_for(parts(), client, person.sub)}
    claims |= consent.claims(allowed, caller.scopes, person)
    response = jsonify(claims)
    response.headers["Atoll-Caller"] = caller.client_id
    return response
