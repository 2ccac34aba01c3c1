"""Two workers with one file: one works, the other waits or takes over; nothing is lost or repeated (rules F-1, F-3)."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from connect.demo.worker import RUN
from connect.runtime.supervisor import EXIT_FENCED
from connect.testing.chain import SOURCE

pytestmark = [pytest.mark.stack, pytest.mark.slow]

TAKE_OVER = (*RUN, "--take-over")
LYING = (sys.executable, str(Path(__file__).with_name("lying_worker.py")))


def streaming(status) -> bool:
    return status.get(SOURCE, {}).get("state") == "STREAMING"


def at_work(status) -> bool:
    """The sink too owns what it writes: one that has found no topic yet would take it over later."""
    topics = status.get("warehouse", {}).get("tables", {})
    return streaming(status) and status["warehouse"]["state"] == "LIVE" and len(topics) == 5


def standing_by(status) -> bool:
    return {one["state"] for one in status.values()} == {"STANDBY"}


def test_a_second_worker_waits_and_names_the_owner_and_takes_over_within_ten_seconds_of_its_death(
    make_chain, load, assert_equal
) -> None:
    chain = make_chain()
    first = chain.worker()
    first.wait_for("at work", at_work, 60)
    writing = load(chain)
    second = chain.worker()
    status = second.wait_for("standing by", standing_by, 20)
    assert f"process {first.pid}, since " in status[SOURCE]["message"]
    assert streaming(first.status())
    first.kill_all()
    second.wait_for("streaming", streaming, 10)
    writing.stop()
    chain.settle(second, 60)
    assert_equal(chain)


def test_commands_work_on_the_owner_while_another_worker_stands_by(make_chain) -> None:
    chain = make_chain(sql=False)
    first = chain.worker()
    first.wait_for("streaming", streaming, 60)
    second = chain.worker()
    second.wait_for("standing by", standing_by, 20)
    for command in (["snapshot", "--yes", "--table", "public.j_0", SOURCE], ["restart", SOURCE]):
        subprocess.run([sys.executable, "-m", "connect", *command, str(chain.file)], check=True, timeout=60)
    first.wait_for("streaming", streaming, 20)
    second.wait_for("standing by", standing_by, 20)


def test_take_over_does_not_wait_and_the_first_ends_as_fenced(make_chain, load, assert_equal) -> None:
    chain = make_chain()
    first = chain.worker()
    first.wait_for("at work", at_work, 60)
    writing = load(chain)
    second = chain.worker(command=TAKE_OVER)
    assert first.exit_code(40) == EXIT_FENCED
    assert "Taken over by another worker" in first.log.read_text()
    second.wait_for("streaming", streaming, 60)
    writing.stop()
    chain.settle(second, 60)
    assert_equal(chain)


def test_F111_two_workers_that_both_believe_to_own_are_kept_apart_by_fencing(make_chain, load, assert_equal) -> None:
    chain = make_chain()
    first = chain.worker(command=LYING)
    first.wait_for("at work", at_work, 60)
    writing = load(chain)
    second = chain.worker(command=LYING)
    assert first.exit_code(40) == EXIT_FENCED
    second.wait_for("streaming", streaming, 60)
    writing.stop()
    chain.settle(second, 60)
    assert_equal(chain)


def test_a_suspended_worker_loses_its_place_and_wakes_up_fenced(make_chain, load, assert_equal) -> None:
    chain = make_chain()
    first = chain.worker()
    first.wait_for("at work", at_work, 60)
    writing = load(chain)
    first.signal_all(signal.SIGSTOP)
    second = chain.worker()
    second.wait_for("owner", lambda status: status.get("warehouse", {}).get("state") == "LIVE", 40)
    first.signal_all(signal.SIGCONT)
    assert first.exit_code(40) == EXIT_FENCED
    second.wait_for("streaming", streaming, 60)
    writing.stop()
    chain.settle(second, 60)
    assert_equal(chain)


def test_a_restart_on_the_same_machine_after_a_kill_does_not_wait(make_chain) -> None:
    chain = make_chain(sql=False)
    first = chain.worker()
    first.wait_for("streaming", streaming, 60)
    first.kill_all()
    second = chain.worker()
    second.wait_for("streaming", streaming, 30)
    assert "STANDBY" not in second.log.read_text()


def test_two_workers_that_begin_at_once_agree_on_one_owner(make_chain) -> None:
    chain = make_chain(sql=False)
    workers = [chain.worker(), chain.worker()]

    def agreed(_) -> bool:
        states = [worker.status().get(SOURCE, {}).get("state") for worker in workers]
        return sorted(map(str, states)) == ["STANDBY", "STREAMING"]

    workers[0].wait_for("agreed", agreed, 60)
