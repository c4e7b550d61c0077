"""GET /notify/inbox: a person's own messages, for the page that shows them."""

import re
from typing import Any

from flask import Response, jsonify, request

from servicekit import access
from servicekit.problems import Malformed, NotFound
from services.notify.components import components
from services.notify.domain import language
from services.notify.domain.moments import moment
from services.notify.rendering import email, markdown
from services.notify.routes.blueprint import own
from services.notify.storage import contents, inbox
from services.notify.storage.inbox import Arrived

CHANNELS = ("sms", "email", "letter")
_MESSAGE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@own.get("/notify/inbox")
@access.scope("notify.inbox")
def show_inbox() -> Response:
    """Return one page of the messages of the person whom the token speaks for."""
    subject = _person()
    channel, before = request.args.get("channel"), request.args.get("before")
    if channel is not None and channel not in CHANNELS:
        raise Malformed(f"channel must be one of {', '.join(CHANNELS)}.")
    with components().database.snapshot() as session:
        found, following = inbox.page(
            session, subject, channel=channel, before=_id(before) if before else None
        )
    response = jsonify(messages=[_shown(message) for message in found], next=following)
    response.headers["Atoll-Subject"] = subject
    response.headers["Atoll-Categories"] = "messages"
    return response


def _person() -> str:
    token = access.token()
    subject = request.headers.get("Atoll-Subject", token.subject)
    if not token.is_person or subject != token.subject:
        raise NotFound("There is no inbox here for this token. Sign in as the person whose it is.")
    return subject


def _id(text: str) -> str:
    if not _MESSAGE_ID.fullmatch(text):
        raise Malformed("before must be the id of a message: send the member next of a page.")
    return text


def _private(message: Arrived) -> dict[str, Any]:
    vault = components().vault.of(message.service_id, message.service_key, message.keyring)
    found: dict[str, Any] = vault.open(f"notification/{message.id}", message.sealed)
    return found


def _shown(message: Arrived) -> dict[str, Any]:
    private = _private(message)
    body = private.get("prefix", "") + (private.get("sent_body") or private["body"])
    spoken = language.of(body)
    is_letter = message.channel == "letter"
    return {
        "id": message.id,
        "channel": message.channel,
        "to": private["recipient"] or "\n".join(private.get("lines", ())),
        "from": private["from"],
        "subject": private.get("sent_subject") or private["subject"],
        "body": body if message.channel == "sms" else markdown.unescaped(body),
        "parts": _parts(message.channel, body),
        "sent_at": moment(message.delivered_at),
        "service": {"name": message.service_name},
        "language": spoken,
        "direction": language.direction(spoken),
    } | ({"pdf": f"/notify/inbox/{message.id}/pdf"} if is_letter else {})


@own.get("/notify/inbox/<message_id>/pdf")
@access.scope("notify.inbox")
def show_letter(message_id: str) -> Response:
    """Return the pages of a letter that the person was sent."""
    subject = _person()
    parts, wanted = components(), _id(message_id)
    with parts.database.snapshot() as session:
        message = inbox.find(session, subject, wanted)
        pages = contents.letter(session, wanted) if message else None
    if message is None or pages is None:
        raise NotFound("There is no such letter in this inbox.")
    vault = parts.vault.of(message.service_id, message.service_key, message.keyring)
    response = Response(
        vault.open_bytes(f"letter/{wanted}", pages.sealed_pdf), mimetype="application/pdf"
    )
    response.headers["Content-Disposition"] = 'attachment; filename="letter.pdf"'
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Atoll-Subject"] = subject
    response.headers["Atoll-Categories"] = "messages"
    return response


def _parts(channel: str, body: str) -> list[dict[str, Any]]:
    """Take a body apart for pages: every line with the direction that it is read in."""
    paragraphs = re.split(r"\n\s*\n", body.strip())
    found = (
        [("lines", paragraph.split("\n")) for paragraph in paragraphs]
        if channel == "sms"
        else email.parts(body)
    )
    return [{"kind": kind, "lines": [_line(line) for line in lines]} for kind, lines in found]


def _line(text: str) -> dict[str, str]:
    spoken = language.of(text)
    return {"text": text, "language": spoken, "direction": language.direction(spoken)}
