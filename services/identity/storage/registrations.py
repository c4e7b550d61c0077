"""Clients as their owners and the operator manage them, and what waits for somebody's word."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import event, func, select, update
from sqlalchemy.engine import Connection, CursorResult
from sqlalchemy.orm import Mapper, Session

from services.identity.domain.digests import random_id
from services.identity.domain.subjects import is_client_id, sector_of
from services.identity.storage import feed
from services.identity.storage.administration_tables import ClientRequest
from services.identity.storage.tables import Client, Person

PAGE = 50
REMOVED, SANDBOX = "removed", "sandbox"


def get(session: Session, client_id: str, *, to_change: bool = False) -> Client | None:
    """Return a client that was not removed, enabled or not, or None; to_change: locked."""
    if not is_client_id(client_id):
        return None
    client = session.get(Client, client_id, with_for_update=True if to_change else None)
    return None if client is None or client.status == REMOVED else client


def is_taken(session: Session, client_id: str) -> bool:
    """Whether a client has this id or ever had it."""
    return session.get(Client, client_id) is not None


def names_of_others(session: Session, owner: str | None) -> set[str]:
    """Return the names of live clients that belong to somebody else, in small letters."""
    rows = session.execute(select(Client.name, Client.owner).where(Client.status == "live"))
    return {
        words.casefold()
        for name, whose in rows
        if whose is None or whose != owner
        for words in name.values()
    }


def add(session: Session, client: Client) -> None:
    """Register a client and tell the gateway its name."""
    session.add(client)
    session.flush()
    feed.append(session, feed.client_event(client))


def change(session: Session, client: Client, columns: Mapping[str, Any]) -> None:
    """Give a client other values; who people are towards it follows its redirect addresses."""
    for name, value in columns.items():
        setattr(client, name, value)
    client.sector = sector_of(client.client_id, client.redirect_uris)
    session.flush()
    feed.append(session, feed.client_event(client))


def replace_secret(
    session: Session, client: Client, secret_hash: str, now: datetime, overlap: timedelta
) -> None:
    """Give a client a new secret; the present one goes on until the overlap ends."""
    client.former_secret_hash = client.secret_hash if overlap else None
    client.former_secret_until = now + overlap if overlap else None
    client.secret_hash = secret_hash
    session.flush()


def remove(session: Session, client: Client) -> None:
    """End a client for good: its id and the calls it made keep their meaning, its keys do not."""
    change(
        session,
        client,
        {
            "status": REMOVED,
            "secret_hash": None,
            "former_secret_hash": None,
            "former_secret_until": None,
            "jwks": None,
            "jwks_uri": None,
            "faults": {},
        },
    )
    end_waiting(session, client.client_id)


def inject(session: Session, client: Client, faults: Mapping[str, Any]) -> bool:
    """Switch a sandbox client's faults; False, and nothing changed, when it is no such client."""
    result = session.execute(
        update(Client)
        .where(Client.client_id == client.client_id, Client.status == SANDBOX)
        .values(faults=dict(faults))
        .execution_options(synchronize_session=False)
    )
    if not _one(result):
        return False
    session.refresh(client)
    return True


def lock_owner(session: Session, sub: str) -> None:
    """Let nobody else register for this person meanwhile: what is counted stays true."""
    session.execute(select(Person.sub).where(Person.sub == sub).with_for_update())


def count_of(session: Session, owner: str) -> int:
    """Return how many clients a person has."""
    query = select(func.count()).where(Client.owner == owner, Client.status != REMOVED)
    return session.scalar(query) or 0


def count_made(session: Session, owner: str, since: datetime) -> int:
    """Return how many clients a person made since a moment, removed ones too."""
    query = select(func.count()).where(Client.owner == owner, Client.created_at > since)
    return session.scalar(query) or 0


def page(
    session: Session, *, owner: str | None = None, waiting: bool = False, after: str = ""
) -> Sequence[Client]:
    """Return a page of clients by id: all, one owner's, or those that wait for a word."""
    query = select(Client).where(Client.status != REMOVED, Client.client_id > after)
    if owner is not None:
        query = query.where(Client.owner == owner)
    if waiting:
        asked = select(ClientRequest.client_id).where(ClientRequest.state == "waiting")
        query = query.where(Client.client_id.in_(asked))
    return session.scalars(query.order_by(Client.client_id).limit(PAGE)).all()


def ask(
    session: Session,
    client: Client,
    wants: Mapping[str, Any],
    why: str,
    asked_by: str | None,
    now: datetime,
) -> ClientRequest:
    """Let a change wait for somebody's word; it takes the place of one that waited before."""
    end_waiting(session, client.client_id)
    request = ClientRequest(
        id=random_id(),
        client_id=client.client_id,
        wants=dict(wants),
        why=why,
        asked_by=asked_by,
        asked_at=now,
        state="waiting",
        decided_by=None,
        decided_at=None,
        reason=None,
    )
    session.add(request)
    session.flush()
    return request


def waiting(session: Session, client_id: str) -> ClientRequest | None:
    """Return what waits for a client, or None."""
    return session.scalar(
        select(ClientRequest).where(
            ClientRequest.client_id == client_id, ClientRequest.state == "waiting"
        )
    )


def last_decided(session: Session, client_id: str) -> ClientRequest | None:
    """Return the last thing that was decided about a client, or None."""
    return session.scalar(
        select(ClientRequest)
        .where(ClientRequest.client_id == client_id, ClientRequest.decided_at.is_not(None))
        .order_by(ClientRequest.decided_at.desc())
        .limit(1)
    )


def decide(
    session: Session, request: ClientRequest, state: str, by: str, reason: str, now: datetime
) -> bool:
    """Write the decision down; False when somebody was faster."""
    result = session.execute(
        update(ClientRequest)
        .where(ClientRequest.id == request.id, ClientRequest.state == "waiting")
        .values(state=state, decided_by=by, decided_at=now, reason=reason)
        .execution_options(synchronize_session=False)
    )
    return _one(result)


def end_waiting(session: Session, client_id: str) -> None:
    """Let nothing wait for a client any more."""
    session.execute(
        update(ClientRequest)
        .where(ClientRequest.client_id == client_id, ClientRequest.state == "waiting")
        .values(state="ended")
        .execution_options(synchronize_session="fetch")
    )


@event.listens_for(Client, "before_insert")
@event.listens_for(Client, "before_update")
def _keep_faults_in_the_sandbox(_mapper: Mapper[Any], _link: Connection, client: Client) -> None:
    if client.faults and client.status != SANDBOX:
        raise ValueError("only a sandbox client can have faults injected")


def _one(result: object) -> bool:
    assert isinstance(result, CursorResult)  # noqa: S101 (tells mypy that it counts rows)
    return result.rowcount == 1
