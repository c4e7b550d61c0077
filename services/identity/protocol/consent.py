"""Consent in the token path: what a client may have of a person, by the agreement in force now.

Every token and every answer about a person asks here, each time anew, so that what was withdrawn
is in none of them. The platform's own clients (``first_party``) need no agreement.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError
from sqlalchemy.orm import Session

from servicekit.tokens import Token
from services.identity.domain import agreements as rules
from services.identity.domain.agreements import EVERYTHING, Permission
from services.identity.protocol.request import Parameters
from services.identity.storage import agreements
from services.identity.storage.tables import Client, Grant, Person

NOTHING = Permission(frozenset())


def purpose_of(values: Parameters) -> str:
    """Return the purpose that an authorization request names."""
    return values.get("purpose", rules.SIGN_IN)


def asked(client: Client, person: Person, scope: str) -> list[str]:
    """Return the items that a request asks this person for."""
    return rules.items_of(scope.split(), has_roles=bool(person.roles))


def permission(
    session: Session, client: Client, sub: str, purpose: str | None, now: datetime
) -> Permission:
    """Return what a client may have of a person for a purpose."""
    if client.first_party:
        return EVERYTHING
    if purpose is None:
        return NOTHING
    agreement = agreements.in_force(session, sub, client.client_id, purpose, now)
    return Permission(frozenset(agreement.items)) if agreement else NOTHING


def of_grant(session: Session, client: Client, grant: Grant, now: datetime) -> Permission:
    """Return what a client may still have by a grant; refuses when nothing is left."""
    found = permission(session, client, grant.sub, grant.purpose, now)
    if not found.scope(grant.scope):
        raise InvalidGrantError("The person no longer agrees to this. Let them sign in again.")
    return found


def of_token(session: Session, client: Client, token: Token, now: datetime) -> Permission:
    """Return what a client may still have by an access token that speaks for a person."""
    grant = session.get(Grant, str(token.claims.get("grant_id", "")))
    if grant is None:
        return EVERYTHING if client.first_party else NOTHING
    return permission(session, client, token.subject, grant.purpose, now)


def claims(found: Permission, scopes: Collection[str], person: Person) -> dict[str, Any]:
    """Return the claims about a person that scopes and agreement both allow (OIDC Core 5.4)."""
    values: Mapping[str, Mapping[str, Any]] = {
        "name": {"name": person.name, "name#dv": person.name_dv},
        "preferred_username": {"preferred_username": person.username},
        "locale": {"locale": person.language},
        # nobody has checked that these addresses belong to the person
        "email": {"email": person.email, "email_verified": False} if person.email else {},
        "phone_number": {"phone_number": person.phone, "phone_number_verified": False}
        if person.phone
        else {},
    }
    return {
        name: value
        for scope, items in rules.CLAIMS.items()
        for item in items
        if scope in scopes and found.allows(item)
        for name, value in values[item].items()
        if value is not None
    }


def roles(found: Permission, person: Person) -> list[str]:
    """Return the person's roles as far as the client may act with them."""
    return list(person.roles) if found.allows(rules.ROLES) else []
