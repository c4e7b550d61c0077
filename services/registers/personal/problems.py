"""Refusals of personal registers; each is explained for people under /portal/problems."""

from servicekit.problems import Problem


class PersonalRegister(Problem):
    """A personal register has no such form: no version 1, no file, no entry beside its values."""

    slug, title, status = "personal-register", "This register holds personal data", 404


class CorrectionClosed(Problem):
    """The correction was decided before."""

    slug, title, status = "correction-closed", "This correction was decided before", 409


class TooManyCorrections(Problem):
    """As many corrections as may wait for the custodian wait already."""

    slug, title, status = "too-many-corrections", "Too many corrections are waiting", 409
