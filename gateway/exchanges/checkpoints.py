"""Signed heads of the exchange log: made now and then and on demand, never one that goes back."""

import asyncio
import hashlib
import hmac
import logging
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gateway import storage
from servicekit import merkle
from servicekit.clock import Clock
from servicekit.database import Database
from servicekit.note import Checkpoint, Note, NoteInvalid, Signer, Verifier, read_note
from servicekit.problems import Problem

logger = logging.getLogger(__name__)
FRESH_MS = 1000  # whoever asks more often gets the same head again


class LogInconsistent(Problem):
    """The log is not what its last signed head says it was."""

    slug, title, status = "log-inconsistent", "The exchange log does not fit its signed head", 503


def signer_for(public_url: str, key: str, log_key: bytes) -> Signer:
    """Return the key of the log's heads; the name is the log's origin: host and path.

    key: its private text form. Without one, a key that follows from the log's own key.
    """
    origin = f"{urlsplit(public_url).netloc}/exchanges"
    if key:
        return Signer(origin, Signer.parse(key).seed)
    return Signer(origin, hmac.digest(log_key, b"exchange log: checkpoints", hashlib.sha256))


class Checkpoints:
    """Signs what the tree has become, after checking that it only grew."""

    def __init__(
        self, database: Database, signer: Signer, clock: Clock, *, every_s: float = 60.0
    ) -> None:
        self._database, self._signer, self._clock = database, signer, clock
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    @property
    def verifier(self) -> Verifier:
        """The public key, to be handed to whoever checks the log."""
        return self._signer.verifier

    @property
    def origin(self) -> str:
        """The log's name in its heads."""
        return self._signer.name

    async def start(self) -> None:
        """Begin to sign at the interval."""
        self._task = asyncio.create_task(self._sign_now_and_then())

    async def stop(self) -> None:
        """Stop signing."""
        if self._task is not None:
            self._task.cancel()

    async def _sign_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await asyncio.to_thread(self.latest, fresh_ms=0)
            except (Problem, SQLAlchemyError, OSError) as error:
                logger.error("no head of the exchange log was signed", extra={"error": str(error)})

    def latest(self, *, at_least: int = 0, fresh_ms: int = FRESH_MS) -> tuple[str, Checkpoint]:
        """Return the newest signed head, made now unless one is fresh or nothing was added.

        at_least: how many leaves it must cover. Raises LogInconsistent rather than sign a head
        that is smaller than an earlier one or does not grow out of it.
        """
        now_ms = int(self._clock.now().timestamp() * 1000)
        with self._database.snapshot() as session:
            kept, size = storage.latest_checkpoint(session), storage.tree_state(session)[0]
        if kept and kept[0] >= at_least:
            head = Checkpoint.parse(read_note(kept[2]).text)
            is_ours = head.origin == self.origin
            if is_ours and (kept[0] == size or 0 <= now_ms - kept[1] < fresh_ms):
                return kept[2], head
        with self._database.transaction() as session:
            storage.lock(session)
            return self._sign(session, now_ms)

    def to_check_against(self) -> tuple[str, Checkpoint]:
        """Return the newest head that can be believed, also when no new one can be signed."""
        try:
            return self.latest(fresh_ms=0)
        except LogInconsistent:
            with self._database.snapshot() as session:
                for size in reversed(storage.checkpoint_sizes(session)):
                    [(_, _, text)] = storage.checkpoints(session, size - 1, 1)
                    try:
                        return text, self.kept_head(text)
                    except NoteInvalid:
                        continue
            raise

    def kept_head(self, text: str) -> Checkpoint:
        """Read a head kept earlier; raises NoteInvalid when our own signature is wrong.

        One that was signed with an earlier key, or under an earlier name, is taken as it is.
        """
        note, ours = read_note(text), self.verifier
        if any(ours.is_by(one) and not ours.verifies(note.text, one) for one in note.signatures):
            raise NoteInvalid("a signed head was changed")
        return Checkpoint.parse(note.text)

    def _sign(self, session: Session, now_ms: int) -> tuple[str, Checkpoint]:
        size, peaks, _ = storage.tree_state(session)
        head = Checkpoint(self.origin, size, merkle.fold(peaks))
        kept = storage.latest_checkpoint(session)
        if kept is not None:
            self._check_growth(session, kept[2], head)
        text = str(Note(head.text).signed_by(self._signer))
        if kept is None or kept[0] < size:
            storage.keep_checkpoint(session, size, now_ms, text)
        return text, head

    def _check_growth(self, session: Session, kept: str, new: Checkpoint) -> None:
        try:
            old = self.kept_head(kept)
            if old.size:
                read = storage.read_hashes(session, new.size)
                path = merkle.consistency_path(old.size, new.size, read)
                grew = merkle.verify_consistency(old.size, new.size, path, old.root, new.root)
            else:
                grew = old.root == merkle.EMPTY_ROOT
        except ValueError:  # NoteInvalid too
            grew = False
        if not grew:
            logger.critical("the exchange log was changed: it does not fit its last signed head")
            raise LogInconsistent(
                "The log does not grow out of the head that was signed last, so no new one is "
                "signed. See GET /exchanges/verification for what was changed."
            )
