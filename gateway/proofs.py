"""Proofs that a caller holds the key of its token (DPoP, RFC 9449), each taken once by any worker.

Only calls with bound tokens come here, so bearer tokens cost nothing more. A proof is first looked
for in this worker's memory, then written into the database that all workers share; the call waits
for that. Whatever waits at the same time shares one transaction. So a proof passes once, in
whichever worker, also over a restart; while the database is away, calls with bound tokens get 503.
"""

import asyncio
import logging
import time

from sqlalchemy.exc import SQLAlchemyError

from gateway import storage
from gateway.incoming import Incoming
from servicekit.database import Database
from servicekit.dpop import FUTURE_S, PAST_S, InvalidProof, ProofMemory, check_proof
from servicekit.problems import Unavailable
from servicekit.tokens import Credentials, Token, check_confirmation

logger = logging.getLogger(__name__)
FORGET_EVERY_S = 60.0
TIMEOUT_S = 5.0


class ProofsUnavailable(Unavailable):
    """It cannot be told whether the proof was used before."""

    slug, title = "proofs-unavailable", "The proof cannot be checked now"


class Proofs:
    """Checks proofs at the public address and remembers those that were used."""

    def __init__(self, database: Database, public_url: str) -> None:
        self._database, self._public_url = database, public_url
        self._memory = ProofMemory()
        self._waiting: dict[str, asyncio.Future[bool]] = {}
        self._writing: asyncio.Task[None] | None = None
        self._forgotten_at = 0.0

    async def start(self) -> None:
        """Nothing is needed before the first proof."""

    async def stop(self) -> None:
        """Let those who wait be told."""
        if self._writing is not None:
            await self._writing

    async def confirm(self, call: Incoming, given: Credentials, token: Token) -> str | None:
        """Return the thumbprint of the key that the caller proved to hold; None without a binding.

        Raises InvalidProof where a bound token comes without its key's proof, and the other way
        round.
        """
        if token.confirmed_key is None or given.scheme != "dpop":
            check_confirmation(token, given.scheme, None)
            return None
        taken: list[str] = []

        def take(name: str, now: float) -> bool:
            taken.append(name)
            return self._memory.take(name, now)

        proof = check_proof(
            [value.decode("latin-1") for name, value in call.headers if name == b"dpop"],
            method=call.method,
            url=self._public_url + call.path.decode("latin-1"),
            now=time.time(),
            take=take,
            access_token=given.token,
        )
        check_confirmation(token, given.scheme, proof)
        if not await self._is_first(taken[0]):
            raise InvalidProof("This proof was used before. Make a proof for each call.")
        return proof

    async def _is_first(self, name: str) -> bool:
        """Whether no other worker has seen this proof either."""
        told = self._waiting[name] = asyncio.get_running_loop().create_future()
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        try:
            async with asyncio.timeout(TIMEOUT_S):
                is_first: bool = await told
        except (SQLAlchemyError, OSError, TimeoutError):
            raise ProofsUnavailable(
                "It cannot be checked now whether this proof was used before, so nothing was done. "
                "Try again shortly, with a new proof."
            ) from None
        return is_first

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, {}
            try:
                fresh = await asyncio.to_thread(self._write, sorted(batch))
            except (SQLAlchemyError, OSError) as error:
                logger.error("proofs cannot be remembered", extra={"error": str(error)})
                for told in batch.values():
                    if not told.done():
                        told.set_exception(error)
                continue
            for name, told in batch.items():
                if not told.done():
                    told.set_result(name in fresh)

    def _write(self, names: list[str]) -> set[str]:
        now = time.time()
        with self._database.transaction() as session:
            if now - self._forgotten_at > FORGET_EVERY_S:
                storage.forget_proofs(session, int(now))
                self._forgotten_at = now
            return storage.keep_proofs(session, names, int(now) + PAST_S + FUTURE_S)
