"""What a person reads in the terminal: plain sentences, colour only where it is wanted."""

import os
import sys
import time
from collections.abc import Callable

_CODES = {"bold": "1", "dim": "2", "teal": "36", "coral": "91", "green": "32"}


def colours(stream: object = None) -> bool:
    """Whether to colour: only on a terminal, never with NO_COLOR or TERM=dumb."""
    stream = stream or sys.stdout
    return (
        bool(getattr(stream, "isatty", lambda: False)())
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )


def paint(text: str, style: str) -> str:
    """Return the text in a style of this terminal, or unchanged."""
    return f"\033[{_CODES[style]}m{text}\033[0m" if colours() else text


def say(text: str = "") -> None:
    """Print one line at once, also into a pipe."""
    print(text, flush=True)


def complain(text: str) -> None:
    """Print one line on standard error."""
    print(text, file=sys.stderr, flush=True)


class Progress:
    """Says what a step waits for once it has lasted two seconds, and then every few seconds."""

    def __init__(
        self, write: Callable[[str], None] = say, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._write, self._monotonic = write, monotonic
        self._started = monotonic()
        self._next = self._started + 2

    def at(self, waiting_for: str) -> None:
        """Tell what is being waited for, if it is time to."""
        now = self._monotonic()
        if now >= self._next:
            self._write(f"  … {waiting_for} ({now - self._started:.0f} s)")
            self._next = now + 3
