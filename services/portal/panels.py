"""Parts of a page that fail alone: what a component could not give becomes a plain sentence."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from servicekit.outbound import Refused
from servicekit.problems import Problem
from services.portal.sessions import SignInNeeded

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Panel(Generic[T]):
    """A value, or the reason why there is none: missing, refused or away."""

    value: T | None
    trouble: str | None = None
    detail: str = ""


def panel(fetch: Callable[[], T]) -> Panel[T]:
    """Fetch one part of a page; never raises, save that the person must sign in again."""
    try:
        return Panel(fetch())
    except SignInNeeded:
        raise
    except Refused as refused:
        return Panel(None, "missing" if refused.status == 404 else "refused", refused.detail)
    except Problem as problem:
        return Panel(None, "away", problem.detail)
    except Exception:  # a panel's fault must not take the page with it
        logger.exception("a part of a page failed")
        return Panel(None, "away")
