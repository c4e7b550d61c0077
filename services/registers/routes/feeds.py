"""The change feed: server-sent events, long polling, and subscriptions by webhook."""

import json
import threading
import time
import uuid
from base64 import b64encode
from collections.abc import Iterator
from secrets import token_bytes
from typing import Any, cast

from flask import Blueprint, Response, current_app, request
from sqlalchemy import RowMapping

from servicekit import access, guarded
from servicekit.access import public, scope
from servicekit.database import Database
from servicekit.problems import Invalid, Malformed, NotFound, Unavailable
from servicekit.schema import json_body
from services.registers.domain import feed, forms
from services.registers.problems import TooManySubscriptions
from services.registers.routes import answers, paging
from services.registers.routes.answers import JSON
from services.registers.routes.state import clock, database, register_or_404
from services.registers.storage import log, subscriptions
from services.registers.vault import Vault

blueprint = Blueprint("feeds", __name__, url_prefix="/registers/<register>")
blueprint.after_request(answers.allow_everyone)

EVENTS = "text/event-stream"
STREAMS, WAITERS = 3, 2  # of the eight threads of a process
PAGE, MAX_WAIT_S, LOOK_S, BEAT_S, STREAM_S = 500, 20, 0.25, 10.0, 600.0
MAX_SUBSCRIPTIONS = 20
SUBSCRIBE = {
    "type": "object",
    "required": ["url"],
    "properties": {
        "url": {"type": "string", "maxLength": guarded.LONGEST_ADDRESS},
        "after": {"type": "integer", "minimum": 0},
    },
    "additionalProperties": False,
}


class Seats:
    """How many callers may hold a thread at once for a stream, and for waiting."""

    def __init__(self) -> None:
        self.streams = threading.BoundedSemaphore(STREAMS)
        self.waiters = threading.BoundedSemaphore(WAITERS)


@blueprint.get("/feed")
@public
def follow(register: str) -> Response:
    """Tell of new entries: a stream of events, or with ``after`` those after an entry number."""
    answers.check_query("after", "wait", "limit")
    kind = answers.wanted(JSON, EVENTS)
    with database().snapshot() as session:
        found = register_or_404(session, register)
    return _stream(found) if kind == EVENTS else _poll(found)


def _poll(found: RowMapping) -> Response:
    after = paging.number_of("after", 0)
    wait = paging.number_of("wait", 0, MAX_WAIT_S)
    limit = max(1, paging.number_of("limit", 100, PAGE))
    if after > found["size"]:
        raise Malformed(f"The register has {found['size']} entries; after is larger.")
    entries = _entries(database(), found["id"], after, limit)
    if not entries and wait and _seats().waiters.acquire(blocking=False):
        try:
            until = time.monotonic() + wait
            while not entries and time.monotonic() < until:
                time.sleep(LOOK_S)
                entries = _entries(database(), found["id"], after, limit)
        finally:
            _seats().waiters.release()
    body = {
        "register": found["name"],
        "after": entries[-1]["entry-number"] if entries else after,
        "entries": entries,
    }
    response = Response(json.dumps(body, ensure_ascii=False).encode(), content_type=JSON)
    response.headers["Cache-Control"] = "no-store"
    return response


def _stream(found: RowMapping) -> Response:
    text = request.headers.get("Last-Event-ID")
    after = paging.number_of("after", found["size"])
    if text is not None:
        if not text.isascii() or not text.isdecimal() or len(text) > 18:
            raise Malformed("Last-Event-ID is the number of the last entry that you have.")
        after = int(text)
    if after > found["size"]:
        raise Malformed(f"The register has {found['size']} entries; you cannot have more.")
    if not _seats().streams.acquire(blocking=False):
        raise Unavailable(
            "All streams are taken. Try again, or poll: the same address with after and wait, in "
            "JSON.",
            retry_after_s=5,
        )
    response = Response(_events(database(), found, after), content_type=EVENTS)
    # also when the stream was never begun
    response.call_on_close(_once(_seats().streams.release))
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _events(kept: Database, found: RowMapping, after: int) -> Iterator[bytes]:
    began = spoken = time.monotonic()
    # the caller has an event id from the first moment, so that it never loses its place
    yield b"retry: 2000\n" + feed.event(after, "begin", {"register": found["name"]})
    while time.monotonic() - began < STREAM_S:
        entries = _entries(kept, found["id"], after, PAGE)
        for entry in entries:
            after = entry["entry-number"]
            yield feed.event(after, "entry", entry)
        if entries:
            spoken = time.monotonic()
            continue
        if time.monotonic() - spoken > BEAT_S:
            yield b": still here\n\n"
            spoken = time.monotonic()
        time.sleep(LOOK_S)


def _entries(kept: Database, register_id: int, after: int, limit: int) -> list[dict[str, Any]]:
    with kept.snapshot() as session:
        rows = log.entries_between(session, register_id, after + 1, after + limit)
    return [
        feed.entry_document(row.number, row.timestamp, row.key, row.hash, row.content)
        for row in rows
    ]


# -- subscriptions


@blueprint.post("/subscriptions")
@scope("registers.subscribe")
def subscribe(register: str) -> Response:
    """Have new entries sent to an address of the caller's; the secret is shown only now."""
    body = json_body(SUBSCRIBE)
    settings = current_app.config["ATOLL_SETTINGS"]
    try:
        guarded.check_address(body["url"], settings.callback_test_hosts)
    except guarded.AddressRefused as refused:
        raise Invalid(
            "This address cannot be subscribed.",
            errors=[{"detail": str(refused), "pointer": "/url"}],
        ) from None
    identifier, client = str(uuid.uuid4()), access.token().client_id
    secret = feed.SECRET_PREFIX + b64encode(token_bytes(24)).decode()
    with database().transaction() as session:
        found = register_or_404(session, register)
        after = body.get("after", found["size"])
        if after > found["size"]:
            raise Invalid(
                "Nothing was subscribed.",
                errors=[
                    {"detail": f"The register has {found['size']} entries.", "pointer": "/after"}
                ],
            )
        if len(subscriptions.of_client(session, found["id"], client)) >= MAX_SUBSCRIPTIONS:
            raise TooManySubscriptions(
                f"A client has {MAX_SUBSCRIPTIONS} subscriptions to a register at most. "
                "Remove one first."
            )
        subscriptions.add(
            session,
            {
                "id": identifier,
                "register_id": found["id"],
                "client_id": client,
                "url": body["url"],
                "secret": _vault().lock(secret, identifier),
                "created": int(clock().now().timestamp()),
                "delivered": after,
            },
        )
        (mine,) = [
            one
            for one in subscriptions.of_client(session, found["id"], client)
            if one["id"] == identifier
        ]
    response = _json({**_document(mine), "secret": secret}, 201)
    response.headers["Location"] = answers.public_path(register, "subscriptions", identifier)
    return response


@blueprint.get("/subscriptions")
@scope("registers.subscribe")
def list_subscriptions(register: str) -> Response:
    """List the caller's subscriptions, how far each has the entries, and what failed."""
    answers.check_query()
    with database().snapshot() as session:
        found = register_or_404(session, register)
        mine = subscriptions.of_client(session, found["id"], access.token().client_id)
    return _json({"subscriptions": [_document(one) for one in mine]})


@blueprint.delete("/subscriptions/<identifier>")
@scope("registers.subscribe")
def unsubscribe(register: str, identifier: str) -> tuple[str, int]:
    """Remove a subscription of the caller's."""
    with database().transaction() as session:
        found = register_or_404(session, register)
        client = access.token().client_id
        if not subscriptions.remove(session, found["id"], client, identifier):
            raise NotFound("You have no such subscription.")
    return "", 204


@blueprint.post("/subscriptions/<identifier>/retry")
@scope("registers.subscribe")
def retry(register: str, identifier: str) -> tuple[str, int]:
    """Try a subscription again that was given up, from the entry that it did not take."""
    with database().transaction() as session:
        found = register_or_404(session, register)
        client = access.token().client_id
        if not subscriptions.revive(session, found["id"], client, identifier):
            raise NotFound("You have no such subscription.")
    return "", 204


def _document(row: RowMapping) -> dict[str, Any]:
    return {
        "id": row["id"],
        "url": row["url"],
        "created": forms.timestamp(row["created"]),
        "delivered": row["delivered"],
        "state": row["state"],
        "attempts": row["attempts"],
        "next-attempt": forms.timestamp(row["due"]) if row["state"] == "failing" else None,
        "fault": row["fault"] or None,
    }


def _json(document: dict[str, Any], status: int = 200) -> Response:
    body = json.dumps(document, ensure_ascii=False).encode()
    return Response(body, status, content_type=JSON)


def _vault() -> Vault:
    key = current_app.config["ATOLL_SETTINGS"].log_key
    if key is None:
        raise Unavailable("This service has no key for subscriptions (REGISTERS_LOG_KEY).")
    return Vault(key)


def _seats() -> Seats:
    return cast(Seats, current_app.extensions.setdefault("registers.seats", Seats()))


def _once(release: Any) -> Any:
    done: list[bool] = []

    def act() -> None:
        if not done:
            done.append(True)
            release()

    return act
