"""What the supervisor makes of reports: totals, the watchdog, the way to live."""

from __future__ import annotations

from connect.runtime.report import State, TableReport, TaskReport
from connect.runtime.states import STALL_SECONDS, Connector, ConnectorStatus, History
from connect.runtime.until import PICKUP_SECONDS, UntilLive

SHOP = Connector("shop", "source", "postgres")
SEARCH = Connector("search", "sink", "elasticsearch")


def status(history: History, now: float, connector: Connector = SHOP) -> ConnectorStatus:
    return history.status(connector, now, pid=1, restarts=0)


def reported(connector: Connector, report: TaskReport) -> ConnectorStatus:
    history = History(0.0)
    history.observe(report, 0.0)
    return status(history, 0.0, connector)


def test_counters_add_up_over_restarts() -> None:
    history = History(0.0)
    history.observe(TaskReport(records=10, transactions=2, dead_letters=1), 1.0)
    history.started(2.0)
    history.observe(TaskReport(records=500, transactions=5), 3.0)

    report = status(history, 3.0).report

    assert (report.records, report.transactions, report.dead_letters) == (510, 7, 1)


def test_progress_is_that_of_the_running_process() -> None:
    history = History(0.0)
    history.observe(TaskReport(transactions=2), 1.0)
    assert history.progressed()

    history.started(2.0)

    assert not history.progressed()


def test_F115_behind_without_progress_becomes_stalled() -> None:
    history = History(0.0)
    for second in range(int(STALL_SECONDS) + 2):
        history.observe(TaskReport(state=State.STREAMING, lag_bytes=4096, position={"lsn": 7}), float(second))

    now = status(history, STALL_SECONDS + 1)

    assert (now.state, now.code) == (State.STALLED, "stalled")
    assert "has not moved" in now.message


def test_F115_progress_ends_stalled() -> None:
    history = History(0.0)
    history.observe(TaskReport(state=State.STREAMING, lag_bytes=1), 0.0)
    assert status(history, 100.0).state == State.STALLED

    history.observe(TaskReport(state=State.STREAMING, lag_bytes=1, position={"lsn": 8}), 101.0)

    assert status(history, 102.0).state == State.STREAMING


def test_a_snapshot_that_reads_rows_is_not_stalled() -> None:
    history = History(0.0)
    for second in range(0, 200, 10):
        tables = {"public.orders": TableReport(rows=second)}
        history.observe(TaskReport(state=State.SNAPSHOTTING, lag_bytes=1, tables=tables), float(second))

    assert status(history, 200.0).state == State.SNAPSHOTTING


def test_nothing_to_do_is_not_stalled() -> None:
    history = History(0.0)
    for second in range(200):
        history.observe(TaskReport(state=State.STREAMING, lag_bytes=0), float(second))

    assert status(history, 200.0).state == State.STREAMING


def test_a_task_that_says_nothing_is_stalled() -> None:
    history = History(0.0)
    history.observe(TaskReport(state=State.STREAMING), 0.0)

    now = status(history, STALL_SECONDS)

    assert now.state == State.STALLED
    assert "said nothing for 60 s" in now.message


def test_a_retrying_connector_is_not_called_stalled() -> None:
    history = History(0.0)
    history.observe(TaskReport(state=State.RETRYING, code="source_unreachable", retry_after=300.0, lag_bytes=1), 0.0)

    assert status(history, 200.0).state == State.RETRYING


def test_retrying_counts_down_to_the_next_try() -> None:
    history = History(0.0)
    history.observe(TaskReport(state=State.RETRYING, retry_after=10.0), 5.0)

    assert status(history, 8.0).retry_in == 7.0


def test_a_crash_is_told_over_the_last_report() -> None:
    history = History(0.0)
    history.observe(TaskReport(state=State.STREAMING, records=5, position={"lsn": 7}), 0.0)
    history.end(State.RETRYING, "crashed", "Its process was killed by SIGKILL.", 1.0, 0.5)

    now = status(history, 1.0)

    assert (now.state, now.code, now.report.position, now.report.records) == (State.RETRYING, "crashed", {"lsn": 7}, 5)


def test_time_in_a_state_starts_with_the_state() -> None:
    history = History(0.0)
    history.observe(TaskReport(state=State.STREAMING), 10.0)
    status(history, 10.0)
    history.observe(TaskReport(state=State.STREAMING, records=3), 14.0)

    assert status(history, 15.0).state_seconds == 5.0


def test_sources_alone_are_live_once_their_snapshots_are_done() -> None:
    goal = UntilLive()

    assert not goal.reached([reported(SHOP, TaskReport())], 0.0)
    assert goal.reached([reported(SHOP, TaskReport(complete=True))], 1.0)


def test_a_sink_that_was_live_before_its_source_sent_a_row_has_to_hold_the_rows_too() -> None:
    goal = UntilLive()
    source = reported(SHOP, TaskReport(complete=True))
    empty = reported(SEARCH, TaskReport(complete=True, lag_records=0))
    behind = reported(SEARCH, TaskReport(complete=True, records=20, lag_records=80))
    growing = reported(SEARCH, TaskReport(complete=True, records=100, lag_records=40))

    assert not goal.reached([source, empty], 0.0)
    assert not goal.reached([source, behind], PICKUP_SECONDS + 1)
    assert goal.reached([source, growing], PICKUP_SECONDS + 2)


def test_a_sink_that_is_bootstrapping_is_not_live() -> None:
    goal = UntilLive()
    source = reported(SHOP, TaskReport(complete=True))

    assert not goal.reached([source, reported(SEARCH, TaskReport())], 0.0)
    assert not goal.reached([source, reported(SEARCH, TaskReport())], 100.0)
