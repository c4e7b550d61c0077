"""POST /v2/notifications/<channel>."""

from flask import Response, request

from services.notify import schemas
from services.notify.access import caller, notify_key_for
from services.notify.components import components
from services.notify.domain.countries import COUNTRIES
from services.notify.errors import BadRequestError
from services.notify.routes.blueprint import v2
from services.notify.routes.composing import compose_email, compose_sms
from services.notify.routes.letters import compose_letter, take_precompiled
from services.notify.routes.posting import accept, check_permission
from services.notify.routes.recipients import check_rate

MAX_LETTER_BYTES = 10 * 1024 * 1024  # as the gateway takes for this address


@v2.post("/v2/notifications/sms")
@notify_key_for("send")
def send_sms() -> tuple[Response, int]:
    """Accept a text message."""
    sender, now = caller(), components().clock.now()
    check_rate(sender, "sms")
    country = COUNTRIES[sender.service.country]
    body = schemas.check(schemas.body(), schemas.SMS, now=now, country=country)
    check_permission(sender, "sms")
    return accept(sender, "sms", body, compose_sms)


@v2.post("/v2/notifications/email")
@notify_key_for("send")
def send_email() -> tuple[Response, int]:
    """Accept an email."""
    sender, now = caller(), components().clock.now()
    check_rate(sender, "email")
    body = schemas.check(schemas.body(), schemas.EMAIL, now=now)
    check_permission(sender, "email")
    return accept(sender, "email", body, compose_email)


@v2.post("/v2/notifications/letter")
@notify_key_for("send")
def send_letter() -> tuple[Response, int]:
    """Accept a letter: made from a template, or a finished PDF (precompiled)."""
    sender = caller()
    check_rate(sender, "letter")
    request.max_content_length = MAX_LETTER_BYTES
    body = schemas.body()
    is_precompiled = isinstance(body, dict) and "content" in body
    body = schemas.check(body, schemas.PRECOMPILED_LETTER if is_precompiled else schemas.LETTER)
    check_permission(sender, "letter")
    if sender.key_type == "team":
        raise BadRequestError("Cannot send letters with a team api key", status=403)
    if sender.service.is_restricted and sender.key_type != "test":
        raise BadRequestError("Cannot send letters when service is in trial mode", status=403)
    return accept(sender, "letter", body, take_precompiled if is_precompiled else compose_letter)
