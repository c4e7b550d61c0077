"""The calls a minute of each service and type of key, shared by all processes of notify."""

import logging
import math
import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from servicekit.clock import Clock
from servicekit.database import Database
from services.notify.domain import limits as rules
from services.notify.storage import limits

KEPT_FOR = timedelta(seconds=1)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Held:
    """Tokens that this process took from the bucket and has not spent."""

    tokens: int
    until: datetime


class Limiter:
    """Spends tokens of buckets in the database, a second's worth at a time.

    One writing transaction then serves many calls. What a process does not spend within a second
    it gives back, so all processes together never spend more than a bucket holds and a second
    brings.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._held: dict[tuple[str, str], _Held] = {}
        self._lock = threading.Lock()

    def passes(self, service_id: str, key_type: str, rate: int) -> bool:
        """Spend one token; return False when none is left. With the store away calls pass."""
        key, now = (service_id, key_type), self._clock.now()
        with self._lock:
            held = self._held.get(key)
            if held is None or held.until <= now or held.tokens == 0:
                try:
                    held = self._refill(key, rate, now, held.tokens if held else 0)
                except SQLAlchemyError as error:
                    logger.warning(
                        "calls are not counted: the store is away",
                        extra={"error": type(error).__name__},
                    )
                    return True
            if held.tokens == 0:
                return False
            self._held[key] = replace(held, tokens=held.tokens - 1)
            return True

    def _refill(self, key: tuple[str, str], rate: int, now: datetime, unspent: int) -> _Held:
        with self._database.transaction() as session:
            taken = limits.take(
                session,
                *key,
                now,
                size=rules.bucket_size(rate),
                per_second=rate / 60,
                want=max(1, math.floor(rate / 60)),
                give_back=unspent,
            )
        self._held[key] = held = _Held(taken, now + KEPT_FOR)
        return held
