"""The references: every API with its operations, and every problem type explained."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from flask import Blueprint, render_template

from servicekit import access
from servicekit.problems import NotFound
from services.portal.answers import json_of, members
from services.portal.components import components
from services.portal.domain.contract import operations
from services.portal.panels import panel

pages = Blueprint("apis", __name__)
_OWN_CONTRACT = Path(__file__).parent.parent / "openapi.yaml"


@pages.get("/portal/apis")
@access.public
def list_apis() -> str:
    """List every API with one line."""
    return render_template("apis.html", apis=components().apis)


@pages.get("/portal/apis/<service>")
@access.public
def show_api(service: str) -> str:
    """Show one API's operations as its OpenAPI document declares them."""
    apis, public_url = components().apis, components().settings.public_url
    if service not in apis:
        raise NotFound("There is no such API. The list is at /portal/apis.")
    document = panel(lambda: _document(service))
    return render_template(
        "api.html",
        service=service,
        api=apis[service],
        curl=apis[service]["curl"].format(public=public_url),
        document=document,
        operations=operations(document.value or {}, public_url),
        public_url=public_url,
    )


@cache
def _own_contract() -> Any:
    return yaml.safe_load(_OWN_CONTRACT.read_text(encoding="utf-8"))


def _document(service: str) -> Any:
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
