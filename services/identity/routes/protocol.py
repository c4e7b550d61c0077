"""The OpenID Connect endpoints that programs call."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from servicekit import access
from servicekit.problems import Forbidden
from services.identity.parts import parts
from services.identity.protocol import discovery
from services.identity.protocol.server import Server, token_request
from services.identity.protocol.tokens import subject_for
from services.identity.storage import people

blueprint = Blueprint("protocol", __name__)
KEYS_AND_METADATA_AGE_S = 300


@blueprint.get("/identity/.well-known/openid-configuration")
@blueprint.get("/.well-known/oauth-authorization-server/identity")
@access.public
def metadata() -> Response:
    return _cacheable(discovery.metadata(parts().settings.issuer))


@blueprint.get("/identity/jwks")
@access.public
def jwks() -> Response:
    return _cacheable(parts().key.jwks())


def _cacheable(document: dict[str, Any]) -> Response:
    response = jsonify(document)
    response.headers["Cache-Control"] = f"public, max-age={KEYS_AND_METADATA_AGE_S}"
    return response


@blueprint.post("/identity/token")
@access.public  # the client authenticates itself, as RFC 6749 section 2.3 says
def token() -> Response:
    database = parts().database
    only_reads = request.form.get("grant_type") == "client_credentials"
    with database.snapshot() if only_reads else database.transaction() as session:
        server = Server(parts(), session, token_request(parts(), request), None)
        return server.token_response(request)


@blueprint.route("/identity/userinfo", methods=["GET", "POST"])
@access.scope("openid")
def userinfo() -> Response:
    caller = access.token()
    with parts().database.snapshot() as session:
        person = people.by_subject(session, caller.subject)
    if person is None or not caller.is_person:
        raise Forbidden("This token does not speak for a person. Let the person sign in.")
    claims = {"sub": subject_for(parts(), caller.client_id, person.sub)}
    if "profile" in caller.scopes:
        claims |= {
            "name": person.name,
            "preferred_username": person.username,
            "locale": person.language,
        }
        if person.name_dv is not None:
            claims["name#dv"] = person.name_dv
    response = jsonify(claims)
    response.headers["Atoll-Caller"] = caller.client_id
    return response
