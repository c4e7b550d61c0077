"""Refusals of this service; each is explained for people under /portal/problems."""

from servicekit.problems import Problem
from services.registers.storage.claims import RegisterLoading as RegisterLoading


class NotCustodian(Problem):
    """The caller may append, but not to this register."""

    slug, title, status = "not-custodian", "You do not keep this register", 403


class IdempotencyKeyNeeded(Problem):
    """An append came without a usable Idempotency-Key."""

    slug, title, status = "idempotency-key-needed", "An Idempotency-Key is needed", 400


class IdempotencyKeyReused(Problem):
    """The same Idempotency-Key came with another body."""

    slug, title, status = "idempotency-key-reused", "This Idempotency-Key was used before", 409


class UnchangedRecord(Problem):
    """The item says what the record says already."""

    slug, title, status = "unchanged-record", "The record says this already", 409


class NoSuchProof(Problem):
    """A proof was asked for that cannot exist at this size of the log."""

    slug, title, status = "no-such-proof", "There is no such proof", 400


class FormatGone(Problem):
    """A format that registers once had and have no more."""

    slug, title, status = "format-gone", "This format is gone", 410


class FileRefused(Problem):
    """A file to load breaks a rule; nothing of it was loaded."""

    slug, title, status = "file-refused", "The file was not loaded", 400


class RegisterDamaged(Problem):
    """What is stored contradicts the register's tree head; nothing is signed or appended."""

    slug, title, status = "register-damaged", "The stored register contradicts its proofs", 503


class ChangedMeanwhile(Problem):
    """The log or the record is not what the caller saw (RFC 9110 section 13.1.1)."""

    slug, title, status = "changed-meanwhile", "It changed meanwhile", 412


class TooManySubscriptions(Problem):
    """A client has as many subscriptions to a register as it may have."""

    slug, title, status = "too-many-subscriptions", "There are too many subscriptions", 409


class RegisterArchived(Problem):
    """The register is closed: it is read, and nothing is added any more."""

    slug, title, status = "register-archived", "This register is archived", 409


class ReadersWouldBreak(Problem):
    """A change of the fields that programs which read the register would not bear."""

    slug, title, status = "readers-would-break", "Programs that read this would break", 409


class NotPublishable(Problem):
    """A register lacks what must be said of it before everyone sees it."""

    slug, title, status = "not-publishable", "The register cannot be published yet", 409


class ReviewNeeded(Problem):
    """The register takes changes only by proposal."""

    slug, title, status = "review-needed", "A second person must look first", 409


class OwnProposal(Problem):
    """Whoever proposes a change never decides on it."""

    slug, title, status = "own-proposal", "You cannot decide on your own proposal", 403


class NotApprover(Problem):
    """The caller may not decide on changes of this register."""

    slug, title, status = "not-approver", "You do not approve for this register", 403


class ProposalDecided(Problem):
    """Somebody has decided already."""

    slug, title, status = "proposal-decided", "This proposal has been decided", 409


class ProposalOutdated(Problem):
    """What was proposed does not fit the register as it is now."""

    slug, title, status = "proposal-outdated", "The register changed since this was proposed", 409
