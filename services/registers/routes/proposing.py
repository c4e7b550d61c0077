"""Proposals: listed for custodians and approvers, never decided on by who made them."""

import json
from collections.abc import Callable

from flask import Blueprint, Response, request
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from servicekit import access
from servicekit.access import scope
from servicekit.problems import Malformed
from servicekit.schema import json_body
from services.registers import governing, reviewing
from services.registers.reviewing import By, Found
from services.registers.routes import answers, roles, writing
from services.registers.routes.state import clock, database, register_or_404
from services.registers.storage import proposals

blueprint = Blueprint("proposing", __name__, url_prefix="/registers/<register>/proposals")

STATES = ("open", "approved", "rejected", "withdrawn")
MOST_LISTED = 200
Decide = Callable[[Session, RowMapping, str, By, str, int], Found]


@blueprint.get("")
@scope("registers.append", roles.OPERATOR)
def list_proposals(register: str) -> Response:
    """List proposals, the newest first; with ``state`` those in one state."""
    answers.check_query("state")
    state = request.args.get("state")
    if state not in (None, *STATES):
        raise Malformed(f"state is one of {', '.join(STATES)}.")
    with database().snapshot() as session:
        found = _register(session, register)
        listed = [
            reviewing.describe(session, found, each, roles.by())
            for each in proposals.page(session, found["id"], state, MOST_LISTED)
        ]
    return writing.answer(json.dumps({"proposals": listed}, ensure_ascii=False), 200)


@blueprint.get("/<identifier>")
@scope("registers.append", roles.OPERATOR)
def show(register: str, identifier: str) -> Response:
    """Show one proposal: what would change, and why."""
    answers.check_query()
    with database().snapshot() as session:
        found = _register(session, register)
        proposal = reviewing.find(session, found["id"], identifier)
        body = reviewing.describe(session, found, proposal, roles.by())
    return writing.answer(json.dumps(body, ensure_ascii=False), 200)


@blueprint.post("/<identifier>/approve")
@scope("registers.append")
def approve(register: str, identifier: str) -> Response:
    """Let what was proposed become entries."""
    return _decide(register, identifier, roles.check_approver, reviewing.approve)


@blueprint.post("/<identifier>/reject")
@scope("registers.append")
def reject(register: str, identifier: str) -> Response:
    """Turn a proposal down; the reason is needed."""
    return _decide(register, identifier, roles.check_approver, reviewing.reject, needs_reason=True)


@blueprint.post("/<identifier>/withdraw")
@scope("registers.append")
def withdraw(register: str, identifier: str) -> Response:
    """Take one's own proposal back."""
    return _decide(register, identifier, roles.check_custodian, reviewing.withdraw)


def _decide(
    register: str,
    identifier: str,
    check: Callable[[str], None],
    decide: Decide,
    *,
    needs_reason: bool = False,
) -> Response:
    with database().snapshot() as session:
        register_or_404(session, register)
    check(register)
    body = json_body(
        {
            "type": "object",
            "properties": {"reason": writing.REASON},
            "required": ["reason"] if needs_reason else [],
            "additionalProperties": False,
        }
    )
    now = int(clock().now().timestamp())
    with database().transaction() as session:
        head = governing.lock(session, register)
        found = decide(session, head, identifier, roles.by(), body.get("reason", ""), now)
        told = reviewing.describe(session, head, found, roles.by())
    return writing.answer(json.dumps(told, ensure_ascii=False), 200)


def _register(session: Session, register: str) -> RowMapping:
    found = register_or_404(session, register)
    if roles.OPERATOR not in access.token().scopes:
        roles.check_insider(register)
    return found
