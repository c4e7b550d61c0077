"""Identity's public keys: fetched past the gateway's own door, kept over restarts."""

import asyncio
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from gateway import storage
from gateway.upstreams import Upstreams
from servicekit.database import Database
from servicekit.tokens import KeySource

logger = logging.getLogger(__name__)
FETCH_TIMEOUT_S = 4.0


class IssuerKeys:
    """Holds the keys that verify access tokens; fetches in threads, never on the event loop."""

    def __init__(self, upstreams: Upstreams, database: Database) -> None:
        self._upstreams, self._database = upstreams, database
        self.source = KeySource(self._fetch)
        self._keeping: threading.Thread | None = None

    async def start(self) -> None:
        """Take up the keys that an earlier process saw: identity may be away just now."""
        await asyncio.to_thread(self._recall)

    async def stop(self) -> None:
        """Let the keys fetched last be written."""
        if self._keeping is not None:
            await asyncio.to_thread(self._keeping.join, 2)

    def _fetch(self) -> Mapping[str, Any]:
        document = self._upstreams.wait_for(
            self._upstreams.get_json("identity", "/identity/jwks"), FETCH_TIMEOUT_S
        )
        if not isinstance(document, dict):
            raise ValueError("the keys are not a JSON object")
        # whoever waits for the keys must not wait for the disk
        self._keeping = threading.Thread(target=self._keep, args=(document,), daemon=True)
        self._keeping.start()
        return document

    def _keep(self, document: Mapping[str, Any]) -> None:
        try:
            with self._database.transaction() as session:
                storage.keep_issuer_keys(session, document, time.time_ns() // 1_000_000)
        except SQLAlchemyError as error:
            logger.warning("the keys could not be kept", extra={"error": str(error)})

    def _recall(self) -> None:
        try:
            with self._database.snapshot() as session:
                kept = storage.kept_issuer_keys(session)
            if kept is not None:
                document, fetched_at_ms = kept
                self.source.adopt(document, max(0.0, time.time() - fetched_at_ms / 1000))
        except Exception as error:  # noqa: BLE001 (identity will be asked instead)
            logger.warning("the kept keys could not be read", extra={"error": str(error)})
