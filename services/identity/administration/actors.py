"""Who manages a client: its owner, the operator, or an administrator; and what each may see."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from servicekit.problems import Forbidden, NotFound
from servicekit.tokens import Token
from services.identity.domain.visitors import Visitor
from services.identity.storage import audit, people, registrations
from services.identity.storage.tables import Client, Person

OPERATE, APPS = "identity.clients", "identity.apps"
ADMINISTRATOR = "identity:administrator"


@dataclass(frozen=True)
class Actor:
    """Somebody who acts on clients; without a person it is the operator's program."""

    client_id: str
    person: Person | None
    visitor: Visitor

    @property
    def sub(self) -> str | None:
        """The person's subject."""
        return self.person.sub if self.person else None

    @property
    def is_operator(self) -> bool:
        """Whether this is the operator's program, which manages every client."""
        return self.person is None

    @property
    def is_administrator(self) -> bool:
        """Whether this person decides what waits for approval."""
        return self.person is not None and is_administrator(self.person)


def actor_of(session: Session, token: Token, visitor: Visitor) -> Actor:
    """Return who calls with this token; a person's role counts as it is now."""
    if not token.is_person:
        if OPERATE not in token.scopes:
            raise Forbidden("This token speaks for no person. Sign in, or use the operator's.")
        return Actor(token.client_id, None, visitor)
    person = people.by_subject(session, token.subject)
    if person is None or APPS not in token.scopes:
        raise Forbidden("This token does not speak for a person who manages programs.")
    return Actor(token.client_id, person, visitor)


def is_administrator(person: Person) -> bool:
    """Whether somebody may decide what waits for approval."""
    return ADMINISTRATOR in person.roles


def find(session: Session, actor: Actor, client_id: str, *, to_read: bool = False) -> Client:
    """Return a client that the actor may manage; to_read: administrators may see every one.

    What somebody may not see does not exist for them.
    """
    client = registrations.get(session, client_id, to_change=not to_read)
    own = client is not None and actor.sub is not None and client.owner == actor.sub
    if client is None or not (
        own or actor.is_operator or (to_read and actor.is_administrator and not client.first_party)
    ):
        raise NotFound("There is no such program, or it is not yours.")
    if client.first_party and not to_read:
        raise Forbidden("This program belongs to the platform itself; it is not changed here.")
    return client


def note(
    session: Session, actor: Actor, kind: str, client: Client, at: datetime, **details: Any
) -> None:
    """Write an action on a client down, where its owner and administrators see it."""
    said: Mapping[str, Any] = {name: value for name, value in details.items() if value is not None}
    audit.record_event(
        session,
        kind,
        at=at,
        actor=actor.sub,
        about=client.owner,
        client_id=client.client_id,
        visitor=actor.visitor,
        details={"by": actor.client_id, **said},
    )
