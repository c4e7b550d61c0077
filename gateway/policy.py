"""May this call pass? Every rule of the door in one place, without any input or output.

The rules are those of the wire: tokens (section 2), the personal-data rule (section 4) and
the freshness of consents (section 5). The data plane, the directory and the tests ask here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from gateway.incoming import Incoming
from gateway.purposes import Purpose, Purposes
from gateway.routing import Route
from servicekit.clock import timestamp
from servicekit.problems import InsufficientScope, Malformed, Problem, Unavailable
from servicekit.tokens import Token

MAX_IDENTIFIER = 128
MALDIVES = timezone(timedelta(hours=5))


class PurposeRequired(Malformed):
    """Personal data was asked for without saying why."""

    slug, title = "purpose-required", "A purpose is needed"


class PurposeUnknown(Malformed):
    """The purpose is not in the catalogue."""

    slug, title = "purpose-unknown", "This purpose is not known"


class SubjectRequired(Malformed):
    """Personal data was asked for without saying whose."""

    slug, title = "subject-required", "It must be said whose data this is about"


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


@dataclass(frozen=True)
class Consent:
    """What one person agreed to: that one client reads these categories for one purpose."""

    id: str
    subject: str
    client_id: str
    purpose: str
    categories: frozenset[str]
    given_at: datetime
    until: datetime
    withdrawn_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Allow:
    """The call may pass; these facts go to the service and into the log."""

    caller: str | None = None
    purpose: Purpose | None = None
    basis: str | None = None
    consent: str | None = None
    subject: str | None = None


EVERYONE = Allow()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the door knows when it decides, beside the call itself.

    consents: all that are known, by id. fresh: whether they are recent enough to act on.
    """

    purposes: Purposes
    consents: Mapping[str, Consent]
    fresh: bool
    now: datetime


def decide(route: Route, call: Incoming, token: Token | None, facts: Facts) -> Allow:
    """Return what lets the call pass, or raise the Problem that says why it may not.

    token: already verified for this route's service; None where the route needs none.
    """
    if token is None:
        return EVERYONE
    if route.scopes and not token.scopes.intersection(route.scopes):
        raise InsufficientScope(*route.scopes)
    if route.personal is None:
        return Allow(caller=token.client_id)
    purpose = _purpose(call.purpose, facts.purposes)
    if call.consent is not None:
        return _by_consent(route, call, token, purpose, facts)
    return _by_own(route, call, token, purpose)


def _purpose(code: str | None, purposes: Purposes) -> Purpose:
    known = ", ".join(sorted(purposes))
    if not code:
        raise PurposeRequired(
            "Personal data needs a reason. Send it as Atoll-Purpose; one of: " + known + "."
        )
    if (purpose := purposes.get(code)) is None:
        raise PurposeUnknown(f"This purpose is not in the catalogue. Send one of: {known}.")
    return purpose


def _by_own(route: Route, call: Incoming, token: Token, purpose: Purpose) -> Allow:
    """Let a person see their own data: signed in themselves, nobody acting for them."""
    is_own = token.is_person and "act" not in token.claims and "own" in route.bases
    if is_own and call.subject in (None, token.subject):
        if "own" not in purpose.bases:
            raise BasisRefused(
                f"The purpose {purpose.code} does not go with a person's own data. Nothing was "
                "read. Send Atoll-Purpose: own-data, or a consent with Atoll-Consent."
            )
        return Allow(token.client_id, purpose, "own", None, token.subject)
    if "consent" in route.bases:
        raise ConsentRequired(
            "This is another person's data. Nothing was read. Ask the person to agree, then send "
            "Atoll-Consent with the id of the consent and Atoll-Subject with the person."
        )
    raise BasisRefused(
        "This address shows people their own data only. Nothing was read. "
        "The person must sign in and ask with their own token."
    )


def _by_consent(
    route: Route, call: Incoming, token: Token, purpose: Purpose, facts: Facts
) -> Allow:
    if "consent" not in route.bases or "consent" not in purpose.bases:
        raise BasisRefused(
            "Consent is not a basis for this address and purpose. Nothing was read. "
            "Leave Atoll-Consent out, or send the purpose that the person agreed to."
        )
    subject, consent_id = call.subject, call.consent
    if not subject:
        raise SubjectRequired("Say whose data this is about: send Atoll-Subject with the consent.")
    if not consent_id or max(len(subject), len(consent_id)) > MAX_IDENTIFIER:
        raise Malformed("Atoll-Consent and Atoll-Subject each take one id.")
    if not facts.fresh:
        raise ConsentsStale(
            "Identity has not been heard of for some seconds, so it is not certain that the person "
            "still agrees. Nothing was read. Try again shortly."
        )
    consent = facts.consents.get(consent_id)
    if consent is None or consent.client_id != token.client_id:
        raise ConsentUnknown(
            "No consent with this id was given to you. Nothing was read. If it was given in the "
            "last two seconds, try again; otherwise ask the person to agree."
        )
    _check(consent, subject, route, purpose, facts.now)
    return Allow(token.client_id, purpose, "consent", consent.id, consent.subject)


def _check(consent: Consent, subject: str, route: Route, purpose: Purpose, now: datetime) -> None:
    aim = f"The agreement for the purpose “{purpose.title['en']}”"
    if consent.withdrawn_at is not None:
        raise ConsentWithdrawn(
            f"{aim} was withdrawn on {_date(consent.withdrawn_at)}. Nothing was read. "
            "Ask the person to agree again.",
            withdrawn_at=timestamp(consent.withdrawn_at),
        )
    if consent.until <= now:
        raise ConsentExpired(
            f"{aim} ended on {_date(consent.until)}. Nothing was read. "
            "Ask the person to agree again.",
            until=timestamp(consent.until),
        )
    if consent.subject != subject or consent.purpose != purpose.code:
        raise ConsentMismatch(
            "The agreement is for another person or another purpose. Nothing was read. "
            "Send the person, the purpose and the consent that belong together."
        )
    if missing := sorted(set(route.categories) - consent.categories):
        raise ConsentMismatch(
            f"The person did not agree to show this: {', '.join(missing)}. Nothing was read. "
            "Ask the person to agree to it."
        )


def _date(moment: datetime) -> str:
    """Write a date as people read it, in Maldives time (UTC+5)."""
    local = moment.astimezone(MALDIVES)
    return f"{local.day} {local:%B %Y}"
