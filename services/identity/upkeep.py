"""What identity does without being asked: keys move on, sign-outs are told, the spent forgotten."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from services.identity.parts import Parts
from services.identity.protocol import sign_outs
from services.identity.storage import sign_outs as sign_out_store
from services.identity.storage import single_use

EVERY_S = 2.0
KEYS_EVERY = 15  # rounds
KEPT = timedelta(days=30)
logger = logging.getLogger(__name__)


class Upkeep:
    """A thread beside the server's; each process has one, and the database sorts out who does what.

    more: what else is to be done each round, such as other outboxes.
    """

    def __init__(self, parts: Parts, *more: Callable[[], object]) -> None:
        self._parts, self._more = parts, more
        self._stop = threading.Event()
        self._round = 0

    def start(self) -> None:
        """Begin; the thread ends with the process."""
        threading.Thread(target=self._run, name="upkeep", daemon=True).start()

    def stop(self) -> None:
        """End after the present round."""
        self._stop.set()

    def once(self) -> None:
        """Do one round; one task that fails does not keep the others from their turn."""
        tasks: list[Callable[[], object]] = [lambda: sign_outs.deliver_due(self._parts)]
        if self._round % KEYS_EVERY == 0:
            tasks += [self._parts.keys.advance, self._forget]
        self._round += 1
        for task in (*tasks, *self._more):
            try:
                task()
            except Exception as error:  # noqa: BLE001 (the next round tries again)
                logger.warning("upkeep failed", extra={"error": repr(error)})

    def _forget(self) -> None:
        now = self._parts.clock.now()
        with self._parts.database.transaction() as session:
            single_use.forget_ended(session, now)
            sign_out_store.forget_ended(session, now - KEPT)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            self.once()
