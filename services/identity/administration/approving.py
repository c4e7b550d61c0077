"""Approval by four eyes: a person with the role decides what somebody else asked for."""

from sqlalchemy.orm import Session

from servicekit.problems import Conflict, Forbidden
from services.identity.administration import registering
from services.identity.administration.actors import (
    ADMINISTRATOR,
    Actor,
    is_administrator,
    note,
)
from services.identity.parts import Parts
from services.identity.storage import people, registrations
from services.identity.storage.tables import Client, Person


def decide(
    parts: Parts,
    session: Session,
    client: Client,
    actor: Actor,
    *,
    approve: bool,
    reason: str,
    by: str | None = None,
) -> None:
    """Approve or refuse what waits for a client.

    by: the user name of the person who decides, where the operator's program only carries it out.
    """
    decider = _decider(session, actor, by)
    request = registrations.waiting(session, client.client_id)
    if request is None:
        raise Conflict("Nothing waits for a decision about this program.")
    if decider.sub in (client.owner, request.asked_by):
        raise Forbidden("Somebody else must decide: nobody approves their own program.")
    state, now = ("approved" if approve else "refused"), parts.clock.now()
    if not registrations.decide(session, request, state, decider.sub, reason, now):
        raise Conflict("Somebody else has just decided about this program.")
    acting = Actor(actor.client_id, decider, actor.visitor)
    note(session, acting, f"client-{state}", client, now, reason=reason)
    if approve:
        registering.take_over(session, client, request.wants)


def _decider(session: Session, actor: Actor, by: str | None) -> Person:
    decider = actor.person
    if actor.is_operator:
        if by is None:
            raise Forbidden("A program decides nothing: name the person who does, with by.")
        decider = people.by_username(session, by)
    if decider is None or not is_administrator(decider):
        raise Forbidden(f"Deciding needs a person with the role {ADMINISTRATOR}.")
    return decider
