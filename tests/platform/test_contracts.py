"""Contracts: views declare access, OpenAPI equals routes, migrations equal models."""

import importlib
import json
import re
import secrets
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from openapi_spec_validator import validate

from gateway.routing import load_routes
from servicekit import access, migrate
from servicekit.database import Database
from servicekit.problems import NotFound
from servicekit.settings import load
from tests.platform.layout import PACKAGES, SERVICES, folder

UNDOCUMENTED = re.compile(r"/healthz|/readyz|.*/operate/reset|.*/openapi\.json|.*/static/.*")


def environment(package: str, url: str) -> dict[str, str]:
    """Settings with which a package starts on an empty database."""
    prefix = package.rpartition(".")[2].upper()
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    data_key = urlsafe_b64encode(secrets.token_bytes(32)).decode()
    values = {
        "DATABASE_URL": url,
        "GATEWAY_KEY": secrets.token_hex(32),
        "SIGNING_KEY": key.decode(),
        "DATA_KEY": data_key,
        "LOG_KEY": data_key,
        "FORM_KEY": secrets.token_hex(32),
        "CLIENT_SECRET": secrets.token_hex(16),
        "SERVICE_KEYS": json.dumps(dict.fromkeys(_names(), "k" * 64)),
        "UPSTREAMS": ",".join(f"{name}=http://127.0.0.1:9" for name in _names()),
    }
    return {f"{prefix}_{name}": value for name, value in values.items()}


def _names() -> list[str]:
    return [name.removeprefix("services.") for name in SERVICES]


def flask_app(package: str, tmp_path: Path) -> Flask:
    """Create a package's Flask application on a new SQLite file."""
    url = f"sqlite:///{tmp_path / 'app.db'}"
    module = importlib.import_module(f"{package}.settings")
    prefix = package.rpartition(".")[2].upper()
    settings = load(module.Settings, prefix, environment(package, url))
    database = Database(url)
    migrate.upgrade(package, database)
    database.dispose()
    app_module = importlib.import_module(f"{package}.app")
    app = app_module.create_app(settings)
    if package == "gateway":  # its own Flask application is mounted beside the data plane
        app = app.own.app
    assert isinstance(app, Flask)
    return app


@pytest.mark.parametrize("package", PACKAGES)
def test_every_view_declares_who_may_call_it(package: str, tmp_path: Path) -> None:
    app = flask_app(package, tmp_path)
    unmarked = [name for name, view in app.view_functions.items() if access.access_of(view) is None]
    assert not unmarked, f"{package}: {unmarked}"


@pytest.mark.parametrize("package", PACKAGES)
def test_the_contract_is_the_routes(package: str, tmp_path: Path) -> None:
    document = contract(package)
    validate(document)
    declared = {
        (method.upper(), _shape(path))
        for path, item in document["paths"].items()
        for method in item
        if method in {"get", "post", "put", "patch", "delete"}
        and not UNDOCUMENTED.fullmatch(path)  # the gateway documents them: there they are its API
    }
    served = {
        (method, _shape(rule.rule))
        for rule in flask_app(package, tmp_path).url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not UNDOCUMENTED.fullmatch(rule.rule)
    }
    assert declared == served


@pytest.mark.parametrize("package", PACKAGES)
def test_every_operation_says_what_it_does(package: str) -> None:
    for path, item in contract(package)["paths"].items():
        for method, operation in item.items():
            if method in {"get", "post", "put", "patch", "delete"}:
                assert operation.get("summary"), f"{package}: {method} {path}"
                assert operation.get("responses"), f"{package}: {method} {path}"


@pytest.mark.parametrize("package", PACKAGES)
def test_migrations_make_the_models(package: str, database: Database) -> None:
    migrate.upgrade(package, database)
    assert migrate.differences(package, database) == []


def contract(package: str) -> dict[str, Any]:
    document = yaml.safe_load((folder(package) / "openapi.yaml").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def _shape(path: str) -> str:
    return re.sub(r"<[^>]+>|\{[^}]+\}", "{}", path)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_operation_can_be_reached_through_the_door(package: str, tmp_path: Path) -> None:
    """What a contract offers has a route to that service; what is the gateway's own has none."""
    table = load_routes(folder("gateway") / "routes.yaml")
    app = flask_app(package, tmp_path)
    hidden = {
        _shape(rule.rule)
        for rule in app.url_map.iter_rules()
        if isinstance(access.access_of(app.view_functions[rule.endpoint]), access.GatewayOnly)
    }
    for path, item in contract(package)["paths"].items():
        address = re.sub(r"\{[^}]+\}", "x", path).encode()
        for method in item:
            if method not in {"get", "post", "put", "patch", "delete"}:
                continue
            if _shape(path) in hidden:
                with pytest.raises(NotFound):
                    table.match(method.upper(), address)
            else:
                match = table.match(method.upper(), address)
                assert match.route.service == package.rpartition(".")[2], f"{method} {path}"
