"""The references: every API with its operations, and every problem type explained."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from flask import Blueprint, render_template, request

from servicekit import access
from servicekit.problems import NotFound
from services.portal.answers import json_of, members
from services.portal.browser import check_form, viewer
from services.portal.components import components
from services.portal.domain.contract import Call, Operation, operations
from services.portal.domain.samples import samples
from services.portal.panels import panel
from services.portal.sessions import SCOPES
from services.portal.trier import Token

pages = Blueprint("apis", __name__)
_MAX_FIELD = 65_536
_OWN_CONTRACT = Path(__file__).parent.parent / "openapi.yaml"


@pages.get("/portal/apis")
@access.public
def list_apis() -> str:
    """Show developers where to begin, and every API with one line."""
    found = components()
    return render_template(
        "apis.html",
        apis=found.apis,
        states=panel(found.exchanges.health),
        can_try=found.trier is not None,
    )


@pages.get("/portal/apis/<service>")
@access.public
def show_api(service: str) -> str:
    """Show one API's operations as its OpenAPI document declares them."""
    apis, public_url = components().apis, components().settings.public_url
    if service not in apis:
        raise NotFound("There is no such API. The list is at /portal/apis.")
    document = panel(lambda: document_of(service))
    return render_template(
        "api.html",
        service=service,
        api=apis[service],
        curl=apis[service]["curl"].format(public=public_url),
        document=document,
        operations=operations(document.value or {}),
    )


@pages.get("/portal/apis/<service>/<operation_id>")
@access.public
def show_operation(service: str, operation_id: str) -> str:
    """Show one operation: a form to try it, and the same call to paste."""
    operation = _operation(service, operation_id)
    if operation is None:
        return show_api(service)
    return _operation_page(service, operation, operation.examples(), None)


@pages.post("/portal/apis/<service>/<operation_id>")
@access.public
def try_operation(service: str, operation_id: str) -> str | tuple[str, int]:
    """Try the operation with what the form says and show what came back."""
    check_form()
    operation = _operation(service, operation_id)
    if operation is None:
        return show_api(service), 503
    if components().trier is None:
        raise NotFound("This platform has no demonstration, so nothing is tried from here.")
    values = {name: value[:_MAX_FIELD] for name, value in request.form.items()}
    return _operation_page(service, operation, values, values)


def _operation_page(
    service: str, operation: Operation, values: dict[str, str], given: dict[str, str] | None
) -> str:
    call, missing, token, tried = None, "", None, None
    try:
        call = operation.filled(values)
    except KeyError as parameter:
        missing = str(parameter.args[0])
    found = panel(lambda: _token(service, operation))
    token = found.value
    trier = components().trier
    if call and trier and given is not None:
        tried = trier.run(call, token)
    return render_template(
        "operation.html",
        service=service,
        operation=operation,
        values=values,
        missing=missing if given is not None else "",
        token=token,
        token_trouble=found,
        tried=tried,
        can_try=trier is not None,
        needs_person=_needs_person(operation, token),
        samples=_samples(call, token),
    )


def _samples(call: Call | None, token: Token | None) -> dict[str, str]:
    if call is None:
        return {}
    shown = token.text if token and token.whose != "person" else "$TOKEN" if token else None
    return dict(samples(call, components().settings.public_url, shown))


def _token(service: str, operation: Operation) -> Token | None:
    """Return a token for the operation: the sandbox's, else the signed-in person's own."""
    if operation.scopes is None:
        return None
    found = components()
    token = found.trier.token(service, operation, found.sandbox_scopes) if found.trier else None
    who = viewer()
    if token is None and who is not None:
        for scope in _person_scopes(operation):
            return Token(found.sessions.token(who, service, scope), "person")
    return token


def _needs_person(operation: Operation, token: Token | None) -> bool:
    return token is None and bool(_person_scopes(operation))


def _person_scopes(operation: Operation) -> list[str]:
    return [scope for scope in operation.scopes or () if scope in SCOPES.split()]


def _operation(service: str, operation_id: str) -> Operation | None:
    """Return the operation; None while the component that declares it cannot be asked."""
    if service not in components().apis:
        raise NotFound("There is no such API. The list is at /portal/apis.")
    document = panel(lambda: document_of(service))
    if document.trouble:
        return None
    for operation in operations(document.value or {}):
        if operation.id == operation_id:
            return operation
    raise NotFound(f"There is no such operation. The list is at /portal/apis/{service}.")


@cache
def _own_contract() -> Any:
    return yaml.safe_load(_OWN_CONTRACT.read_text(encoding="utf-8"))


def document_of(service: str) -> Any:
    """Return a component's OpenAPI document as it serves it now."""
    if service == "portal":  # asking ourselves through the gateway would only occupy a thread
        return _own_contract()
    return members(json_of(components().corridor.send("GET", f"/{service}/openapi.json")))


@pages.get("/portal/problems")
@access.public
def list_problems() -> str:
    """List every problem type."""
    return render_template("problems.html", problems=components().problems)


@pages.get("/portal/problems/<slug>")
@access.public
def show_problem_type(slug: str) -> str:
    """Explain one problem type: what it means and what to do."""
    found = components().problems.get(slug)
    if found is None:
        raise NotFound("There is no such problem type. The list is at /portal/problems.")
    return render_template("problem_type.html", slug=slug, explained=found)
