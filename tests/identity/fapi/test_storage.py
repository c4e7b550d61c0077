"""Pushed requests and bindings on each engine."""

from datetime import timedelta

from servicekit.database import Database
from services.identity.storage import pushed
from services.identity.storage.profile_tables import PushedRequest
from tests.support.clock import FakeClock

LIFE = timedelta(seconds=60)
ASKED = {"scope": ["openid"], "resource": ["urn:atoll:registers", "urn:atoll:notify"]}


def test_a_request_is_kept_opened_and_used_once(each_database: Database, clock: FakeClock) -> None:
    now = clock.now()
    with each_database.transaction() as session:
        pushed.keep(session, "uri", "portal", ASKED, now, LIFE)
    with each_database.snapshot() as session:  # looking does not open it
        assert pushed.open_for(session, "uri", "portal", now) == ASKED
        assert pushed.open_for(session, "uri", "fisheries", now) is None
        assert pushed.open_for(session, "uri", "portal", now + LIFE) is None
    with each_database.transaction() as session:
        assert pushed.open_for(session, "uri", "portal", now) == ASKED
    with each_database.transaction() as session:
        assert pushed.open_for(session, "uri", "portal", now + 2 * LIFE) == ASKED
        assert pushed.use(session, "uri", now)
        assert not pushed.use(session, "uri", now)
        assert not pushed.use(session, "another", now)
        session.expire_all()
        assert pushed.open_for(session, "uri", "portal", now) is None


def test_ended_requests_are_forgotten(each_database: Database, clock: FakeClock) -> None:
    with each_database.transaction() as session:
        for name in ("opened", "never"):
            pushed.keep(session, name, "portal", ASKED, clock.now(), LIFE)
        pushed.open_for(session, "opened", "portal", clock.now())
    for hours, left in ((0.5, 2), (3, 1)):  # the new one, and the opened one for a while
        later = clock.now() + timedelta(hours=hours)
        with each_database.transaction() as session:
            pushed.keep(session, f"after {hours}", "portal", ASKED, later, LIFE)
            assert session.query(PushedRequest).count() == left


def test_an_unknown_grant_is_bound_to_nothing(each_database: Database) -> None:
    with each_database.snapshot() as session:
        assert pushed.binding(session, "none") == (None, None)
