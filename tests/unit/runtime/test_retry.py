"""The retry table: one test a row, and the bounds of its waits."""

from __future__ import annotations

import errno
import itertools

import pytest

from connect.errors import ConfigError, Failed, Fenced, Problem, RecordError, Retriable
from connect.runtime.report import State
from connect.runtime.retry import CRASHES, Crashes, Retry, Stop, backoff, calm, decide


def no_jitter() -> float:
    return 0.0


def full_jitter() -> float:
    return 1.0


def test_fenced_is_never_retried() -> None:
    """Rule F-3: two owners that retry would fence each other for ever."""
    decision = decide(Fenced("another worker took over"), 0)

    assert decision == Stop(State.FENCED, "fenced", "another worker took over")


def test_failed_stops_with_its_code_and_hint() -> None:
    decision = decide(Failed("slot_lost", "shop: the slot is lost", hint="DROP it"), 3)

    assert decision == Stop(State.FAILED, "slot_lost", "shop: the slot is lost\n  DROP it")


def test_a_fault_of_the_file_stops() -> None:
    decision = decide(ConfigError([Problem("a.yaml:3", "unknown key")]), 0)

    assert decision == Stop(State.FAILED, "config", "a.yaml:3: unknown key")


def test_a_record_error_without_dead_letters_stops() -> None:
    decision = decide(RecordError("orders-0@7 cannot be written", code="poisoned_record"), 0)

    assert decision == Stop(State.FAILED, "poisoned_record", "orders-0@7 cannot be written")


def test_retriable_waits_with_its_reason() -> None:
    decision = decide(Retriable("no answer", code="source_unreachable"), 0, no_jitter)

    assert decision == Retry(0.2, "source_unreachable", "no answer")


def test_retriable_waits_as_long_as_it_is_asked_to() -> None:
    decision = decide(Retriable("busy", after=45), 0, no_jitter)

    assert decision == Retry(45, "retriable", "busy")


def test_nobody_can_ask_for_an_endless_wait() -> None:
    decision = decide(Retriable("busy", after=1e9), 0, no_jitter)

    assert decision == Retry(300.0, "retriable", "busy")


def test_F119_a_full_disk_is_tried_again_slowly() -> None:
    decision = decide(OSError(errno.ENOSPC, "full", "/spool/1"), 0, no_jitter)

    assert isinstance(decision, Retry)
    assert (decision.after_seconds, decision.code) == (5.0, "disk_full")
    assert "/spool/1" in decision.message


def test_what_is_not_understood_stops_and_says_where() -> None:
    with pytest.raises(KeyError) as raised:
        {}["customer@example.org"]
    decision = decide(raised.value, 0)

    assert isinstance(decision, Stop)
    assert (decision.state, decision.code) == (State.FAILED, "internal_error")
    assert "KeyError at " in decision.message
    assert "test_retry.py:" in decision.message


def test_F175_a_foreign_error_text_is_not_shown() -> None:
    decision = decide(ValueError("invalid literal: '4111 1111 1111 1111'"), 0)

    assert isinstance(decision, Stop)
    assert "4111" not in decision.message


def test_F126_waits_double_up_to_a_cap() -> None:
    waits = [backoff(attempt, no_jitter) for attempt in range(9)]

    assert waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0])


def test_F126_jitter_takes_up_to_half() -> None:
    assert backoff(3, full_jitter) == pytest.approx(0.8)


def test_F126_a_server_that_is_down_for_ten_minutes_sees_few_connects() -> None:
    starts = itertools.accumulate(backoff(attempt, full_jitter) for attempt in range(200))

    assert sum(1 for start in starts if start < 600) < 60


def test_F126_a_link_that_breaks_at_once_after_progress_does_not_start_the_back_off_anew() -> None:
    assert not calm(0.3, progressed=True)


def test_progress_starts_the_back_off_anew() -> None:
    assert calm(1.5, progressed=True)


def test_a_long_quiet_run_starts_the_back_off_anew() -> None:
    assert calm(31.0, progressed=False)
    assert not calm(5.0, progressed=False)


def test_a_child_killed_by_a_signal_starts_again_at_once() -> None:
    decision = Crashes().died(100.0, "was killed by SIGKILL", by_signal=True, progressed=False)

    assert decision == Retry(0.0, "crashed", "Its process was killed by SIGKILL.")


def test_a_child_that_ends_by_itself_waits() -> None:
    decision = Crashes(no_jitter).died(100.0, "ended with exit code 1", by_signal=False, progressed=False)

    assert decision == Retry(0.2, "crashed", "Its process ended with exit code 1.")


def test_a_child_that_keeps_dying_without_progress_stays_down() -> None:
    crashes = Crashes()

    decisions = [crashes.died(100.0 + n, "was killed", by_signal=True, progressed=False) for n in range(CRASHES)]

    assert [isinstance(decision, Retry) for decision in decisions] == [True] * (CRASHES - 1) + [False]
    last = decisions[-1]
    assert isinstance(last, Stop)
    assert (last.state, last.code) == (State.FAILED, "crash_loop")


def test_a_child_that_is_killed_between_progress_never_counts_as_a_loop() -> None:
    crashes = Crashes()

    decisions = [crashes.died(100.0 + n, "was killed", by_signal=True, progressed=True) for n in range(3 * CRASHES)]

    assert {0.0} == {decision.after_seconds for decision in decisions if isinstance(decision, Retry)}
    assert not [decision for decision in decisions if isinstance(decision, Stop)]


def test_deaths_long_ago_do_not_count() -> None:
    crashes = Crashes()

    decisions = [crashes.died(200.0 * n, "was killed", by_signal=True, progressed=False) for n in range(3 * CRASHES)]

    assert not [decision for decision in decisions if isinstance(decision, Stop)]
