"""Answers with personal data: whole, a page at most, and about the person who was asked for."""

import logging

from gateway.connection import Answer
from gateway.headers import value_of
from gateway.routing import Route
from servicekit.problems import BadGateway

logger = logging.getLogger(__name__)


async def gather(route: Route, answer: Answer, limit: int) -> bytes:
    """Return the whole body; personal answers are pages, never streams."""
    body = bytearray()
    while not answer.finished:
        body += await answer.read()
        if len(body) > limit:
            raise BadGateway(f"{route.service} answered with more than a page of personal data.")
    return bytes(body)


def read_nothing(route: Route, answer: Answer, subject: str | None, exchange: str) -> bool:
    """Whether the service itself says no; throw away what is not about what was asked for.

    subject: the person asked for.
    """
    named_subject = value_of(answer.headers, b"atoll-subject")
    categories = value_of(answer.headers, b"atoll-categories")
    if answer.status >= 400 and named_subject is None and categories is None:
        return True
    named = set((categories or "").replace(",", " ").split())
    if named_subject is None or named_subject != subject or named != set(route.categories):
        logger.error(
            "a personal answer was thrown away: it is not about what was asked",
            extra={"route": route.path, "exchange": exchange},
        )
        raise BadGateway(
            f"{route.service} did not say whose data its answer holds, or it is another "
            "person's. The answer was thrown away and the fault was logged."
        )
    return False
