"""What is recorded of one exchange."""

from dataclasses import dataclass

from servicekit.problems import Problem


@dataclass(slots=True)
class Entry:
    """One exchange, filled in while it happens; never a raw path, query or body.

    at_ms: Unix time in milliseconds. parameters: the address's places, on public routes only.
    outcome: answered (a service answered), declined (a service read nothing about the person and
    said no), refused (the door said no), failed (no usable answer).
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

    def decline(self, sentence: str | None) -> None:
        """Note that the service itself said no, so that nobody's data was seen."""
        self.outcome, self.sentence = "declined", sentence

    def turn_away(self, problem: Problem, *, refused: bool) -> None:
        """Note why no answer of a service reached the caller."""
        self.outcome = "refused" if refused else "failed"
        self.status, self.reason, self.sentence = problem.status, problem.slug, problem.detail
