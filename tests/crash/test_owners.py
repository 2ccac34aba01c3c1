"""Two workers with one file: one works, the other is fenced, nothing is lost or repeated (rules F-1, F-3)."""

from __future__ import annotations

import signal
import time

import pytest

from connect.runtime.supervisor import EXIT_FENCED
from connect.testing.chain import SOURCE

pytestmark = [pytest.mark.stack, pytest.mark.slow]


def streaming(status) -> bool:
    return status.get(SOURCE, {}).get("state") == "STREAMING"


def at_work(status) -> bool:
    """The sink too owns what it writes: one that has found no topic yet would take it over later."""
    topics = status.get("warehouse", {}).get("tables", {})
    return streaming(status) and status["warehouse"]["state"] == "LIVE" and len(topics) == 5


def test_the_older_of_two_workers_ends_as_fenced(make_chain, load, assert_equal) -> None:
    chain = make_chain()
    first = chain.worker()
    first.wait_for("at work", at_work, 60)
    writing = load(chain)
    second = chain.worker()
    assert first.exit_code(40) == EXIT_FENCED
    second.wait_for("streaming", streaming, 60)
    writing.stop()
    chain.settle(second, 60)
    assert_equal(chain)


def test_a_suspended_worker_wakes_up_fenced(make_chain, load, assert_equal) -> None:
    chain = make_chain()
    first = chain.worker()
    first.wait_for("at work", at_work, 60)
    writing = load(chain)
    first.signal_all(signal.SIGSTOP)
    second = chain.worker()
    time.sleep(10)
    first.signal_all(signal.SIGCONT)
    assert first.exit_code(40) == EXIT_FENCED
    second.wait_for("streaming", streaming, 60)
    writing.stop()
    chain.settle(second, 60)
    assert_equal(chain)
