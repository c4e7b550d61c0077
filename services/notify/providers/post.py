"""The post: makes a letter's pages, or judges those that were sent, and puts them in the inbox."""

from servicekit.clock import Clock
from servicekit.database import Database
from services.notify.providers.message import LetterContent, Message, Outcome, Provider
from services.notify.rendering import pages
from services.notify.storage import contents


class Post:
    """Carries letters. Under a test key nothing is printed, and the pages can still be read."""

    name = "post"
    slowest_s = 5.0

    def __init__(self, database: Database, clock: Clock, inbox: Provider) -> None:
        self._database, self._clock, self._inbox = database, clock, inbox

    def deliver(self, message: Message) -> Outcome:
        """Make or judge the pages, then hand them over; a second time changes nothing."""
        if message.letter is None:
            return Outcome("technical-failure", "this is no letter")
        with self._database.snapshot() as session:
            kept = contents.letter(session, message.id)
        if kept is None:
            judged = self._make(message, message.letter)
        elif kept.is_precompiled:
            place = f"letter/{message.id}"
            judged = pages.judge(message.letter.vault.open_bytes(place, kept.sealed_pdf))
            self._count(message, judged)
        else:
            judged = pages.Judgement(0)  # made before, by a worker that stopped
        if judged.fault is not None:
            if judged.is_dangerous:
                return Outcome("virus-scan-failed", judged.fault, reason="dangerous")
            return Outcome("validation-failed", judged.fault, reason="not-printable")
        if message.key_type == "test":
            return Outcome("delivered", reason="simulated")
        return self._inbox.deliver(message)

    def _make(self, message: Message, content: LetterContent) -> pages.Judgement:
        from services.notify.rendering import letter  # its library costs 9 MB

        sheet = letter.Sheet(
            lines=content.lines,
            subject=message.subject,
            body=message.body,
            contact=content.contact_block,
            sender=message.service_name["en"],
            written_at=content.accepted_at,
        )
        pdf = letter.make(sheet)
        count = pages.count(pdf)
        judged = pages.Judgement(count)
        if count > pages.MAX_PAGES:
            judged = pages.Judgement(count, f"it has {count} pages")
        sealed = content.vault.seal_bytes(f"letter/{message.id}", pdf)
        with self._database.transaction() as session:
            contents.add_letter(
                session,
                message.id,
                is_precompiled=False,
                sealed_pdf=sealed,
                made_at=self._clock.now(),
            )
            contents.set_sheets(session, message.id, judged.sheets)
        return judged

    def _count(self, message: Message, judged: pages.Judgement) -> None:
        with self._database.transaction() as session:
            contents.set_sheets(session, message.id, judged.sheets)

    def close(self) -> None:
        """Nothing to let go of."""
