"""The demonstration: a department with templates, and where the synthetic people are reached."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from services.notify.domain import email_address, phone
from services.notify.settings import Settings
from services.notify.storage.tables import ApiKey, Guest, PersonAddress, Service, Template
from services.notify.vault import Vault

SEED = Path(__file__).parent / "seed"


def is_empty(session: Session) -> bool:
    """Whether no service has been made yet."""
    return session.scalar(select(Service.id).limit(1)) is None


def load(session: Session, settings: Settings) -> None:
    """Make the services and people of the seed with the ids and secrets of the start state.

    Without a start state nothing is made: the platform is then not a demonstration.
    """
    if settings.start_state is None:
        return
    ids = json.loads(settings.start_state)
    vault = Vault(settings.raw_data_key() or b"")
    people = _read("people.yaml")
    now = datetime.now(UTC)
    for name, subject in ids["people"].items():
        for index in _indexes(people[name], vault):
            session.execute(insert(PersonAddress).values(subject=subject, recipient_index=index))
    for name, service in _read("services.yaml").items():
        if name in ids["services"]:
            _add_service(session, vault, name, service, ids["services"][name], people, now)


def _read(file: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((SEED / file).read_text(encoding="utf-8"))
    return content


def _indexes(person: dict[str, str], vault: Vault) -> list[str]:
    number = phone.parse(person["phone"], phone.COUNTRIES["MV"])
    return [
        vault.index("recipient", number.digits),
        vault.index("recipient", email_address.parse(person["email"])),
    ]


def _add_service(
    session: Session,
    vault: Vault,
    name: str,
    service: dict[str, Any],
    ids: dict[str, Any],
    people: dict[str, Any],
    now: datetime,
) -> None:
    service_id = ids["service_id"]
    session.execute(
        insert(Service).values(
            id=service_id,
            name_id=name,
            name=service["name"],
            is_active=True,
            country=service["country"],
            permissions=service["permissions"],
            sms_sender=service["sms_sender"],
            email_sender=service["email_sender"],
            created_at=now,
        )
    )
    for key_type, key in ids["api_keys"].items():
        session.execute(
            insert(ApiKey).values(
                id=key["id"],
                service_id=service_id,
                name=f"{name}-{key_type}",
                key_type=key_type,
                sealed_secret=vault.seal(f"api_key/{key['id']}", key["secret"]),
                created_at=now,
            )
        )
    for channel, template in service["templates"].items():
        session.execute(
            insert(Template).values(
                id=ids["templates"][channel],
                version=1,
                service_id=service_id,
                type=channel,
                name=template["name"],
                subject=template.get("subject"),
                body=template["body"].rstrip("\n"),
                is_archived=False,
                created_by=service["created_by"],
                created_at=now,
            )
        )
    for member in service["team"]:
        for index in _indexes(people[member], vault):
            session.execute(insert(Guest).values(service_id=service_id, recipient_index=index))
