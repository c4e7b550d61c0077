"""Reading a register as it was: at a size of its log, or at a moment."""

from datetime import UTC, datetime
from email.utils import format_datetime

from flask import Response, request
from sqlalchemy import RowMapping
from sqlalchemy.orm import Session

from servicekit.problems import Malformed
from services.registers.domain import moments
from services.registers.routes.answers import NUMBER
from services.registers.storage import asof

NAMES = ("log-size", "at")


def size_asked(session: Session, found: RowMapping) -> int | None:
    """Return the size of the log that the caller asks for; None: as it is now."""
    size, moment = request.args.get("log-size"), request.args.get("at")
    if size is not None and moment is not None:
        raise Malformed("Send log-size or at, not both.")
    if size is not None:
        return _size(size, "log-size", found)
    if moment is None:
        return None
    seconds = _moment(moment)
    return asof.size_at(session, found["id"], found["size"], seconds)


def sizes_asked(found: RowMapping) -> tuple[int, int]:
    """Return the two sizes that the caller wants compared: ``from`` and ``to`` (else: now)."""
    text = request.args.get("from")
    if text is None:
        raise Malformed("from is the number of entries to compare with; 0 is the empty register.")
    old = _size(text, "from", found)
    new = _size(request.args.get("to", str(found["size"])), "to", found)
    if new < old:
        raise Malformed("from must not be larger than to.")
    return old, new


def say_when(session: Session, response: Response, found: RowMapping, size: int) -> Response:
    """Say of which moment an answer is (Memento-Datetime, RFC 7089 section 2.1.1)."""
    at = asof.moment_of(session, found["id"], size)
    if at is not None and at >= 0:
        written = format_datetime(datetime.fromtimestamp(at, UTC), usegmt=True)
        response.headers["Memento-Datetime"] = written
    return response


def _size(text: str, name: str, found: RowMapping) -> int:
    if text != "0" and (NUMBER.fullmatch(text) is None or int(text) > found["size"]):
        raise Malformed(f"{name} is a number of entries, from 0 to {found['size']}.")
    return int(text)


def _moment(text: str) -> int:
    """Read a moment; a day is all of it."""
    seconds = moments.read(text)
    if seconds is None:
        seconds = moments.read(f"{text}T23:59:59Z")
    if seconds is None:
        raise Malformed("at is a moment or a day in UTC: 2026-03-03T10:15:00Z or 2026-03-03.")
    return seconds
