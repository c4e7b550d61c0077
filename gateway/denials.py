"""Why the policy says no: each reason a kind of problem that people can look up."""

from servicekit.problems import Malformed, Problem, Unavailable


class PurposeRequired(Malformed):
    """Personal data was asked for without saying why."""

    slug, title = "purpose-required", "A purpose is needed"


class PurposeUnknown(Malformed):
    """The purpose is not in the catalogue."""

    slug, title = "purpose-unknown", "This purpose is not known"


class SubjectRequired(Malformed):
    """Personal data was asked for without saying whose."""

    slug, title = "subject-required", "It must be said whose data this is about"


class AgreementRequired(Problem):
    """No agreement in force lets this client call this service."""

    slug, title, status = "agreement-required", "An agreement is needed", 403


class AgreementsUnknown(Unavailable):
    """The directory could not be read since the door started."""

    slug, title = "agreements-unknown", "Agreements cannot be checked now"


class PersonalRefusal(Problem):
    """The rule for personal data says no."""

    status = 403


class ConsentRequired(PersonalRefusal):
    """Nothing shows that the person agreed."""

    slug, title = "consent-required", "The person's consent is needed"


class ConsentUnknown(PersonalRefusal):
    """No such consent was given to this caller."""

    slug, title = "consent-unknown", "No such consent is known"


class ConsentWithdrawn(PersonalRefusal):
    """The person agreed and then took it back."""

    slug, title = "consent-withdrawn", "The consent was withdrawn"


class ConsentExpired(PersonalRefusal):
    """The person agreed until a date that has passed."""

    slug, title = "consent-expired", "The consent has expired"


class ConsentMismatch(PersonalRefusal):
    """The consent is for something else."""

    slug, title = "consent-mismatch", "The consent is for something else"


class BasisRefused(PersonalRefusal):
    """This address does not take this lawful basis."""

    slug, title = "basis-refused", "This lawful basis is not accepted here"


class ConsentsStale(Unavailable):
    """The door has not heard from identity for too long to act on a consent."""

    slug, title = "consents-stale", "Consents cannot be checked now"
