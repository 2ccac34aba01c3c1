"""What ``connect run`` tells, and when it keeps quiet."""

from __future__ import annotations

import json

import pytest

from connect.cli import worker
from connect.cli.worker import JsonPrinter, Novelty, TextPrinter, listen_settings, progress
from connect.config.fields import Secret
from connect.config.keys import ServerTls, WorkerConfig
from connect.runtime.report import State, TableReport, TaskReport
from connect.runtime.states import Connector, ConnectorStatus, History

SHOP = Connector("shop", "source", "postgres")


def status(report: TaskReport, connector: Connector = SHOP) -> ConnectorStatus:
    history = History(0.0)
    history.observe(report, 0.0)
    return history.status(connector, 0.0, pid=1, restarts=0)


SNAPSHOT = TaskReport(
    state=State.SNAPSHOTTING,
    tables={
        "public.orders": TableReport(phase="snapshot", rows=1000, total=5000, per_second=100, eta_seconds=40),
        "public.customers": TableReport(phase="streaming", rows=200, total=150),
    },
)


def test_progress_says_how_far_and_how_long() -> None:
    assert progress(status(SNAPSHOT)) == "1 of 2 tables, 1,200 of 5,200 rows, 100 rows/s, 40 s left"


def test_progress_leaves_out_what_is_unknown() -> None:
    report = TaskReport(state=State.SNAPSHOTTING, tables={"public.orders": TableReport(rows=7)})

    assert progress(status(report)) == "0 of 1 tables, 7 rows, 0 rows/s"


@pytest.mark.parametrize("total", [0, 24_999])
def test_progress_of_a_table_never_analysed_has_no_total(total: int) -> None:
    tables = {"public.orders": TableReport(phase="snapshot", rows=25_000, total=total)}

    assert (
        progress(status(TaskReport(state=State.SNAPSHOTTING, tables=tables))) == "0 of 1 tables, 25,000 rows, 0 rows/s"
    )


def test_a_state_is_told_once() -> None:
    novelty = Novelty()
    streaming = [status(TaskReport(state=State.STREAMING, records=records)) for records in range(3)]

    assert [novelty.changed(one) for one in streaming] == [True, False, False]


def test_the_same_trouble_again_is_not_told_again() -> None:
    novelty = Novelty()
    waits = [
        status(TaskReport(state=State.RETRYING, code="source_unreachable", message="no answer", retry_after=after))
        for after in (0.2, 0.4, 0.8)
    ]

    assert [novelty.changed(one) for one in waits] == [True, False, False]


def test_a_wait_that_goes_on_is_told_again_after_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(worker.time, "monotonic", lambda: clock[0])
    novelty = Novelty()

    told = []
    for clock[0] in (0.0, 1.0, 2.0, 31.0, 32.0):
        told.append(novelty.changed(status(TaskReport(message=f"waits for 7, open for {clock[0]:.0f} s"))))

    assert told == [True, False, False, True, False]


def test_the_end_of_a_wait_is_told_at_once() -> None:
    novelty = Novelty()

    assert [novelty.changed(status(TaskReport(message=message))) for message in ("waits", "")] == [True, True]


def test_the_progress_of_a_first_load_is_told_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(worker.time, "monotonic", lambda: clock[0])
    novelty = Novelty()
    novelty.changed(status(SNAPSHOT))

    due = []
    for clock[0] in (1.0, 5.0, 6.0, 10.0):
        due.append(novelty.progress_due(status(SNAPSHOT)))

    assert due == [False, True, False, True]


def test_streaming_needs_no_progress() -> None:
    assert not Novelty().progress_due(status(TaskReport(state=State.STREAMING)))


def test_F176_a_name_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    report = TaskReport(state=State.FAILED, code="gap", message="table a\nworker FAKE\x1b[2J")

    TextPrinter().show([status(report, Connector("sh\nop", "source", "postgres"))])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("  sh\\nop        FAILED         gap: table a")
    assert lines[1:] == ["          → worker FAKE\\x1b[2J"]


def test_json_lines_carry_the_whole_report(capsys: pytest.CaptureFixture[str]) -> None:
    JsonPrinter().show([status(SNAPSHOT)])

    entry = json.loads(capsys.readouterr().out)
    assert (entry["event"], entry["connector"], entry["state"]) == ("state", "shop", "SNAPSHOTTING")
    assert entry["tables"]["public.orders"]["rows"] == 1000


def test_where_to_listen_comes_from_the_file() -> None:
    worker = WorkerConfig(listen="[::1]:8083", token=Secret("t"), tls=ServerTls(cert="/c.pem", key="/k.pem"))

    settings = listen_settings(worker)

    assert (settings.host, settings.port, str(settings.certificate)) == ("::1", 8083, "/c.pem")
