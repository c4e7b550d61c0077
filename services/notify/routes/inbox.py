"""GET /notify/inbox: a person's own messages, for the page that shows them."""

import re
from typing import Any

from flask import Response, jsonify, request

from servicekit import access
from servicekit.problems import Malformed, NotFound
from services.notify.components import components
from services.notify.domain import language, markdown
from services.notify.routes.blueprint import own
from services.notify.routes.notifications import moment
from services.notify.storage import inbox
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


def _shown(message: Arrived) -> dict[str, Any]:
    private = components().vault.open(f"notification/{message.id}", message.sealed)
    spoken = language.of(private["body"])
    return {
        "id": message.id,
        "channel": message.channel,
        "to": private["recipient"],
        "from": private["from"],
        "subject": private["subject"],
        "body": markdown.plain(private["body"]) if message.channel == "email" else private["body"],
        "parts": _parts(message.channel, private["body"]),
        "sent_at": moment(message.delivered_at),
        "service": {"name": message.service_name},
        "language": spoken,
        "direction": language.direction(spoken),
    }


def _parts(channel: str, body: str) -> list[dict[str, Any]]:
    """Take a body apart for pages: every line with the direction that it is read in."""
    found = markdown.parts(body) if channel == "email" else _paragraphs(body)
    return [
        {"kind": markdown.KINDS[kind], "lines": [_line(line) for line in lines]}
        for kind, lines in found
    ]


def _paragraphs(body: str) -> list[tuple[str, list[str]]]:
    return [("p", lines) for lines in markdown.paragraphs(body)]


def _line(text: str) -> dict[str, str]:
    spoken = language.of(text)
    return {"text": text, "language": spoken, "direction": language.direction(spoken)}
