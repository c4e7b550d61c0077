"""A service's API keys and settings, as far as its own keys may change them."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from flask import Response, jsonify

from services.notify import schemas
from services.notify.access import caller, notify_key, notify_key_for
from services.notify.components import components
from services.notify.domain import credentials, keeping
from services.notify.domain.moments import moment
from services.notify.errors import BadRequestError, NoResultFound, ValidationError
from services.notify.routes.blueprint import v2
from services.notify.storage import services
from services.notify.storage.tables import ApiKey

_LIFE: dict[str, Any] = {
    "expires_in_days": {"type": ["integer", "null"], "minimum": 1, "maximum": 3650},
    "scopes": {
        "type": ["array", "null"],
        "items": {"enum": list(credentials.SCOPES)},
        "uniqueItems": True,
    },
    "networks": {"type": ["array", "null"], "items": {"type": "string"}, "maxItems": 100},
}
ROTATE = {
    "type": "object",
    "properties": {"overlap_hours": {"type": "integer", "minimum": 0, "maximum": 168}} | _LIFE,
    "additionalProperties": False,
}
CHANGE = {"type": "object", "properties": _LIFE, "additionalProperties": False}
RETENTION = {
    "type": "object",
    "properties": {
        channel: {"type": "integer", "minimum": keeping.SHORTEST, "maximum": keeping.LONGEST}
        for channel in ("sms", "email", "letter")
    },
    "additionalProperties": False,
}
KEY_ID = {"type": "object", "properties": {"key_id": schemas.UUID_TEXT}}


@v2.get("/v2/api-keys")
@notify_key_for("manage")
def list_keys() -> Response:
    """Return the service's keys without their secrets."""
    parts = components()
    with parts.database.snapshot() as session:
        rows = services.keys(session, caller().service.id, parts.clock.now())
    return jsonify(api_keys=[_shown(row) for row in rows])


@v2.post("/v2/api-keys/rotate")
@notify_key
def rotate_key() -> tuple[Response, int]:
    """Make a new key like the one that signed this call, which ends after the overlap."""
    body = schemas.check(schemas.body(), ROTATE)
    parts, sender = components(), caller()
    now = parts.clock.now()
    overlap = timedelta(hours=body.get("overlap_hours", 24))
    new_id, secret = str(uuid4()), str(uuid4())
    with parts.database.transaction() as session:
        old = services.key(session, sender.service.id, sender.key_id)
        if old is None:
            raise NoResultFound
        name = f"{old.name.partition('~')[0]}~{now:%Y%m%d%H%M%S}"
        life = _life(body)
        _check_narrower(old, life)
        services.add_key(
            session,
            **{
                "expires_at": now + (old.expires_at - old.created_at) if old.expires_at else None,
                "scopes": old.scopes,
                "networks": old.networks,
                **life,
                "id": new_id,
                "service_id": sender.service.id,
                "name": name,
                "key_type": old.key_type,
                "sealed_secret": parts.vault.seal(f"api_key/{new_id}", secret),
                "created_at": now,
            },
        )
        ends_at = min(filter(None, (old.expires_at, now + overlap)))
        services.change_key(session, old.id, expires_at=ends_at)
        new = services.key(session, sender.service.id, new_id)
    if new is None:
        raise NoResultFound
    answer = _shown(new) | {
        "key": f"{name}-{sender.service.id}-{secret}",
        "replaces": {"id": old.id, "expires_at": moment(ends_at)},
    }
    return jsonify(answer), 201


@v2.patch("/v2/api-keys/<key_id>")
@notify_key_for("manage")
def change_key(key_id: str) -> Response:
    """Change when a key ends, what it may do and from where."""
    wanted = schemas.uuid(KEY_ID, "key_id", key_id)
    body = schemas.check(schemas.body(), CHANGE)
    sender = caller()
    with components().database.transaction() as session:
        if services.key(session, sender.service.id, wanted) is None:
            raise NoResultFound
        own = services.key(session, sender.service.id, sender.key_id)
        life = _life(body)
        if own is not None:
            _check_narrower(own, life)
        if life:
            services.change_key(session, wanted, **life)
        session.expire_all()
        row = services.key(session, sender.service.id, wanted)
    if row is None:
        raise NoResultFound
    return jsonify(_shown(row))


@v2.delete("/v2/api-keys/<key_id>")
@notify_key_for("manage")
def revoke_key(key_id: str) -> tuple[str, int]:
    """Revoke a key at once; the one that signs this call cannot revoke itself."""
    wanted = schemas.uuid(KEY_ID, "key_id", key_id)
    parts, sender = components(), caller()
    if wanted == sender.key_id:
        raise BadRequestError("A key cannot revoke itself. Use another one.")
    with parts.database.transaction() as session:
        row = services.key(session, sender.service.id, wanted)
        if row is None:
            raise NoResultFound
        if row.revoked_at is None:
            services.change_key(session, wanted, revoked_at=parts.clock.now())
    return "", 204


@v2.get("/v2/retention")
@notify_key_for("manage")
def show_retention() -> Response:
    """Return for how many days messages are kept."""
    kept = caller().service.retention
    return jsonify({c: keeping.days(kept, c) for c in ("sms", "email", "letter")})


@v2.patch("/v2/retention")
@notify_key_for("manage")
def change_retention() -> Response:
    """Say for how many days messages are kept, 3 to 90."""
    body = schemas.check(schemas.body(), RETENTION)
    service = caller().service
    kept = service.retention | body
    with components().database.transaction() as session:
        services.change(session, service.id, retention=kept)
    return jsonify({c: keeping.days(kept, c) for c in ("sms", "email", "letter")})


def _life(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "expires_in_days" in body:
        days = body["expires_in_days"]
        now = components().clock.now()
        found["expires_at"] = None if days is None else now + timedelta(days=days)
    if "scopes" in body:
        found["scopes"] = body["scopes"]
    if "networks" in body:
        try:
            listed = body["networks"]
            found["networks"] = None if listed is None else [credentials.network(n) for n in listed]
        except ValueError:
            raise ValidationError("networks must be IP addresses or networks") from None
    return found


def _check_narrower(own: ApiKey, life: dict[str, Any]) -> None:
    """Refuse to give another key, or its successor, more than the key that asks has."""
    if "scopes" in life and own.scopes is not None:
        wanted = life["scopes"]
        if wanted is None or not set(wanted) <= set(own.scopes):
            raise BadRequestError("A key cannot give more scopes than it has", status=403)
    if "expires_at" in life and own.expires_at is not None:
        wanted_end, longest = life["expires_at"], own.expires_at - own.created_at
        if wanted_end is None or wanted_end - components().clock.now() > longest:
            raise BadRequestError("A key cannot give a longer life than it has", status=403)
    if "networks" in life and own.networks is not None and life["networks"] != own.networks:
        raise BadRequestError("A key that is bound to networks cannot change them", status=403)


def _shown(row: ApiKey) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "key_type": row.key_type,
        "created_at": moment(row.created_at),
        "expires_at": moment(row.expires_at),
        "revoked_at": moment(row.revoked_at),
        "last_used_at": moment(row.last_used_at),
        "scopes": row.scopes,
        "networks": row.networks,
    }
