"""Personal registers: reading, questions, corrections, entering and erasing.

Every address here is a personal route at the gateway (``routes.yaml``), which has checked purpose
and lawful basis and records the exchange before the answer leaves; it is the only record of access.
The addresses exist for the registers that are declared, and for no other.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import uuid4

from flask import Blueprint, Response, current_app, jsonify, request
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from servicekit import access
from servicekit.access import scope
from servicekit.problems import Invalid, Malformed, Unavailable
from servicekit.schema import json_body
from services.registers.domain import keys, moments
from services.registers.personal import keeping, opening
from services.registers.personal.declared import personal_registers
from services.registers.personal.keeping import Asked, Keeper
from services.registers.personal.problems import (
    CorrectionClosed,
    PersonalRegister,
    TooManyCorrections,
)
from services.registers.personal.vault import PersonalVault
from services.registers.problems import IdempotencyKeyNeeded, NotCustodian
from services.registers.routes import answers
from services.registers.routes.state import clock, database
from services.registers.storage import heads, personal

blueprint = Blueprint("personal", __name__)
F = TypeVar("F", bound=Callable[..., Response])

PAGE, MAX_CORRECTIONS, MAX_RECORDS = 20, 10, 1000
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_TEXT = {"type": "string", "minLength": 1, "maxLength": 2000}
ITEM = {
    "type": "object",
    "required": ["item"],
    "properties": {"item": {"type": "object"}},
    "additionalProperties": False,
}
QUESTION = {
    "type": "object",
    "required": ["field", "equals"],
    "properties": {"field": _TEXT, "equals": _TEXT, "key": _TEXT},
    "additionalProperties": False,
}
CORRECTION = {
    "type": "object",
    "required": ["because"],
    "properties": {"field": _TEXT, "wanted": _TEXT, "erase": {"const": True}, "because": _TEXT},
    "oneOf": [{"required": ["field", "wanted"]}, {"required": ["erase"]}],
    "additionalProperties": False,
}
DECISION = {
    "type": "object",
    "required": ["accept", "answer"],
    "properties": {"accept": {"type": "boolean"}, "answer": _TEXT},
    "additionalProperties": False,
}
# what a personal register has in common with a public one: its log of commitments, to be read
_FORMS_OFF = ("version1", "exports", "redirects", "loading", "appending")


def _at(method: str, path: str) -> Callable[[F], F]:
    """Give a view the same address under each personal register."""

    def decorate(view: F) -> F:
        for name in personal_registers():
            blueprint.add_url_rule(
                f"/registers/{name}/{path}",
                f"{view.__name__}-{name}",
                view,
                methods=[method],
                defaults={"register": name},
            )
        return view

    return decorate


@_at("GET", "personal/records")
@scope("registers.personal")
def list_records(register: str) -> Response:
    """List a person's records, a page at a time."""
    answers.check_query("after")
    after = request.args.get("after", "")
    if not keys.is_key(after or "x"):
        raise Malformed("after is the member next of the page before.")
    keeper, subject = _keeper(register), _subject()
    with database().snapshot() as session:
        head = _head(session, register)
        person = keeper.vault.person(register, subject)
        rows = personal.records(session, head["id"], person, after, PAGE + 1)
        shown = [
            opening.document(keeper, session, head, row.key, history=False) for row in rows[:PAGE]
        ]
    following = shown[-1]["key"] if len(rows) > PAGE else None
    return _about(jsonify(records=shown, next=following), subject, keeper.declared.read)


@_at("GET", "personal/records/<key:key>")
@scope("registers.personal")
def show_record(register: str, key: str) -> Response:
    """Show one record of a person with its history; another person's does not exist here."""
    answers.check_query()
    keeper, subject = _keeper(register), _subject()
    with database().snapshot() as session:
        head = _head(session, register)
        keeping.mine(session, head, key, keeper.vault.person(register, subject))
        shown = opening.document(keeper, session, head, key, history=True)
    return _about(jsonify(shown), subject, keeper.declared.read)


@_at("POST", "personal/questions")
@scope("registers.personal")
def ask(register: str) -> Response:
    """Answer yes or no instead of showing data."""
    keeper, subject = _keeper(register), _subject()
    body = json_body(QUESTION)
    field = keeping.field_of(keeper.declared, body["field"])
    if field is None or field.id not in keeper.declared.questions:
        known = ", ".join(sorted(keeper.declared.questions))
        raise Invalid(
            "Nothing was answered: this cannot be asked.",
            errors=[{"detail": f"Ask about one of: {known}.", "pointer": "/field"}],
        )
    with database().snapshot() as session:
        head = _head(session, register)
        person = keeper.vault.person(register, subject)
        if "key" in body:
            found = [keeping.mine(session, head, body["key"], person)]
        else:
            rows = personal.records(session, head["id"], person, "", MAX_RECORDS)
            found = [(row.key, row.number) for row in rows]
        answer = opening.holds(keeper, session, head, found, field.id, body["equals"])
        size = head["size"]
    shown = jsonify(register=register, field=field.id, answer=answer, **{"total-entries": size})
    return _about(shown, subject, keeper.declared.ask)


@_at("POST", "personal/records")
@scope("registers.append")
def add_record(register: str) -> Response:
    """Enter a new record about a person; its key is made at random."""
    return _change(register, None, json_body(ITEM)["item"])


@_at("PUT", "personal/records/<key:key>")
@scope("registers.append")
def change_record(register: str, key: str) -> Response:
    """Say something new in a record: another entry, with all of its values."""
    return _change(register, key, json_body(ITEM)["item"])


@_at("DELETE", "personal/records/<key:key>")
@scope("registers.append")
def erase_record(register: str, key: str) -> Response:
    """Erase the values of a record and their salts; the log and every proof stay as they are."""
    return _change(register, key, None)


def _change(register: str, key: str | None, values: Any) -> Response:
    keeper, subject = _keeper(register), _subject()
    _check_custodian(register)
    idempotency_key = _idempotency_key()
    asked = Asked(subject, access.token().client_id, idempotency_key, key, values)
    with database().transaction() as session:
        told = keeper.change(session, asked, _now())
    response = Response(told.body.encode(), 200 if key else 201, content_type=answers.JSON)
    response.headers["Location"] = answers.public_path(register, "entries", str(told.number))
    return _about(response, subject, keeper.declared.read)


@_at("POST", "personal/records/<key:key>/corrections")
@scope("registers.personal")
def ask_correction(register: str, key: str) -> Response:
    """Let a person ask for something in their record to be put right, or for it to be erased."""
    keeper, subject = _keeper(register), _subject()
    if not _is_own(subject):
        raise keeping.no_record()
    body, now, identifier = json_body(CORRECTION), _now(), str(uuid4())
    with database().transaction() as session:
        head = keeping.lock(session, register)
        _, number = keeping.mine(session, head, key, keeper.vault.person(register, subject))
        if "field" in body:
            current = keeper.current(session, head, key, number)
            _check_wanted(keeper, session, key, current, body)
        if personal.open_corrections(session, head["id"], key) >= MAX_CORRECTIONS:
            raise TooManyCorrections(
                f"{MAX_CORRECTIONS} corrections of this record wait for the custodian. Nothing was "
                "changed. Wait for an answer."
            )
        personal.ask_correction(
            session,
            id=identifier,
            register_id=head["id"],
            key=key,
            sealed_subject=keeper.vault.seal({"subject": subject}, register, identifier, "subject"),
            sealed=keeper.vault.seal(body, register, identifier),
            made=now,
        )
    shown = jsonify(id=identifier, made=moments.write(now), state=personal.OPEN, **body)
    shown.status_code = 201
    return _about(shown, subject, keeper.declared.read)


def _check_wanted(
    keeper: Keeper, session: Session, key: str, current: dict[str, Any], body: dict[str, Any]
) -> None:
    field = keeping.field_of(keeper.declared, body["field"])
    if field is None:
        known = ", ".join(one.id for one in keeper.declared.values)
        raise Invalid(
            "Nothing was asked: there is no such field.",
            errors=[{"detail": f"The record has {known}.", "pointer": "/field"}],
        )
    keeper.check(session, key, {**current, field.id: body["wanted"]})


@_at("GET", "corrections")
@scope("registers.append")
def list_corrections(register: str) -> Response:
    """List the corrections that wait for the custodian: whose they are, not what they say."""
    answers.check_query()
    keeper = _keeper(register)
    _check_custodian(register)
    with database().snapshot() as session:
        head = _head(session, register)
        waiting = [
            {
                "id": one.id,
                "key": one.key,
                "made": moments.write(one.made),
                **keeper.vault.open(one.sealed_subject, register, one.id, "subject"),
            }
            for one in personal.corrections(session, head["id"], only_open=True)
        ]
    return jsonify(corrections=waiting)


@_at("POST", "personal/corrections/<correction>")
@scope("registers.append")
def decide_correction(register: str, correction: str) -> Response:
    """Let the custodian accept or reject a correction; accepting appends it in the same step."""
    keeper, subject = _keeper(register), _subject()
    _check_custodian(register)
    body, now = json_body(DECISION), _now()
    with database().transaction() as session:
        head = keeping.lock(session, register)
        asked = personal.find_correction(session, head["id"], correction)
        if asked is None:
            raise keeping.no_record()
        person = keeper.vault.person(register, subject)
        key, number = keeping.mine(session, head, asked.key, person)
        if asked.state != personal.OPEN:
            raise CorrectionClosed(f"This correction was {asked.state} before. Nothing changed.")
        wanted = keeper.vault.open(asked.sealed, register, correction)
        asked.state = "accepted" if body["accept"] else "rejected"
        asked.decided = now
        asked.answer = keeper.vault.seal({"answer": body["answer"]}, register, correction, "answer")
        session.flush()
        shown: dict[str, Any] = {"id": correction, "key": key, "state": asked.state}
        if body["accept"] and "erase" in wanted:
            shown["entry-number"] = keeper.erase(session, head, key, now).number
        elif body["accept"]:
            values = keeper.current(session, head, key, number) | {
                wanted["field"]: wanted["wanted"]
            }
            told = keeper.enter(session, head, key, person, values, now)
            shown["entry-number"] = told.number
    return _about(jsonify(shown), subject, keeper.declared.read)


def check_forms() -> None:
    """Refuse the forms that personal registers do not have; runs before every view."""
    name = (request.view_args or {}).get("register")
    if name not in personal_registers() or request.blueprint == blueprint.name:
        return
    if request.blueprint in _FORMS_OFF or request.path.startswith(f"/registers/{name}/v1"):
        raise PersonalRegister(
            f"{name} is a personal register. It has no version 1, no registers serialisation "
            "format and no file to load, because these show values and cannot forget them. Its "
            f"log of commitments is at /registers/{name}/entries; a person's records are at "
            f"/registers/{name}/personal/records."
        )
    if request.method not in ("GET", "HEAD", "OPTIONS") and request.blueprint != "feeds":
        raise PersonalRegister(
            f"{name} is a personal register. It is changed at "
            f"/registers/{name}/personal/records only. Nothing was changed."
        )


def _keeper(register: str) -> Keeper:
    key = current_app.config["ATOLL_SETTINGS"].log_key
    if key is None:
        raise Unavailable("REGISTERS_LOG_KEY is not set, so personal registers cannot be opened.")
    return Keeper(personal_registers()[register], PersonalVault(key))


def _head(session: Session, register: str) -> RowMapping:
    found = heads.find_register(session, register)
    if found is None:
        raise keeping.no_register()
    return found


def _subject() -> str:
    """Return the person that the gateway let this call ask about.

    Without a purpose and a person the call did not come by a personal route; and own data is for
    the person alone: both are answered as if nothing were here.
    """
    subject, purpose = (
        request.headers.get("Atoll-Subject", ""),
        request.headers.get("Atoll-Purpose"),
    )
    if not subject or not purpose:
        raise keeping.no_record()
    if purpose == "own-data" and not _is_own(subject):
        raise keeping.no_record()
    return subject


def _is_own(subject: str) -> bool:
    token = access.token()
    return token.is_person and token.subject == subject


def _check_custodian(register: str) -> None:
    if f"registers:custodian:{register}" not in access.token().roles:
        raise NotCustodian(
            f"Only the custodian of {register} changes it. Your token has no role "
            f"registers:custodian:{register}."
        )


def _idempotency_key() -> str:
    text = request.headers.get("Idempotency-Key", "")
    if _IDEMPOTENCY_KEY.fullmatch(text) is None:
        raise IdempotencyKeyNeeded(
            "Send the header Idempotency-Key with a new random text (a UUID, 255 characters at "
            "most) for each change, and the same one when you repeat a request."
        )
    return text


def _about(response: Response, subject: str, category: str) -> Response:
    """Say whose data of which category the answer holds (wire section 4), and keep it nowhere."""
    response.headers["Atoll-Subject"] = subject
    response.headers["Atoll-Categories"] = category
    response.headers["Cache-Control"] = "no-store"
    return response


def _now() -> int:
    return int(clock().now().timestamp())
