"""The demonstration: departments with templates, and where the synthetic people are reached."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import yaml
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from services.notify import phones
from services.notify.domain import address, email_address
from services.notify.domain.countries import COUNTRIES, Country
from services.notify.settings import Settings
from services.notify.storage import contents, numbers
from services.notify.storage.tables import (
    ApiKey,
    Guest,
    PersonAddress,
    ReplyTo,
    Service,
    SmsSender,
    Template,
)
from services.notify.vault import Vault

SEED = Path(__file__).parent / "seed"


def is_empty(session: Session) -> bool:
    """Whether no service has been made yet."""
    return session.scalar(select(Service.id).limit(1)) is None


def load(session: Session, settings: Settings) -> None:
    """Make the services and people of the seed with the ids and secrets of the start state.

    Without a start state nothing is made: the platform is then not a demonstration. A start state
    that was made before a service was added to the seed leaves that service out.
    """
    if settings.start_state is None:
        return
    ids = json.loads(settings.start_state)
    vault = Vault(settings.raw_data_key() or b"")
    people = _read("people.yaml")
    now = datetime.now(UTC)
    for name, subject in ids["people"].items():
        for index in _indexes(people[name], vault, COUNTRIES["MV"]):
            session.execute(insert(PersonAddress).values(subject=subject, recipient_index=index))
    for name, service in _read("services.yaml").items():
        if name in ids["services"]:
            _Maker(session, vault, name, ids["services"][name], now).make(service, people)


def _read(file: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((SEED / file).read_text(encoding="utf-8"))
    return content


def _indexes(person: Mapping[str, Any], vault: Vault, country: Country) -> list[str]:
    """Return the indexes of all the ways to reach a person."""
    reached = []
    if "phone" in person:
        reached.append(phones.parse(person["phone"], country).digits)
    if "email" in person:
        reached.append(email_address.parse(person["email"]))
    if "address" in person:
        lines = dict(zip(address.LINES, person["address"], strict=False))
        reached.append(address.parse(lines, country, abroad=False).key)
    return [vault.index("recipient", each) for each in reached]


class _Maker:
    """Makes one service of the seed."""

    def __init__(
        self, session: Session, vault: Vault, name: str, ids: Mapping[str, Any], now: datetime
    ) -> None:
        self._session, self._vault, self._name, self._now = session, vault, name, now
        self._ids, self._service_id = ids, str(ids["service_id"])

    def make(self, service: Mapping[str, Any], people: Mapping[str, Any]) -> None:
        """Make the service with everything that belongs to it."""
        sealed_key = self._vault.new_key(self._service_id)
        self._session.execute(
            insert(Service).values(
                id=self._service_id,
                name_id=self._name,
                name=service["name"],
                is_active=True,
                country=service["country"],
                permissions=service["permissions"],
                sms_sender=service["sms_sender"],
                email_sender=service["email_sender"],
                file_contact=service.get("file_contact"),
                limits=service.get("limits", {}),
                sealed_key=sealed_key,
                created_at=self._now,
            )
        )
        self._add_keys()
        self._add_senders(service)
        for channel, template in service["templates"].items():
            self._add_template(channel, template, service["created_by"])
        country = COUNTRIES[service["country"]]
        home = [(people[member], COUNTRIES["MV"]) for member in service["team"]]
        for person, country_of in [
            *home,
            *((guest, country) for guest in service.get("guests", [])),
        ]:
            for index in _indexes(person, self._vault, country_of):
                self._session.execute(
                    insert(Guest).values(service_id=self._service_id, recipient_index=index)
                )
        if "inbound_number" in service:
            numbers.give(self._session, self._service_id, service["inbound_number"])
        vault = self._vault.of(self._service_id, sealed_key)
        for number, text in enumerate(service.get("received_texts", [])):
            self._add_received(vault, number, text)

    def _add_keys(self) -> None:
        for key_type, key in self._ids["api_keys"].items():
            self._session.execute(
                insert(ApiKey).values(
                    id=key["id"],
                    service_id=self._service_id,
                    name=f"{self._name}-{key_type}",
                    key_type=key_type,
                    sealed_secret=self._vault.seal(f"api_key/{key['id']}", key["secret"]),
                    created_at=self._now,
                )
            )

    def _add_senders(self, service: Mapping[str, Any]) -> None:
        common = {"service_id": self._service_id, "is_archived": False, "is_default": True}
        if "sms_sender_id" in self._ids:
            row = common | {"id": self._ids["sms_sender_id"], "text": service["sms_sender"]}
            self._session.execute(insert(SmsSender).values(row))
        if "email_reply_to_id" in self._ids and "reply_to" in service:
            row = common | {
                "id": self._ids["email_reply_to_id"],
                "email_address": service["reply_to"],
            }
            self._session.execute(insert(ReplyTo).values(row))

    def _add_template(self, channel: str, template: Mapping[str, Any], made_by: str) -> None:
        """Make a template with its versions; a later one tells only what it changes."""
        shown: dict[str, Any] = {}
        for number, version in enumerate(template.get("versions", [template]), 1):
            shown |= version
            block = shown.get("contact_block")
            self._session.execute(
                insert(Template).values(
                    id=self._ids["templates"][channel],
                    version=number,
                    service_id=self._service_id,
                    type=channel,
                    name=shown["name"],
                    subject=shown.get("subject"),
                    body=shown["body"].rstrip("\n"),
                    is_archived=False,
                    postage=shown.get("postage", "second") if channel == "letter" else None,
                    contact_block=block.rstrip("\n") if block else None,
                    created_by=made_by,
                    created_at=self._now,
                )
            )

    def _add_received(self, vault: Vault, number: int, text: Mapping[str, str]) -> None:
        text_id = str(uuid5(uuid5(NAMESPACE_URL, str(UUID(self._service_id))), f"text {number}"))
        contents.add_received(
            self._session,
            id=text_id,
            service_id=self._service_id,
            sealed=vault.seal(f"received_text/{text_id}", dict(text)),
            created_at=self._now + timedelta(milliseconds=number),
        )
