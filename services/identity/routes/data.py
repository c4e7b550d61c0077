"""What identity answers about people and agreements, and the gateway's feed."""

from typing import Any

from flask import Blueprint, Response, jsonify, request
from sqlalchemy.orm import Session

from servicekit import access
from servicekit.clock import timestamp
from servicekit.problems import Malformed, NotFound
from servicekit.tokens import Token
from services.identity.domain.agreements import State, state
from services.identity.parts import parts
from services.identity.problems import ConsentWithdrawn
from services.identity.storage import agreements, feed, people
from services.identity.storage.tables import Agreement, Person

blueprint = Blueprint("data", __name__)
CONTACT = "contact"
LARGEST_NUMBER = 2**63 - 1


@blueprint.get("/identity/contact-details")
@access.scope("identity.contact")
def contact_details() -> Response:
    subject = request.headers.get("Atoll-Subject", "")
    with parts().database.snapshot() as session:
        person = _person_for(session, access.token(), subject)
    response = jsonify(
        name=person.name,
        name_dv=person.name_dv,
        phone=person.phone,
        email=person.email,
        home_island=person.home_island,
        language=person.language,
    )
    response.headers.update({"Atoll-Subject": person.sub, "Atoll-Categories": CONTACT})
    return response


def _person_for(session: Session, caller: Token, subject: str) -> Person:
    """Return the person if the caller is that person or has their agreement."""
    person = people.by_subject(session, subject)
    if person is None or (caller.is_person and caller.subject != subject):
        raise NotFound("Identity knows no such person.")
    if caller.is_person:
        return person
    agreement = agreements.find(session, request.headers.get("Atoll-Consent", ""), subject)
    if (
        agreement is None
        or agreement.client_id != caller.client_id
        or CONTACT not in agreement.categories
    ):
        raise NotFound("Identity knows no such person.")
    if state(agreement, parts().clock.now()) is not State.IN_FORCE:
        raise ConsentWithdrawn(
            "This agreement has ended. Nothing was read. Ask the person to agree again."
        )
    return person


@blueprint.get("/identity/agreements")
@access.scope("identity.consents")
def list_agreements() -> Response:
    purpose, before = request.args.get("purpose"), _number("before")
    with parts().database.snapshot() as session:
        found = agreements.to_client(session, access.token().client_id, purpose, before)
    return jsonify(
        agreements=[_as_json(agreement) for agreement in found],
        next=found[-1].number if len(found) == agreements.PAGE else None,
    )


def _as_json(agreement: Agreement) -> dict[str, Any]:
    withdrawn_at = agreement.withdrawn_at
    return {
        "id": agreement.id,
        "subject": agreement.subject,
        "purpose": agreement.purpose,
        "categories": agreement.categories,
        "given_at": timestamp(agreement.given_at),
        "until": timestamp(agreement.until),
        "withdrawn_at": timestamp(withdrawn_at) if withdrawn_at else None,
    }


@blueprint.get("/identity/feed")
@access.gateway_only
def read_feed() -> Response:
    with parts().database.snapshot() as session:
        return jsonify(feed.page(session, after=_number("after") or 0))


def _number(name: str) -> int | None:
    text = request.args.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= LARGEST_NUMBER):
        raise Malformed(f"{name} must be a whole number that is not negative.")
    return int(text)
