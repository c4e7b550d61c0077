"""Who keeps and who approves for a register: roles in the token (``registers:custodian:ID``)."""

from flask import Response, g, request

from servicekit import access
from servicekit.problems import Problem
from servicekit.tokens import Token, check_confirmation, credentials
from services.registers.problems import NotApprover, NotCustodian
from services.registers.reviewing import By

OPERATOR = "platform.operate"
CUSTODIAN, APPROVER = "registers:custodian:", "registers:approver:"


def keeps(token: Token, register: str) -> bool:
    """Tell whether a token is of the register's custodian."""
    return CUSTODIAN + register in token.roles


def sees(token: Token, register: str) -> bool:
    """Tell whether a token is of somebody who keeps or approves for the register."""
    return keeps(token, register) or APPROVER + register in token.roles


def by() -> By:
    """Return who acts in this request."""
    token = access.token()
    return By(token.subject, token.client_id, token.actors)


def check_custodian(register: str, action: str = "changes it") -> None:
    """Refuse everyone but the custodian of a register."""
    if not keeps(access.token(), register):
        raise NotCustodian(
            f"Only the custodian of {register} {action}. Your token has no role "
            f"{CUSTODIAN}{register}."
        )


def check_approver(register: str) -> None:
    """Refuse everyone but an approver of a register."""
    if APPROVER + register not in access.token().roles:
        raise NotApprover(
            f"Only an approver of {register} decides on proposals. Your token has no role "
            f"{APPROVER}{register}."
        )


def check_insider(register: str) -> None:
    """Refuse everyone but the custodian and the approvers of a register."""
    if not sees(access.token(), register):
        raise NotCustodian(
            f"Only who keeps {register} or approves for it sees this. Your token has neither the "
            f"role {CUSTODIAN}{register} nor {APPROVER}{register}."
        )


def may_see_draft(register: str) -> bool:
    """Tell whether the caller of a public address sees this draft; the answer is not kept."""
    token = _token()
    seen = token is not None and (sees(token, register) or OPERATOR in token.scopes)
    if seen:
        g.registers_private = True
    return seen


def keep_private(response: Response) -> Response:
    """Let nobody keep an answer that shows a draft."""
    if g.get("registers_private"):
        response.headers["Cache-Control"] = "private, no-store"
        response.headers.pop("Access-Control-Allow-Origin", None)
    return response


def _token() -> Token | None:
    if "atoll_token" in g:
        return access.token()
    header = request.headers.get("Authorization")
    if not header:
        return None
    try:
        given = credentials(header)
        token = access.verifier().verify(given.token, "urn:atoll:registers")
        check_confirmation(token, given.scheme, access.proof_of_request(given.token))
    except Problem:  # whoever shows no good token sees what everyone sees
        return None
    return token
