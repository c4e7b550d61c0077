"""The start state's identifiers and secrets: who exists, what each may do, and how keys are made.

Names and texts are in the seed files of the services; only ids, passwords and keys are made here.
"""

import base64
import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from atoll.components import DATABASES, SERVICES

PEOPLE: Mapping[str, str] = {
    "aishath": "Aishath Demo",
    "ibrahim": "Ibrahim Demo",
    "mariyam": "Mariyam Demo",
    "hassan": "Hassan Demo",
    "zeena": "Zeena Demo",
}
CLIENTS: Mapping[str, Mapping[str, Any]] = {
    "portal": {
        "redirect_uris": ["/portal/callback"],
        "scopes": [
            "openid",
            "profile",
            "identity.contact",
            "notify.inbox",
            "exchanges.own",
            "registers.read",
            "exchanges.overview",
        ],
        "audience": [
            "urn:atoll:identity",
            "urn:atoll:registers",
            "urn:atoll:notify",
            "urn:atoll:gateway",
        ],
    },
    "fisheries": {
        "redirect_uris": [],
        "scopes": ["registers.read", "registers.append", "identity.contact", "identity.consents"],
        "audience": ["urn:atoll:registers", "urn:atoll:identity"],
    },
    "operator": {
        "redirect_uris": [],
        "scopes": ["platform.operate"],
        "audience": ["urn:atoll:gateway"],
    },
}
API_KEYS = ("live", "team", "test")
TEMPLATES = ("sms", "email", "letter")
SQLITE = "sqlite"


def make(database_url: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return every secret file of a new platform: folder → file name → content.

    database_url: the address of each service's own database.
    """
    people = {
        username: {
            "sub": base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("="),
            "password": secrets.token_urlsafe(12),
            "totp_secret": base64.b32encode(secrets.token_bytes(20)).decode(),
        }
        for username in PEOPLE
    }
    clients = {client_id: {"client_secret": secrets.token_urlsafe(32)} for client_id in CLIENTS}
    notify = {
        "service_id": str(uuid.uuid4()),
        "api_keys": {
            name: {"id": str(uuid.uuid4()), "secret": str(uuid.uuid4())} for name in API_KEYS
        },
        "templates": {name: str(uuid.uuid4()) for name in TEMPLATES},
    }
    operator = _credentials(people, clients, notify)
    keys = {name: secrets.token_hex(32) for name in DATABASES}
    files: dict[str, dict[str, str]] = {
        name: {"database-url": database_url[name], "gateway-key": keys[name]} for name in DATABASES
    }
    files["gateway"] |= {
        "service-keys": json.dumps({name: keys[name] for name in SERVICES}, indent=2),
        "log-key": _data_key(),
    }
    files["identity"] |= {
        "signing-key": _signing_key(),
        "data-key": _data_key(),
        "form-key": secrets.token_hex(32),
        "start-state": json.dumps({"people": people, "clients": clients}, indent=2),
    }
    files["notify"] |= {
        "data-key": _data_key(),
        "start-state": json.dumps(
            {
                "services": {"fisheries": notify},
                "people": {username: person["sub"] for username, person in people.items()},
            },
            indent=2,
        ),
    }
    files["portal"] |= {
        "form-key": secrets.token_hex(32),
        "data-key": _data_key(),
        "client-secret": clients["portal"]["client_secret"],
        "start-state": json.dumps(
            {"demonstration": {"fisheries": _for_fisheries(operator)}}, indent=2
        ),
    }
    files["operator"] = {"credentials.json": json.dumps(operator, indent=2)}
    return files


def _credentials(
    people: Mapping[str, Any], clients: Mapping[str, Any], notify: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "people": [
            {
                "username": username,
                "password": people[username]["password"],
                "totp_secret": people[username]["totp_secret"],
                "name": name,
            }
            for username, name in PEOPLE.items()
        ],
        "clients": [
            {"client_id": client_id, **clients[client_id], **CLIENTS[client_id]}
            for client_id in CLIENTS
        ],
        "notify": {
            "service_id": notify["service_id"],
            "api_keys": {
                name: f"{name}-{notify['service_id']}-{key['secret']}"
                for name, key in notify["api_keys"].items()
            },
            "templates": notify["templates"],
        },
    }


def _for_fisheries(credentials: Mapping[str, Any]) -> dict[str, Any]:
    clients = [each for each in credentials["clients"] if each["client_id"] == "fisheries"]
    return {"clients": clients, "notify": credentials["notify"]}


def addressed(credentials: Mapping[str, Any], gateway: str) -> dict[str, Any]:
    """Return the stored credentials with the addresses of the platform that runs at ``gateway``."""
    clients = [
        {**each, "redirect_uris": [f"{gateway}{path}" for path in each["redirect_uris"]]}
        for each in credentials["clients"]
    ]
    issuer = f"{gateway}/identity"
    return {"gateway": gateway, "issuer": issuer, **credentials, "clients": clients}


def scram_verifier(password: str) -> str:
    """Return what PostgreSQL stores for a password (RFC 5803): then no SQL names the password."""
    salt, iterations = secrets.token_bytes(16), 4096
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(iterations, *parts)


def _data_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _signing_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )
