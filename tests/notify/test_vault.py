"""Encryption at rest: each service has a key of its own, and losing it loses its messages."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from sqlalchemy import select, update

from servicekit.database import Database
from services.notify.storage.tables import Notification, Service
from services.notify.vault import FileKey, Vault
from services.notify.worker import Worker
from tests.notify.conftest import DEMO_ID, SERVICE_ID, Api
from tests.notify.test_messages import send

VAULT = Vault(bytes(range(32)))


def keys(store: Database) -> dict[str, bytes | None]:
    with store.snapshot() as session:
        return {row.id: row.sealed_key for row in session.scalars(select(Service))}


def test_what_one_service_sealed_no_other_key_opens(api: Api, demo: Api, store: Database) -> None:
    api.sms()
    send(demo, "sms", {})
    found = keys(store)
    with store.snapshot() as session:
        rows = list(session.scalars(select(Notification)))
    assert {row.service_id for row in rows} == {SERVICE_ID, DEMO_ID}
    for row in rows:
        place = f"notification/{row.id}"
        own = VAULT.of(row.service_id, found[row.service_id])
        assert own.open(place, row.sealed)["body"]
        other_id = DEMO_ID if row.service_id == SERVICE_ID else SERVICE_ID
        for other in (VAULT, VAULT.of(other_id, found[other_id])):
            with pytest.raises(InvalidTag):
                other.open(place, row.sealed)


def test_a_service_of_an_older_version_goes_on_with_the_platforms_key(
    api: Api, store: Database, worker: Worker, inbox: Callable[..., Any]
) -> None:
    with store.transaction() as session:
        session.execute(update(Service).values(sealed_key=None))
    sent = api.sms().json
    worker.work(threading.Event())
    assert api.status(sent["id"]) == "delivered"
    assert inbox().json["messages"][0]["id"] == sent["id"]


def test_people_are_found_again_across_services() -> None:
    own = VAULT.of("a", VAULT.new_key("a"))
    assert own.index("recipient", "x") == VAULT.index("recipient", "x")
    assert own.seal("p", "x") != VAULT.seal("p", "x")


def test_a_key_opens_at_its_own_service_only() -> None:
    with pytest.raises(InvalidTag):
        Vault(bytes(range(32))).of("b", VAULT.new_key("a"))


def test_a_files_key_tells_nothing_to_another() -> None:
    one, other = FileKey(), FileKey()
    assert one.open("p", one.seal("p", b"x")) == b"x"
    assert one.fingerprint("a@b.mv") != other.fingerprint("a@b.mv")
    for key, place in ((other, "p"), (one, "q")):
        with pytest.raises(InvalidTag):
            key.open(place, one.seal("p", b"x"))
