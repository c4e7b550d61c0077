"""May this call pass? Every rule of the door in one place, without any input or output.

The rules are those of the wire: tokens (section 2), the personal-data rule (section 4) and the
freshness of consents (section 5); and that there is an agreement (docs/reference/agreements.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from gateway.denials import (
    AgreementRequired,
    AgreementsUnknown,
    BasisRefused,
    ConsentExpired,
    ConsentMismatch,
    ConsentRequired,
    ConsentsStale,
    ConsentUnknown,
    ConsentWithdrawn,
    PurposeRequired,
    PurposeUnknown,
    SubjectRequired,
)
from gateway.incoming import Incoming
from gateway.purposes import STATUTE, Purpose, Purposes, Statute
from gateway.routing import Route
from servicekit.clock import timestamp
from servicekit.problems import InsufficientScope, Malformed
from servicekit.tokens import Token

MAX_IDENTIFIER = 128
MALDIVES = timezone(timedelta(hours=5))


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
class Term:
    """From when to when an agreement holds; ``ends`` is not part of it."""

    starts: datetime
    ends: datetime | None = None


Agreements = Mapping[tuple[str, str], Sequence[Term]]  # by client and service


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
    agreements: None where the directory could never be read. statutes: by id.
    """

    purposes: Purposes
    consents: Mapping[str, Consent]
    fresh: bool
    now: datetime
    agreements: Agreements | None = None
    statutes: Mapping[str, Statute] = field(default_factory=dict)


def decide(route: Route, call: Incoming, token: Token | None, facts: Facts) -> Allow:
    """Return what lets the call pass, or raise the Problem that says why it may not.

    token: already verified for this route's service; None where the route needs none.
    """
    if token is None:
        return EVERYONE
    if route.scopes and not token.scopes.intersection(route.scopes):
        raise InsufficientScope(*route.scopes)
    if route.auth == "token" and route.service != "gateway":
        _check_agreement(route.service, token.client_id, facts)
    if route.personal is None:
        return Allow(caller=token.client_id)
    purpose = _purpose(call.purpose, facts.purposes)
    if call.consent is not None:
        return _by_consent(route, call, token, purpose, facts)
    if not is_own(route, call, token) and any(one.startswith(STATUTE) for one in purpose.bases):
        return _by_statute(route, call, token, purpose, facts.statutes)
    return _by_own(route, call, token, purpose)


def _check_agreement(service: str, client_id: str, facts: Facts) -> None:
    """Refuse a client without an agreement in force; what is open to everyone needs none."""
    if facts.agreements is None:
        raise AgreementsUnknown(
            "The directory of agreements could not be read yet, so nothing was done. "
            "Try again shortly."
        )
    terms = facts.agreements.get((client_id, service), ())
    if any(term.starts <= facts.now and not _ended(term, facts.now) for term in terms):
        return
    if begins := [term.starts for term in terms if term.starts > facts.now]:
        state = f"The agreement of {client_id} for {service} begins on {_date(min(begins))}."
    elif terms:
        state = f"The agreement of {client_id} for {service} has ended."
    else:
        state = f"{client_id} has no agreement to call {service}."
    raise AgreementRequired(
        f"{state} Nothing was done. Ask the owner of {service}, whom the directory names at "
        "/portal/directory, for one; the platform's operator then enters it."
    )


def _ended(term: Term, now: datetime) -> bool:
    return term.ends is not None and term.ends <= now


def _purpose(code: str | None, purposes: Purposes) -> Purpose:
    known = ", ".join(sorted(purposes))
    if not code:
        raise PurposeRequired(
            "Personal data needs a reason. Send it as Atoll-Purpose; one of: " + known + "."
        )
    if (purpose := purposes.get(code)) is None:
        raise PurposeUnknown(f"This purpose is not in the catalogue. Send one of: {known}.")
    return purpose


def is_own(route: Route, call: Incoming, token: Token) -> bool:
    """Whether a person asks for their own data: signed in themselves, nobody acting for them."""
    by_oneself = token.is_person and "act" not in token.claims
    return by_oneself and "own" in route.bases and call.subject in (None, token.subject)


def _by_own(route: Route, call: Incoming, token: Token, purpose: Purpose) -> Allow:
    """Let a person see their own data."""
    if is_own(route, call, token):
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


def _by_statute(
    route: Route,
    call: Incoming,
    token: Token,
    purpose: Purpose,
    statutes: Mapping[str, Statute],
) -> Allow:
    """Let those whom a law names read what it lets them; the person does not have to agree."""
    shared = (one.removeprefix(STATUTE) for one in sorted(purpose.bases.intersection(route.bases)))
    laws = [statutes[one] for one in shared if one in statutes]
    if not laws:
        raise BasisRefused(
            f"No law of the purpose {purpose.code} covers this address. Nothing was read. "
            "Ask the person to agree, and send Atoll-Consent with the purpose they agreed to."
        )
    if not call.subject:
        raise SubjectRequired("Say whose data this is about: send Atoll-Subject with the purpose.")
    if len(call.subject) > MAX_IDENTIFIER:
        raise Malformed("Atoll-Subject takes one id.")
    law = next((one for one in laws if one.roles & token.roles), None)
    if law is None:
        roles = " or ".join(sorted(frozenset().union(*(one.roles for one in laws))))
        raise BasisRefused(
            f"The {laws[0].title['en']} allows this to {roles} only, and the token does not hold "
            "that role. Nothing was read. Let somebody who holds it ask, or the person agree."
        )
    return Allow(token.client_id, purpose, STATUTE + law.id, None, call.subject)


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
