"""The endpoints at which a client proves who it is: token, revocation, introspection, PAR."""

from flask import Blueprint, Response, request

from servicekit import access
from services.identity.fapi import par
from services.identity.parts import parts
from services.identity.protocol import own_tokens, token_endpoint

blueprint = Blueprint("token", __name__)


@blueprint.post("/identity/token")
@access.public  # the client authenticates itself, as RFC 6749 section 2.3 says
def token() -> Response:
    return token_endpoint.token(parts(), request)


@blueprint.post("/identity/revoke")
@access.public
def revoke() -> Response:
    return token_endpoint.respond(parts(), request, own_tokens.revoke)


@blueprint.post("/identity/introspect")
@access.public
def introspect() -> Response:
    return token_endpoint.respond(parts(), request, own_tokens.introspect)


@blueprint.post("/identity/par")
@access.public
def push() -> Response:
    return par.push(parts(), request)
