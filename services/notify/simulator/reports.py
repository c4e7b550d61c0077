"""Sends the receipts of simulated providers to notify, through the gateway, from one thread."""

import http.client
import json
import logging
import threading
from collections.abc import Sequence
from urllib.parse import urlsplit

from services.notify.simulator.store import Receipt, Store

AT_ONCE = 200
_TIMEOUT_S = 10.0
_LONGEST_PAUSE_S = 2.0

logger = logging.getLogger("simulator")


class Reports:
    """Sends what the store holds, the oldest first, again and again until it is taken."""

    def __init__(self, store: Store, gateway_url: str, token: str) -> None:
        self._store, self._parts, self._token = store, urlsplit(gateway_url), token
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stop, self._wake = threading.Event(), threading.Event()

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def close(self) -> None:
        """Stop after what is in hand."""
        self._stop.set()
        self._wake.set()
        self._thread.join(_TIMEOUT_S)

    def wake(self) -> None:
        """Look at once: there is something new."""
        self._wake.set()

    def _run(self) -> None:
        pause = 0.05
        while not self._stop.is_set():
            found = self._store.waiting(AT_ONCE)
            if found is None:
                self._wake.wait(1.0)
                self._wake.clear()
                continue
            provider, receipts = found
            if self._send(provider, [receipt for _, receipt in receipts]):
                self._store.done([id_ for id_, _ in receipts])
                pause = 0.05
            else:
                self._stop.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _send(self, provider: str, receipts: Sequence[Receipt]) -> bool:
        """Return whether notify took them, or never will."""
        connection = http.client.HTTPConnection(
            self._parts.hostname or "", self._parts.port, timeout=_TIMEOUT_S
        )
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        body = json.dumps({"receipts": receipts})
        try:
            connection.request("POST", f"/notify/receipts/{provider}", body, headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        if 400 <= status < 500 and status not in (408, 425, 429):
            logger.warning("receipts were refused", extra={"provider": provider, "status": status})
            return True
        return 200 <= status < 300
