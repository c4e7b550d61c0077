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
from servicekit.note import Signer

PEOPLE: Mapping[str, str] = {
    "aishath": "Aishath Demo",
    "ibrahim": "Ibrahim Demo",
    "mariyam": "Mariyam Demo",
    "hassan": "Hassan Demo",
    "zeena": "Zeena Demo",
}
# scopes: all of a program's; person_scopes: those that need somebody who signed in
CLIENTS: Mapping[str, Mapping[str, Any]] = {
    "portal": {
        "redirect_uris": ["/portal/callback"],
        "scopes": [
            "openid",
            "profile",
            "identity.contact",
            "identity.apps",
            "notify.inbox",
            "exchanges.own",
            "registers.read",
            "exchanges.overview",
            "platform.teach",
        ],
        "person_scopes": [
            *("openid", "profile", "identity.contact", "identity.apps"),
            *("notify.inbox", "exchanges.own"),
        ],
        "audience": ["identity", "registers", "notify", "gateway"],
    },
    "fisheries": {
        "scopes": ["registers.read", "registers.append", "identity.contact", "identity.consents"],
        "audience": ["registers", "identity"],
    },
    "island-council": {
        "redirect_uris": ["https://council.example/callback"],
        "scopes": [
            "openid",
            "profile",
            "identity.contact",
            "identity.consents",
            "registers.read",
            "registers.append",
        ],
        "person_scopes": ["openid", "profile"],
        "audience": ["registers", "identity"],
    },
    "ferry-operator": {
        "redirect_uris": ["https://ferry.example/callback"],
        "scopes": ["openid", "profile", "registers.read"],
        "person_scopes": ["openid", "profile"],
        "audience": ["registers", "identity"],
    },
    "statistics": {"scopes": ["registers.read"], "audience": ["registers"]},
    "health-agency": {"scopes": ["registers.read"], "audience": ["registers"]},
    "national-registration": {"scopes": ["registers.read"], "audience": ["registers"]},
    "sandbox": {
        "scopes": ["registers.read", "exchanges.overview"],
        "audience": ["registers", "gateway"],
    },
    "operator": {
        "scopes": [
            "platform.operate",
            "platform.observe",
            "identity.clients",
            "exchanges.overview",
            "exchanges.stream",
        ],
        "audience": ["gateway", "identity"],
    },
}
# departments and businesses that send messages, with the channels that they have templates for;
# `demo` is the one that the official notification clients' own checks use
NOTIFY_SERVICES: Mapping[str, tuple[str, ...]] = {
    "fisheries": ("sms", "email", "letter"),
    "island-council": ("sms", "email", "letter"),
    "ferry-operator": ("sms",),
    "identity": ("sms", "email"),
    "demo": ("sms", "email", "letter"),
}
API_KEYS = ("live", "team", "test")
# who runs a program that the portal can start: its clients, its messages, the person it serves
PROGRAMS: Mapping[str, Mapping[str, Any]] = {
    "fisheries": {"clients": ("fisheries",), "people": ()},
    "island-council": {
        "clients": ("island-council", "statistics", "health-agency", "national-registration"),
        "people": ("mariyam",),
    },
    "ferry-operator": {"clients": ("ferry-operator",), "people": ("ibrahim",)},
    "sandbox": {"clients": ("sandbox",), "people": ()},
}
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
        service: {
            "service_id": str(uuid.uuid4()),
            "api_keys": {
                name: {"id": str(uuid.uuid4()), "secret": str(uuid.uuid4())} for name in API_KEYS
            },
            "templates": {name: str(uuid.uuid4()) for name in channels},
            "sms_sender_id": str(uuid.uuid4()),
            "email_reply_to_id": str(uuid.uuid4()),
        }
        for service, channels in NOTIFY_SERVICES.items()
    }
    operator = _credentials(people, clients, notify)
    keys = {name: secrets.token_hex(32) for name in DATABASES}
    files: dict[str, dict[str, str]] = {
        name: {"database-url": database_url[name], "gateway-key": keys[name]} for name in DATABASES
    }
    files["gateway"] |= {
        "service-keys": json.dumps({name: keys[name] for name in SERVICES}, indent=2),
        "log-key": _data_key(),
        "checkpoint-key": _note_key(),
        "start-state": _demonstration(),
    }
    files["identity"] |= {
        "signing-key": _signing_key(),
        "data-key": _data_key(),
        "form-key": secrets.token_hex(32),
        "start-state": json.dumps({"people": people, "clients": clients}, indent=2),
        "notify": json.dumps(_for_identity(operator), indent=2),
    }
    subjects = {username: person["sub"] for username, person in people.items()}
    files["registers"] |= {
        "log-key": _data_key(),
        "start-state": json.dumps({"people": subjects}, indent=2),
    }
    files["notify"] |= {
        "data-key": _data_key(),
        "start-state": json.dumps(
            {
                "services": notify,
                "people": subjects,
            },
            indent=2,
        ),
    }
    files["portal"] |= {
        "form-key": secrets.token_hex(32),
        "data-key": _data_key(),
        "client-secret": clients["portal"]["client_secret"],
        "start-state": json.dumps(
            {"demonstration": {name: _for_program(operator, name) for name in PROGRAMS}}, indent=2
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
            {
                "client_id": client_id,
                **clients[client_id],
                "redirect_uris": client.get("redirect_uris", []),
                "scopes": client["scopes"],
                "person_scopes": client.get("person_scopes", []),
                "audience": [f"urn:atoll:{service}" for service in client["audience"]],
            }
            for client_id, client in CLIENTS.items()
        ],
        "notify": _keys(notify["fisheries"]),
        "notify_services": {name: _keys(service) for name, service in notify.items()},
    }


def _keys(service: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "service_id": service["service_id"],
        "api_keys": {
            name: f"{name}-{service['service_id']}-{key['secret']}"
            for name, key in service["api_keys"].items()
        },
        "templates": service["templates"],
        "sms_sender_id": service["sms_sender_id"],
        "email_reply_to_id": service["email_reply_to_id"],
    }


def _for_identity(credentials: Mapping[str, Any]) -> dict[str, Any]:
    service = credentials["notify_services"]["identity"]
    return {"api_key": service["api_keys"]["live"], "templates": service["templates"]}


def _for_program(credentials: Mapping[str, Any], name: str) -> dict[str, Any]:
    program = PROGRAMS[name]
    return {
        "clients": [c for c in credentials["clients"] if c["client_id"] in program["clients"]],
        "people": [p for p in credentials["people"] if p["username"] in program["people"]],
        "notify": credentials["notify_services"].get(name),
    }


def addressed(credentials: Mapping[str, Any], gateway: str) -> dict[str, Any]:
    """Return the stored credentials with the addresses of the platform that runs at ``gateway``."""
    clients = [
        {**each, "redirect_uris": [_address(uri, gateway) for uri in each["redirect_uris"]]}
        for each in credentials["clients"]
    ]
    issuer = f"{gateway}/identity"
    return {"gateway": gateway, "issuer": issuer, **credentials, "clients": clients}


def _address(uri: str, gateway: str) -> str:
    return gateway + uri if uri.startswith("/") else uri


def scram_verifier(password: str) -> str:
    """Return what PostgreSQL stores for a password (RFC 5803): then no SQL names the password."""
    salt, iterations = secrets.token_bytes(16), 4096
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(iterations, *parts)


def _note_key() -> str:
    """Make the key that signs the exchange log's heads, in the text form of C2SP signed-note.

    The gateway gives it the log's name, which follows from the public address.
    """
    return Signer.generate("exchanges").private_text()


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


def _demonstration() -> str:
    """Tell the gateway that this is one: its agreements are seeded, its levers are there."""
    return json.dumps({"demonstration": True})


# what came after the first platforms were made: setup gives it to those too
LATER = {
    ("gateway", "checkpoint-key"): _note_key,
    ("gateway", "start-state"): _demonstration,
    ("registers", "log-key"): _data_key,
}
