"""Every rule of the door, asked without a network, a clock or a database."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import policy
from gateway.app import FOLDER
from gateway.incoming import Incoming
from gateway.policy import Allow, Consent, Term
from gateway.purposes import Purpose, Statute, check_statutes, load_purposes, load_statutes
from gateway.routing import Route
from servicekit.problems import InsufficientScope, Problem
from servicekit.tokens import Token

NOW = datetime(2026, 3, 3, 5, 0, tzinfo=UTC)
PURPOSES = load_purposes(FOLDER / "purposes.yaml")
STATUTES = load_statutes(FOLDER / "statutes.yaml")
PUBLIC = Route("/a", ("GET",), "registers", auth="optional")
SCOPED = Route("/b", ("POST",), "registers", auth="token", scopes=("registers.append", "other"))
CONTACT = Route(
    "/c", ("GET",), "identity", auth="token", scopes=("identity.contact",), personal="read",
    categories=("contact",), bases=("consent", "own"),
)  # fmt: skip
INBOX = dataclasses.replace(CONTACT, categories=("messages",), bases=("own",))
CONSENT = Consent(
    id="c-1", subject="person-1", client_id="fisheries", purpose="vessel-licence",
    categories=frozenset({"contact"}), given_at=NOW - timedelta(days=1),
    until=NOW + timedelta(days=1),
)  # fmt: skip

AGREED = {
    (client, service): [Term(NOW - timedelta(days=9))]
    for client in ("fisheries", "other", "portal")
    for service in ("identity", "registers", "notify")
}


def call(**sent: str | None) -> Incoming:
    incoming = Incoming("GET", b"/c", b"", "192.0.2.7")
    incoming.purpose, incoming.consent, incoming.subject = "vessel-licence", "c-1", "person-1"
    for name, value in sent.items():
        setattr(incoming, name, value)
    return incoming


def token(
    scope: str = "identity.contact",
    subject: str = "fisheries",
    client_id: str = "fisheries",
    **claims: Any,
) -> Token:
    return Token(subject, client_id, frozenset(scope.split()), frozenset(), "j", 0, claims)


def decide(
    route: Route = CONTACT,
    sent: Incoming | None = None,
    given_token: Token | None = None,
    *,
    consent: Consent | None = CONSENT,
    fresh: bool = True,
    now: datetime = NOW,
) -> Allow:
    consents = {consent.id: consent} if consent else {}
    facts = policy.Facts(PURPOSES, consents, fresh, now, AGREED, STATUTES)
    return policy.decide(route, sent or call(), given_token or token(), facts)


def refusal(*args: Any, **options: Any) -> str:
    with pytest.raises(Problem) as refused:
        decide(*args, **options)
    assert refused.value.detail.endswith(".")
    return refused.value.slug


def test_everyone_passes_where_no_token_is_needed() -> None:
    allowed = policy.decide(PUBLIC, call(), None, policy.Facts(PURPOSES, {}, False, NOW))
    assert allowed == Allow()


def test_any_one_of_the_scopes_is_enough_and_none_is_not() -> None:
    assert decide(SCOPED, given_token=token("other x")).caller == "fisheries"
    with pytest.raises(InsufficientScope) as refused:
        decide(SCOPED, given_token=token("registers.read"))
    assert refused.value.members["scope"] == "registers.append other"


def test_what_a_caller_says_about_persons_is_ignored_on_other_routes() -> None:
    allowed = decide(SCOPED, given_token=token("other"))
    assert (allowed.subject, allowed.consent, allowed.purpose) == (None, None, None)


def test_a_valid_consent_lets_the_call_pass() -> None:
    allowed = decide()
    assert (allowed.caller, allowed.basis) == ("fisheries", "consent")
    assert (allowed.consent, allowed.subject) == ("c-1", "person-1")
    assert allowed.purpose == PURPOSES["vessel-licence"]


@pytest.mark.parametrize(
    ("changes", "slug"),
    [
        ({"withdrawn_at": NOW - timedelta(seconds=1)}, "consent-withdrawn"),
        ({"until": NOW}, "consent-expired"),
        ({"client_id": "other"}, "consent-unknown"),
        ({"subject": "person-2"}, "consent-mismatch"),
        ({"purpose": "own-data"}, "consent-mismatch"),
        ({"categories": frozenset()}, "consent-mismatch"),
        ({"categories": frozenset({"health"})}, "consent-mismatch"),
    ],
)
def test_a_consent_that_does_not_fit_is_refused(changes: dict[str, Any], slug: str) -> None:
    assert refusal(consent=dataclasses.replace(CONSENT, **changes)) == slug


def test_another_clients_consent_looks_like_one_that_does_not_exist() -> None:
    theirs = dataclasses.replace(CONSENT, client_id="other", withdrawn_at=NOW)
    assert refusal(consent=theirs) == refusal(consent=None) == "consent-unknown"


def test_a_consent_for_more_than_is_asked_is_enough() -> None:
    wide = dataclasses.replace(CONSENT, categories=frozenset({"contact", "health"}))
    assert decide(consent=wide).basis == "consent"


@pytest.mark.parametrize(
    ("sent", "slug"),
    [
        ({"purpose": None}, "purpose-required"),
        ({"purpose": ""}, "purpose-required"),
        ({"purpose": "Vessel-Licence"}, "purpose-unknown"),
        ({"subject": None}, "subject-required"),
        ({"subject": ""}, "subject-required"),
        ({"consent": None}, "consent-required"),
        ({"consent": ""}, "malformed"),
        ({"subject": "x" * 129}, "malformed"),
    ],
)
def test_what_must_be_said_is_asked_for(sent: dict[str, str | None], slug: str) -> None:
    assert refusal(sent=call(**sent)) == slug


def test_stale_consents_are_not_acted_on_whatever_they_say() -> None:
    assert refusal(fresh=False) == "consents-stale"
    assert refusal(fresh=False, consent=None) == "consents-stale"
    withdrawn = dataclasses.replace(CONSENT, withdrawn_at=NOW)
    assert refusal(fresh=False, consent=withdrawn) == "consents-stale"


PERSON = token("identity.contact", subject="person-1", client_id="portal")


def test_people_read_their_own_data_even_when_consents_are_stale() -> None:
    own = call(purpose="own-data", consent=None, subject=None)
    for subject in (None, "person-1"):
        own.subject = subject
        allowed = decide(sent=own, given_token=PERSON, fresh=False, consent=None)
        assert (allowed.basis, allowed.subject, allowed.caller) == ("own", "person-1", "portal")


def test_own_data_means_the_person_and_nobody_for_them() -> None:
    own = call(purpose="own-data", consent=None, subject=None)
    acting = token(subject="person-1", client_id="portal", act={"sub": "officer"})
    assert refusal(sent=own, given_token=acting) == "consent-required"
    assert refusal(sent=own) == "consent-required"
    assert refusal(INBOX, sent=own) == "basis-refused"
    other = call(purpose="own-data", consent=None, subject="person-2")
    assert refusal(sent=other, given_token=PERSON) == "consent-required"
    wrong = call(consent=None, subject=None)
    assert refusal(sent=wrong, given_token=PERSON) == "basis-refused"


def test_a_route_without_consent_as_a_basis_takes_none() -> None:
    assert refusal(INBOX) == "basis-refused"
    assert refusal(sent=call(purpose="own-data")) == "basis-refused"


@given(
    purpose=st.sampled_from([None, "", "vessel-licence", "own-data", "x"]),
    consent_id=st.sampled_from([None, "", "c-1", "c-2"]),
    subject=st.sampled_from([None, "", "person-1", "person-2"]),
    given_token=st.sampled_from([token(), token("x"), PERSON, token(client_id="other")]),
    route=st.sampled_from([CONTACT, INBOX]),
    fresh=st.booleans(),
    consent=st.builds(
        dataclasses.replace,
        st.just(CONSENT),
        subject=st.sampled_from(["person-1", "person-2"]),
        client_id=st.sampled_from(["fisheries", "other"]),
        purpose=st.sampled_from(["vessel-licence", "own-data"]),
        categories=st.sampled_from([frozenset(), frozenset({"contact"}), frozenset({"messages"})]),
        until=st.sampled_from([NOW - timedelta(days=1), NOW + timedelta(days=1)]),
        withdrawn_at=st.sampled_from([None, NOW]),
    ),
)
def test_whatever_is_sent_personal_data_passes_only_on_a_basis_that_holds(
    purpose: str | None, consent_id: str | None, subject: str | None, given_token: Token,
    route: Route, fresh: bool, consent: Consent,
) -> None:  # fmt: skip
    sent = call(purpose=purpose, consent=consent_id, subject=subject)
    try:
        allowed = decide(route, sent, given_token, consent=consent, fresh=fresh)
    except Problem:
        return
    assert allowed.purpose is not None
    assert allowed.basis in route.bases
    assert allowed.basis in allowed.purpose.bases
    assert given_token.scopes & set(route.scopes)
    if allowed.basis == "own":
        assert allowed.subject == given_token.subject != given_token.client_id
        assert subject in (None, allowed.subject)
    else:
        assert fresh
        assert consent.withdrawn_at is None
        assert consent.until > NOW
        assert consent.client_id == given_token.client_id
        assert consent.subject == subject == allowed.subject
        assert consent.purpose == purpose
        assert set(route.categories) <= consent.categories


# -- statutes: what a law lets somebody read without asking the person

LAW = Statute("inspection", {"en": "Inspection Act"}, {"en": "s 1"}, frozenset({"x:officer"}))
INSPECTION = Purpose("inspection", {"en": "An inspection"}, frozenset({"statute:inspection"}))
LISTED = dataclasses.replace(CONTACT, bases=("consent", "own", "statute:inspection"))


def by_law(
    route: Route = LISTED,
    *,
    roles: tuple[str, ...] = ("x:officer",),
    person: str | None = None,
    purpose: Purpose = INSPECTION,
    **sent: str | None,
) -> Allow:
    caller = dataclasses.replace(token(subject=person or "fisheries"), roles=frozenset(roles))
    asked = call(**{"purpose": purpose.code, "consent": None} | sent)
    known = {purpose.code: purpose}
    facts = policy.Facts(known, {}, False, NOW, AGREED, {"inspection": LAW})
    return policy.decide(route, asked, caller, facts)


def denied(*args: Any, **options: Any) -> Problem:
    with pytest.raises(Problem) as refused:
        by_law(*args, **options)
    return refused.value


def test_whom_a_law_names_reads_without_consent_also_while_identity_is_away() -> None:
    for person in (None, "person-9"):
        allowed = by_law(person=person)
        assert (allowed.basis, allowed.subject) == ("statute:inspection", "person-1")
        assert allowed.consent is None


def test_without_the_role_that_the_law_names_nothing_is_read() -> None:
    problem = denied(roles=("x:clerk",))
    assert problem.slug == "basis-refused"
    assert "Inspection Act" in problem.detail
    assert "x:officer" in problem.detail


def test_a_law_counts_only_where_the_address_lists_it() -> None:
    assert denied(CONTACT).slug == "basis-refused"
    assert denied(dataclasses.replace(LISTED, bases=("statute:other",))).slug == "basis-refused"
    stranger = dataclasses.replace(INSPECTION, bases=frozenset({"statute:gone"}))
    unknown = dataclasses.replace(LISTED, bases=("statute:gone",))
    assert denied(unknown, purpose=stranger).slug == "basis-refused"


def test_a_law_needs_to_be_told_whose_data_it_is() -> None:
    assert denied(subject=None).slug == "subject-required"
    assert denied(subject="x" * 129).slug == "malformed"


def test_a_purpose_of_a_law_is_no_purpose_for_ones_own_data() -> None:
    assert denied(person="person-1", roles=()).slug == "basis-refused"
    both = dataclasses.replace(INSPECTION, bases=frozenset({"own", "statute:inspection"}))
    assert by_law(person="person-1", purpose=both).basis == "own"


def test_every_law_of_the_purposes_is_in_the_list_and_names_who_may_rely_on_it(
    tmp_path: Path,
) -> None:
    check_statutes(PURPOSES, STATUTES)
    with pytest.raises(ValueError, match="not in statutes"):
        check_statutes({"inspection": INSPECTION}, {})
    nobody = tmp_path / "statutes.yaml"
    nobody.write_text("a: {title: {en: A}, citation: {en: s}, roles: []}")
    with pytest.raises(ValueError, match="who may rely"):
        load_statutes(nobody)


def test_a_client_needs_an_agreement_but_not_for_the_doors_own_api_or_what_is_open() -> None:
    stranger = token("registers.append identity.contact s", client_id="nobody", subject="nobody")
    assert refusal(SCOPED, given_token=stranger) == "agreement-required"
    own_api = dataclasses.replace(SCOPED, service="gateway")
    assert decide(own_api, given_token=stranger).caller == "nobody"
    assert decide(PUBLIC, given_token=stranger).caller == "nobody"
