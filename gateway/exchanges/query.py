"""What a reader of the log asks for, read strictly: a value that cannot be meant is refused."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode

from gateway.exchanges.seal import Seal
from gateway.storage import Wanted
from servicekit.clock import Clock
from servicekit.problems import Malformed

DEFAULT_LIMIT, MAX_LIMIT = 50, 200
FILTERS = ("trace", "caller", "service", "route", "subject", "outcome", "from", "to")
OUTCOMES = ("answered", "declined", "refused", "failed")
_TRACE = re.compile(r"[0-9a-f]{32}")
MAX_TEXT = 255
Order = Literal["newest", "oldest"]


@dataclass(frozen=True)
class Page:
    """Which page: entries between two numbers, from the newest or the oldest on.

    Without an order, ``after`` reads oldest first (a follower), everything else newest first.
    """

    limit: int
    before: int | None
    after: int | None
    order: Order

    @property
    def reads_oldest_first(self) -> bool:
        """From which end the entries are taken: the one nearest to where the reader stands."""
        if (self.before is None) != (self.after is None):
            return self.after is not None
        return self.order == "oldest"

    @property
    def walks_back(self) -> bool:
        """Whether this is the page before one that was seen already."""
        return self.reads_oldest_first != (self.order == "oldest")


def wanted(args: Mapping[str, str], seal: Seal, services: Collection[str]) -> Wanted:
    """Read the filters; raise Malformed for one that cannot be meant."""
    texts = {name: _text(args, name) for name in FILTERS}
    trace, service, outcome = texts["trace"], texts["service"], texts["outcome"]
    if trace is not None and not _TRACE.fullmatch(trace):
        raise Malformed("trace is 32 hexadecimal digits in small letters (W3C Trace Context).")
    if service is not None and service not in services:
        raise Malformed(f"service must be one of: {', '.join(sorted(services))}.")
    if outcome is not None and outcome not in OUTCOMES:
        raise Malformed(f"outcome must be one of: {', '.join(OUTCOMES)}.")
    route, subject = texts["route"], texts["subject"]
    if route is not None and not route.startswith("/"):
        raise Malformed("route is a template that begins with a slash, as GET /exchanges shows it.")
    from_ms, to_ms = _moment(texts["from"], "from"), _moment(texts["to"], "to")
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        raise Malformed("from must be earlier than to.")
    return Wanted(
        trace=trace, caller=texts["caller"], service=service, route=route, outcome=outcome,
        subject_index=seal.index(subject) if subject is not None else None,
        from_ms=from_ms, to_ms=to_ms,
    )  # fmt: skip


def page(args: Mapping[str, str]) -> Page:
    """Read which page is asked for; raise Malformed for what is not a number or an order."""
    before, after = number(args, "before"), number(args, "after")
    order = args.get("order", "newest" if after is None else "oldest")
    if order not in ("newest", "oldest"):
        raise Malformed("order must be newest or oldest.")
    limit = number(args, "limit", at_least=1) or DEFAULT_LIMIT
    return Page(min(limit, MAX_LIMIT), before, after, "newest" if order == "newest" else "oldest")


def number(args: Mapping[str, str], name: str, *, at_least: int = 0) -> int | None:
    """Read a whole number; raise Malformed for anything else."""
    text = args.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19) or int(text) < at_least:
        raise Malformed(f"{name} must be a whole number of at least {at_least}.")
    return int(text)


def links(args: Mapping[str, str], asked: Page, numbers: list[int], *, more: bool) -> str:
    """Return the Link header (RFC 8288): the page that comes next and the one before it.

    numbers: of the entries on this page, in its order. more: whether the page is full.
    """
    if not numbers:
        return ""
    kept = {name: args[name] for name in (*FILTERS, "limit") if name in args}
    ahead, back = ("before", "after") if asked.order == "newest" else ("after", "before")
    is_inside = asked.before is not None or asked.after is not None
    found = []
    if asked.walks_back or more:
        found.append(f'<{_address(kept, ahead, numbers[-1], asked.order)}>; rel="next"')
    if more if asked.walks_back else is_inside:
        found.append(f'<{_address(kept, back, numbers[0], asked.order)}>; rel="prev"')
    return ", ".join(found)


def now_ms(clock: Clock) -> int:
    """Return the present moment as the log writes it."""
    return int(clock.now().timestamp() * 1000)


def _address(kept: Mapping[str, str], side: str, at: int, order: Order) -> str:
    return "/exchanges?" + urlencode({**kept, side: str(at), "order": order})


def _text(args: Mapping[str, str], name: str) -> str | None:
    text = args.get(name)
    if text is not None and not (0 < len(text) <= MAX_TEXT and text.isprintable()):
        raise Malformed(f"{name} must be a text of 1 to {MAX_TEXT} characters.")
    return text


def _moment(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # a plus that was not escaped
        if moment.tzinfo is None:
            raise ValueError
        return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise Malformed(
            f"{name} must be a moment with its zone, like 2026-03-03T10:15:00Z."
        ) from None
