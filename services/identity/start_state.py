"""The start state: demonstration people, clients and one agreement, from the readable seed."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.identity.domain.digests import fingerprint
from services.identity.passwords import hash_password
from services.identity.protocol import keys
from services.identity.settings import Settings
from services.identity.storage import agreements, feed, metadata
from services.identity.storage import keys as key_store
from services.identity.storage.protocol_tables import StoredKey
from services.identity.storage.tables import Client, FeedState, Person
from services.identity.vault import Vault
from services.identity.words import seed

__all__ = ["clear", "is_empty", "load", "seed"]


def is_empty(session: Session) -> bool:
    """Whether nothing was ever loaded."""
    return session.scalar(select(FeedState.id)) is None


def clear(session: Session) -> None:
    """Delete everything but the signing keys, which verifiers everywhere know already."""
    for table in reversed(metadata.sorted_tables):
        if table.name != StoredKey.__tablename__:
            session.execute(table.delete())
    session.expunge_all()


def load(session: Session, settings: Settings) -> None:
    """Begin a new feed; with a start state, add its people, clients and agreements."""
    feed.begin(session)
    given = settings.demonstration
    vault = Vault(settings.data_key_bytes)
    keys.begin(session, settings, vault, datetime.now(UTC))
    key_store.tell_withdrawn(session)
    for username, person in seed("people.yaml").items():
        if username in given["people"]:
            session.add(_person(vault, username, person, given["people"][username]))
    for client_id, client in seed("clients.yaml").items():
        if client_id in given["clients"]:
            added = _client(settings, client_id, client, given["clients"][client_id])
            session.add(added)
            feed.append(session, feed.client_event(added))
    session.flush()
    for agreement in seed("agreements.yaml"):
        person, client_id = given["people"].get(agreement["person"]), agreement["client"]
        if person is not None and client_id in given["clients"]:
            agreements.give(
                session,
                subject=person["sub"],
                client_id=client_id,
                purpose=agreement["purpose"],
                items=agreement["items"],
                now=datetime.now(UTC),
            )


def _person(vault: Vault, username: str, person: dict[str, Any], given: dict[str, str]) -> Person:
    return Person(
        sub=given["sub"],
        username=username,
        name=person["name"],
        name_dv=person["name_dv"],
        phone=person["phone"],
        email=person["email"],
        home_island=person["home_island"],
        language=person["language"],
        roles=person.get("roles", []),
        password_hash=hash_password(given["password"]),
        totp_secret=vault.seal(given["totp_secret"], given["sub"]),
        totp_last_step=None,
        identity_level=person.get("identity_level", "substantial"),
        evidence=person.get("evidence", []),
    )


def _client(
    settings: Settings, client_id: str, client: dict[str, Any], given: dict[str, str]
) -> Client:
    def addresses(field: str) -> list[str]:
        return [text.format(public=settings.public_url) for text in client.get(field, [])]

    return Client(
        client_id=client_id,
        name=client["name"],
        description=client["description"],
        first_party=client.get("first_party", False),
        contacts=client.get("contacts", []),
        secret_hash=fingerprint(given["client_secret"]),
        redirect_uris=addresses("redirect_uris"),
        post_logout_redirect_uris=addresses("post_logout_redirect_uris"),
        grant_types=client["grant_types"],
        scopes=client.get("scopes", []),
        person_scopes=client.get("person_scopes", []),
        roles=client.get("roles", []),
    )
