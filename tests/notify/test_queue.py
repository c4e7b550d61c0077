"""The queue on both engines: taken once, given back, settled by its holder only."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from servicekit.database import Database
from services.notify.storage import jobs, settling
from services.notify.storage import notifications as stored
from services.notify.storage.settling import Settlement
from services.notify.storage.tables import DeliveryAttempt, Job, Notification
from tests.notify.conftest import SERVICE_ID, prepare
from tests.support.clock import FakeClock

DELIVERED = Settlement("delivered", "delivered", None, None)


@pytest.fixture
def queue(database: Database) -> Database:
    prepare(database)
    return database


def add(database: Database, clock: FakeClock, count: int) -> list[str]:
    ids = [f"n{number:04}" for number in range(count)]
    with database.transaction() as session:
        for id_ in ids:
            stored.add(
                session,
                clock.now(),
                id=id_,
                service_id=SERVICE_ID,
                key_type="live",
                channel="sms",
                template_id="t",
                template_version=1,
                recipient_index="r",
                reference_index=None,
                sealed=b"sealed",
                fragments=1,
            )
    return ids


def claim(database: Database, clock: FakeClock, token: str, limit: int = 10) -> list[jobs.Claimed]:
    with database.transaction() as session:
        return jobs.claim(session, clock.now(), token=token, lease_s=15, limit=limit)


def test_four_workers_never_take_one_job_twice(queue: Database, clock: FakeClock) -> None:
    ids = add(queue, clock, 120)
    taken: list[str] = []
    gate = threading.Barrier(4)

    def work(name: str) -> None:
        gate.wait()
        while claimed := claim(queue, clock, name, limit=7):
            assert len(claimed) <= 7
            taken.extend(job.notification_id for job in claimed)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == ids


def test_jobs_are_taken_in_the_order_they_came_due(queue: Database, clock: FakeClock) -> None:
    ids = add(queue, clock, 5)
    assert [job.notification_id for job in claim(queue, clock, "a", limit=2)] == ids[:2]
    assert [job.notification_id for job in claim(queue, clock, "b")] == ids[2:]


def test_a_lost_workers_jobs_come_due_when_the_lease_ends(
    queue: Database, clock: FakeClock
) -> None:
    add(queue, clock, 1)
    [lost] = claim(queue, clock, "lost")
    clock.advance(seconds=14)
    assert claim(queue, clock, "early") == []
    clock.advance(seconds=1)
    [held] = claim(queue, clock, "next")
    assert (lost.attempts, held.attempts) == (1, 2)


def test_only_the_holder_settles(queue: Database, clock: FakeClock) -> None:
    [id_] = add(queue, clock, 1)
    [late] = claim(queue, clock, "late")
    clock.advance(seconds=15)
    [held] = claim(queue, clock, "holder")
    with queue.transaction() as session:
        settling.begin_attempts(session, [(late, "inbox"), (held, "inbox")], clock.now())
        assert not settling.settle(
            session, late, Settlement("x", "permanent-failure", None, None), clock.now()
        )
        assert settling.settle(session, held, DELIVERED, clock.now())
        assert not settling.settle(session, held, DELIVERED, clock.now())
    with queue.snapshot() as session:
        assert session.scalars(select(Notification.status)).all() == ["delivered"]
        outcomes = select(DeliveryAttempt.number, DeliveryAttempt.outcome).order_by(
            DeliveryAttempt.number
        )
        assert [tuple(row) for row in session.execute(outcomes)] == [(1, "x"), (2, "delivered")]
    assert not due(queue, clock)
    assert id_


def due(database: Database, clock: FakeClock) -> bool:
    with database.snapshot() as session:
        return jobs.is_due(session, clock.now())


def test_a_retry_waits_for_its_moment(queue: Database, clock: FakeClock) -> None:
    add(queue, clock, 1)
    [job] = claim(queue, clock, "a")
    retry_at = clock.now() + timedelta(seconds=10)
    with queue.transaction() as session:
        settling.settle(session, job, Settlement("again", None, retry_at, "Timeout"), clock.now())
    clock.advance(seconds=9)
    assert not due(queue, clock)
    clock.advance(seconds=1)
    assert due(queue, clock)
    with queue.snapshot() as session:
        row = session.scalars(select(Job)).one()
        assert (row.last_error, row.lease_token, row.done_at) == ("Timeout", None, None)


def test_jobs_given_back_are_due_at_once(queue: Database, clock: FakeClock) -> None:
    add(queue, clock, 2)
    claimed = claim(queue, clock, "a")
    with queue.transaction() as session:
        jobs.release(session, claimed[1:], clock.now())
    assert [job.notification_id for job in claim(queue, clock, "b")] == ["n0001"]


def test_a_job_may_be_attempted_many_times_but_each_attempt_once(
    queue: Database, clock: FakeClock
) -> None:
    add(queue, clock, 1)
    [job] = claim(queue, clock, "a")
    with queue.transaction() as session:
        settling.begin_attempts(session, [(job, "inbox")], clock.now())
    values = {"notification_id": "n0000", "number": 1, "provider": "x", "started_at": clock.now()}
    with pytest.raises(Exception, match=r"(?i)unique"), queue.transaction() as session:
        session.execute(insert(DeliveryAttempt).values(values))


def test_a_beat_is_one_row_a_worker(queue: Database, clock: FakeClock) -> None:
    for _ in range(3):
        clock.advance(seconds=5)
        with queue.transaction() as session:
            jobs.beat(session, "w", clock.now())
    with queue.snapshot() as session:
        assert jobs.last_beat(session) == clock.now()
    with queue.transaction() as session:
        jobs.forget_beats(session, before=clock.now())
        assert jobs.last_beat(session) == clock.now()
        jobs.forget_beats(session, before=clock.now() + timedelta(seconds=1))
        assert jobs.last_beat(session) is None


def test_old_answers_are_forgotten(queue: Database, clock: FakeClock) -> None:
    def remember(key: str) -> stored.Remembered | None:
        with queue.transaction() as session:
            return stored.remember(
                session, SERVICE_ID, key, stored.Remembered("b", b"s"), clock.now()
            )

    assert remember("old") is None
    clock.advance(hours=23)
    assert remember("new") is None
    assert remember("old") == stored.Remembered("b", b"s")
    clock.advance(hours=1)
    with queue.transaction() as session:
        stored.forget_answers(session, clock.now())
        assert stored.remembered(session, SERVICE_ID, "new", clock.now()) is not None
        assert stored.remembered(session, SERVICE_ID, "old", clock.now()) is None
