"""What is recorded of one exchange."""

from dataclasses import dataclass

from gateway.purposes import Purpose
from servicekit.problems import Problem
from servicekit.tokens import Token

DAY_MS = 86_400_000
_ROLE = 255


@dataclass(slots=True)
class Entry:
    """One exchange, filled in while it happens; never a raw path, query or body.

    at_ms: Unix time in milliseconds. parameters: the address's places, on public routes only.
    outcome: answered (a service answered), declined (a service read nothing about the person and
    said no), refused (the door said no), failed (no usable answer).
    acting: the person or officer on whose hands the call was, where it is not the subject.
    role: in which capacity, as the person it is about may read it.
    disclose_at_ms: from when on the person it is about may see it; None: at once.
    """

    exchange: str
    at_ms: int
    trace: str
    method: str
    service: str = "gateway"
    route: str = ""
    parameters: dict[str, str] | None = None
    personal: str | None = None
    caller: str | None = None
    purpose: str | None = None
    basis: str | None = None
    consent: str | None = None
    categories: tuple[str, ...] = ()
    subject: str | None = None
    status: int = 0
    outcome: str = "answered"
    reason: str | None = None
    sentence: str | None = None
    duration_us: int = 0
    size_bytes: int = 0
    acting: str | None = None
    role: str | None = None
    disclose_at_ms: int | None = None

    def take_caller(self, token: Token) -> None:
        """Note who calls: the program, the person at it, and in which capacity."""
        self.caller = token.client_id
        if token.is_person:
            self.acting = token.actors[0] if token.actors else token.subject
        if token.roles:
            self.role = " ".join(sorted(token.roles))[:_ROLE]

    def take_purpose(self, purpose: Purpose | None) -> None:
        """Note why, and until when the person it is about must not know (a lawful delay)."""
        if purpose is not None:
            self.purpose = purpose.code
            if purpose.disclose_after_days:
                self.disclose_at_ms = self.at_ms + purpose.disclose_after_days * DAY_MS

    def decline(self, sentence: str | None) -> None:
        """Note that the service itself said no, so that nobody's data was seen."""
        self.outcome, self.sentence = "declined", sentence

    def turn_away(self, problem: Problem, *, refused: bool) -> None:
        """Note why no answer of a service reached the caller."""
        self.outcome = "refused" if refused else "failed"
        self.status, self.reason, self.sentence = problem.status, problem.slug, problem.detail
