"""One exchange of the gateway's log, as far as the portal's pages use it."""

from collections.abc import Mapping
from dataclasses import dataclass

Words = Mapping[str, str]  # language code → text


@dataclass(frozen=True)
class Exchange:
    """Who asked whom for what, and how it ended.

    outcome: answered, declined (a service showed nothing), refused (by the door) or failed.
    """

    id: str
    number: int
    at: str  # RFC 3339, UTC
    trace: str
    caller: str | None
    caller_name: Words
    service: str
    method: str
    route: str
    personal: str | None  # None, "read" or "write"
    purpose: Words | None
    basis: str | None
    categories: tuple[str, ...]
    status: int
    outcome: str
    reason: str | None
    sentence: str | None
    duration_us: int
    size_bytes: int
    role: str | None
    caption: Words

    @property
    def is_page_work(self) -> bool:
        """Whether the portal did it to show a page: tokens of its own and public data."""
        return self.caller == "portal" and self.personal is None


def story(exchanges: list[Exchange], *, everything: bool = False) -> list[Exchange]:
    """Return exchanges oldest first, without the portal's own page work unless it is asked for."""
    kept = [e for e in exchanges if everything or not e.is_page_work]
    return sorted(kept, key=lambda e: e.number)


def duration(duration_us: int) -> str:
    """Write a duration for people: ``0.4 ms``, ``12 ms``, ``1.3 s``.

    It is isolated (U+2066 … U+2069), so that it keeps its order inside right-to-left text.
    """
    if duration_us >= 1_000_000:
        written = f"{duration_us / 1_000_000:.1f} s"
    elif duration_us >= 10_000:
        written = f"{duration_us / 1000:.0f} ms"
    else:
        written = f"{duration_us / 1000:.1f} ms"
    return f"\u2066{written}\u2069"
