"""Keeping registers: creating, declaring fields, publishing, archiving, naming who keeps them."""

import json
from typing import Any

from flask import Blueprint, Response, request

from servicekit import access
from servicekit.access import scope
from servicekit.problems import Invalid
from servicekit.schema import json_body
from services.registers import governing, minting, reviewing
from services.registers.domain import governance, keys
from services.registers.routes import answers, roles, writing
from services.registers.routes.state import clock, database, register_or_404
from services.registers.storage import heads, proposals

blueprint = Blueprint("administration", __name__, url_prefix="/registers")

MAX_BODY_BYTES = 512 * 1024
_TEXTS = {
    "type": "object",
    "properties": {"en": writing.TEXT, "dv": writing.TEXT},
    "minProperties": 1,
    "additionalProperties": False,
}
_FIELD = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "maxLength": keys.MAX_KEY_LENGTH},
        "datatype": {"type": "string"},
        "cardinality": {"enum": ["1", "n"]},
        "title": _TEXTS,
        "description": _TEXTS,
        "format": {"type": "string"},
        "register": {"type": "string"},
    },
    "required": ["id"],
    "additionalProperties": False,
}
_FIELDS = {"type": "array", "items": _FIELD, "maxItems": 200}
_GOVERNANCE = {
    "type": "object",
    "properties": {
        name: {"type": "string", "maxLength": 1000}
        for name in (*governance.NAMES, "custodian", "licence")
    },
    "additionalProperties": False,
}
_OWN = {
    "title": _TEXTS,
    "description": _TEXTS,
    "governance": _GOVERNANCE,
    "review": {"type": "boolean"},
    "phase": {"enum": ["discovery", "alpha", "beta", "live"]},
}
_REASON = {"reason": writing.REASON}
CREATE = {
    "type": "object",
    "properties": {
        **_OWN,
        "id": {"type": "string", "maxLength": 100},
        "fields": {**_FIELDS, "minItems": 1},
        "synthetic": {"type": "boolean"},
        "source": {"type": "string", "maxLength": 2000},
    },
    "required": ["id", "title", "fields"],
    "additionalProperties": False,
}
BODIES: dict[str, dict[str, Any]] = {
    "fields": {
        "properties": {
            "fields": _FIELDS,
            "remove": {"type": "array", "items": {"type": "string"}, "maxItems": 200},
        },
    },
    "governance": {"properties": _OWN},
    "status": {
        "properties": {"status": {"enum": ["published", "archived"]}},
        "required": ["status"],
    },
}


@blueprint.post("")
@scope("registers.append")
def create() -> Response:
    """Create a register as a draft; its id must be one that the token's role names."""
    request.max_content_length = MAX_BODY_BYTES
    new = json_body(CREATE)
    name = new["id"]
    roles.check_custodian(name, "creates it")
    key, client = writing.idempotency_key(), access.token().client_id
    with database().transaction() as session:
        head = heads.lock_register(session, name) if keys.is_name(name) else None
        if head is not None:
            digest = governing.digest_of(["create", new])
            told = minting.told_before(session, head["id"], client, key, digest)
            body = None if told is None else str(told.body)
        if head is None or body is None:
            head = governing.create(session, new, _now())
            body = writing.once(
                session, head["id"], client, key, ["create", new],
                lambda: governing.describe(head),
            )  # fmt: skip
    return writing.answer(body, 201, answers.public_path(name, "administration"))


@blueprint.get("/administration")
@scope("registers.append", roles.OPERATOR)
def own_registers() -> Response:
    """List the registers that the caller keeps or approves for, drafts included."""
    answers.check_query()
    token = access.token()
    with database().snapshot() as session:
        found = [
            {**governing.describe(each), "open-proposals": _open(session, each)}
            for each in heads.all_registers(session, drafts=True)
            if roles.sees(token, each["name"]) or roles.OPERATOR in token.scopes
        ]
    body = [
        {
            "keeps": roles.keeps(token, each["register"]),
            "approves": roles.APPROVER + each["register"] in token.roles,
            **each,
        }
        for each in found
    ]
    return writing.answer(json.dumps({"registers": body}, ensure_ascii=False), 200)


@blueprint.get("/<register>/administration")
@scope("registers.append", roles.OPERATOR)
def administration(register: str) -> Response:
    """Say how a register is kept: its state, its fields, what it lacks to be published."""
    answers.check_query()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        if roles.OPERATOR not in access.token().scopes:
            roles.check_insider(register)
        body = {**governing.describe(found), "open-proposals": _open(session, found)}
    response = writing.answer(json.dumps(body, ensure_ascii=False), 200)
    response.set_etag(governing.tag(found))
    return response


@blueprint.post("/<register>/fields")
@scope("registers.append")
def change_fields(register: str) -> Response:
    """Declare new fields; what a field is never changes."""
    return _change(register, "fields")


@blueprint.post("/<register>/governance")
@scope("registers.append")
def change_governance(register: str) -> Response:
    """Say who is responsible for a register, on which basis, and how it is kept."""
    return _change(register, "governance")


@blueprint.post("/<register>/status")
@scope("registers.append")
def change_status(register: str) -> Response:
    """Publish a register, or archive it."""
    return _change(register, "status")


def _change(register: str, kind: str) -> Response:
    request.max_content_length = MAX_BODY_BYTES
    shape = BODIES[kind]
    with database().snapshot() as session:
        register_or_404(session, register)
    roles.check_custodian(register)
    body = json_body(
        {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            **shape,
            "properties": {**shape["properties"], **_REASON},
        }
    )
    reason = body.pop("reason", "")
    if not body:
        raise Invalid(
            "Nothing was changed.", errors=[{"detail": "Say what to change.", "pointer": ""}]
        )
    key, expected, by = writing.idempotency_key(), writing.expected_tag(), roles.by()
    with database().transaction() as session:
        head = governing.lock(session, register)

        def act() -> dict[str, Any]:
            governing.check_tag(head, expected)
            if head["state"] != governance.DRAFT and not reason:
                raise Invalid(
                    "Nothing was changed: readers want to know why.",
                    errors=[{"detail": "Give the reason.", "pointer": "/reason"}],
                )
            if reviewing.needed(head, kind, body):
                governing.try_out(session, head, kind, body)
                found = reviewing.propose(session, head, kind, body, reason, by, _now())
                return {"proposal": reviewing.describe(session, head, found, by)}
            return governing.change(session, head, kind, body, reason=reason, now=_now())

        told = writing.once(session, head["id"], by.client_id, key, [kind, body, reason], act)
    return _told(register, told)


def _told(register: str, told: str) -> Response:
    proposal = json.loads(told).get("proposal")
    if proposal is None:
        return writing.answer(told, 200)
    return writing.answer(told, 202, answers.public_path(register, "proposals", proposal["id"]))


def _open(session: Any, found: Any) -> int:
    return len(proposals.page(session, found["id"], proposals.OPEN, reviewing.MAX_OPEN))


def _now() -> int:
    return int(clock().now().timestamp())
