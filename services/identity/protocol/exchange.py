"""Token exchange (RFC 8693): a service goes on for the person whose token it was sent.

The result speaks for the same person (``sub``), names who acts (``act``), and never allows more:
scopes stay within what the person granted, roles within the token's, life within the token's.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError
from sqlalchemy.orm import Session

from servicekit.tokens import Token
from services.identity.domain import scopes
from services.identity.parts import Parts
from services.identity.protocol import consent, tokens
from services.identity.protocol.verify import access_token_of
from services.identity.storage import clients, people
from services.identity.storage.tables import Client, Grant

if TYPE_CHECKING:
    from services.identity.protocol.token_endpoint import TokenRequest

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 (a name, no secret)
DEEPEST = 5  # how many may act one for another


def exchange(request: "TokenRequest") -> dict[str, Any]:
    """Answer a token exchange (RFC 8693 section 2)."""
    form, parts, client = request.form, request.parts, request.client
    if "audience" in form:
        raise InvalidRequestError("Name the service with resource, not with audience.")
    if form.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        raise InvalidRequestError(f"The only requested_token_type is {ACCESS_TOKEN}.")
    subject = _read(request, "subject_token")
    actor = _read(request, "actor_token") if "actor_token" in form else None
    if actor is None and "actor_token_type" in form:
        raise InvalidRequestError("actor_token_type came without actor_token.")
    if not subject.is_person:
        raise InvalidRequestError("subject_token speaks for no person: ask for your own token.")
    if subject.client_id != client.client_id and subject.claims["aud"] != _service_of(client):
        raise InvalidRequestError("subject_token was sent neither to this client nor by it.")
    aud = tokens.audience(request.resources, [], default=None)
    with request.transaction() as session:
        grant = session.get(Grant, str(subject.claims.get("grant_id", "")))
        person = people.by_subject(session, subject.subject)
        if grant is None or person is None or grant.revoked_at is not None:
            raise InvalidRequestError("The sign-in behind subject_token has ended.")
        act = _act(session, request, subject, actor)
        allowed = _agreed(session, parts, grant)
        scope = tokens.scope_for(_within(form.get("scope"), client, allowed, aud), aud)
        now = int(parts.clock.now().timestamp())
        ends = [now + parts.settings.access_token_life_s, subject.expires_at]
        expires_at = min(ends + ([actor.expires_at] if actor else []))
        if expires_at <= now:
            raise InvalidRequestError("subject_token or actor_token has expired.")
        bound_to = request.confirmation
        text = tokens.access_token(
            parts,
            client,
            scope,
            aud,
            person,
            grant,
            exp=expires_at,
            roles=[role for role in person.roles if role in subject.roles],
            act=act,
            **{
                name: subject.claims[name]
                for name in ("acr", "auth_time")
                if name in subject.claims
            },
            **({"cnf": dict(bound_to)} if bound_to else {}),
        )
    return {
        "access_token": text,
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "DPoP" if bound_to else "Bearer",
        "expires_in": expires_at - now,
        "scope": scope,
    }


def may_act(session: Session, actor: Token, subject: Token) -> bool:
    """Whether one person may act for another; delegations are asked for here (and only here)."""
    return actor.subject == subject.subject


def _read(request: "TokenRequest", name: str) -> Token:
    """Return the verified token in a parameter, for whatever service it is."""
    text = request.form.get(name)
    if text is None or request.form.get(f"{name}_type") != ACCESS_TOKEN:
        raise InvalidRequestError(f"Send {name} with {name}_type={ACCESS_TOKEN}.")
    token = access_token_of(request.parts, text)
    if token is None:
        raise InvalidRequestError(f"{name} is not valid: forged, expired or revoked.")
    return token


def _service_of(client: Client) -> str:
    return f"urn:atoll:{client.client_id}"


def _agreed(session: Session, parts: Parts, grant: Grant) -> list[str]:
    """Return the scopes that the person still grants to the client they signed in for."""
    origin = clients.find(session, grant.client_id)
    if origin is None:
        raise InvalidRequestError("The client behind subject_token is no longer allowed.")
    found = consent.of_grant(session, origin, grant, parts.clock.now())
    return found.scope(grant.scope).split()


def _within(asked: str | None, client: Client, granted: list[str], aud: str) -> str:
    """Return the scopes asked for, or every one that both the client and the grant allow there."""
    allowed = [scope for scope in granted if scope in client.person_scopes]
    if asked is None:
        return " ".join(scopes.for_audience(allowed, aud))
    wanted = scopes.allowed(asked, allowed)
    if wanted is None:
        raise InvalidScopeError("One of these scopes is not the client's, or was never granted.")
    return wanted


@dataclass(frozen=True)
class _Actor:
    sub: str
    client_id: str


def _act(
    session: Session, request: "TokenRequest", subject: Token, actor: Token | None
) -> dict[str, Any]:
    """Return the ``act`` claim: who acts now, then who acted before (RFC 8693 section 4.1)."""
    client = request.client
    if actor is None:
        now = _Actor(client.client_id, client.client_id)
    else:
        is_own = actor.client_id == client.client_id or actor.claims["aud"] == _service_of(client)
        if not is_own:
            raise InvalidRequestError("actor_token was sent neither to this client nor by it.")
        if actor.is_person and not may_act(session, actor, subject):
            raise InvalidRequestError("This person may not act for the other one.")
        now = _Actor(actor.subject, client.client_id)
    if len(subject.actors) >= DEEPEST:
        raise InvalidRequestError("Too many act one for another.")
    before = subject.claims.get("act")
    act: dict[str, Any] = {"sub": now.sub, "client_id": now.client_id}
    return act | ({"act": before} if before is not None else {})
