"""The clients as the busy endpoints see them: remembered for some seconds, known or not."""

import threading
import time
from collections import OrderedDict

from servicekit.database import Database
from services.identity.storage import clients
from services.identity.storage.tables import Client

REMEMBERED = 2000
ANEW_AFTER_S = 1.0


class Registry:
    """Finds enabled clients; a look-up in the database costs more than signing a token.

    Unknown ids are remembered, too, so that an unknown client and a wrong secret take the same
    time. A change made in another process counts here after ``life_s`` at the latest.
    """

    def __init__(self, database: Database, life_s: float) -> None:
        self._database, self._life_s = database, life_s
        self._found: OrderedDict[str, tuple[float, Client | None]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, client_id: str | None) -> Client | None:
        """Return the enabled client with this id, or None."""
        if client_id is None:
            return None
        now = time.monotonic()
        known = self._found.get(client_id)
        if known is not None and now < known[0]:
            return known[1]
        with self._database.snapshot() as session:
            client = clients.find(session, client_id)
        if self._life_s and len(client_id) <= 64:
            with self._lock:
                self._found[client_id] = (now + self._life_s, client)
                self._found.move_to_end(client_id)
                while len(self._found) > REMEMBERED:
                    self._found.popitem(last=False)
        return client

    def find_anew(self, client_id: str | None) -> Client | None:
        """Look again after a client did not prove who it is: its secret may just have changed.

        Costs at most one look-up a second for each id, known or not.
        """
        known = self._found.get(client_id) if client_id is not None else None
        if known is not None and time.monotonic() > known[0] - self._life_s + ANEW_AFTER_S:
            with self._lock:
                self._found.pop(str(client_id), None)
        return self.find(client_id)

    def forget(self) -> None:
        """Look every client up anew: one was just changed here."""
        self._found.clear()
