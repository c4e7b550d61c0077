"""The circuit breaker, on a clock of its own."""

from gateway.breaker import FAILURES, LONGEST_S, TRIAL_S, WAIT_S, Breaker


def opened(now: float = 0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker.fail(now)
    return breaker


def test_only_failures_in_a_row_open_it() -> None:
    breaker = Breaker()
    for _ in range(20):
        for _ in range(FAILURES - 1):
            breaker.fail(0)
        breaker.succeed()
    assert breaker.state(0) == "closed"
    for _ in range(FAILURES):
        assert breaker.lets_pass(0)
        breaker.fail(0)
    assert breaker.state(0) == "open"
    assert not breaker.lets_pass(WAIT_S / 2)
    assert breaker.wait_s(WAIT_S / 2) == WAIT_S / 2


def test_half_open_lets_one_call_try() -> None:
    breaker = opened()
    assert breaker.state(WAIT_S) == "half-open"
    assert breaker.lets_pass(WAIT_S)
    breaker.take(WAIT_S)
    assert not breaker.lets_pass(WAIT_S)
    breaker.succeed()
    assert breaker.state(WAIT_S) == "closed"


def test_a_failed_trial_waits_longer_each_time_but_not_for_ever() -> None:
    breaker, now, waits = opened(), 0.0, []
    for _ in range(8):
        now += breaker.wait_s(now)
        breaker.take(now)
        breaker.fail(now)
        waits.append(breaker.wait_s(now))
    assert waits[:3] == [2 * WAIT_S, 4 * WAIT_S, 8 * WAIT_S]
    assert max(waits) == LONGEST_S
    assert breaker.opened == 1


def test_a_trial_that_says_nothing_makes_room_for_another() -> None:
    breaker = opened()
    breaker.take(WAIT_S)
    breaker.leave()
    assert breaker.lets_pass(WAIT_S)
    breaker.take(WAIT_S)
    assert not breaker.lets_pass(WAIT_S + TRIAL_S / 2)
    assert breaker.lets_pass(WAIT_S + TRIAL_S)


def test_calls_of_before_do_not_prolong_an_open_circuit() -> None:
    breaker = opened()
    for _ in range(50):
        breaker.fail(WAIT_S / 2)
    assert breaker.lets_pass(WAIT_S)
