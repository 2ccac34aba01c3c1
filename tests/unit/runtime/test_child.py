"""The loop of a child: attempts, the reports between them, the link to the supervisor."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from connect.errors import Failed, Retriable
from connect.runtime import child
from connect.runtime.channel import Lines, encode
from connect.runtime.child import Attempts, Job, SupervisorLink
from connect.runtime.logs import LogSettings
from connect.runtime.report import State, TaskReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class ScriptedTask:
    """Reports and raises what its script says, one line of the script a life."""

    def __init__(self, script: list[TaskReport | Exception], report: Callable[[TaskReport], None]) -> None:
        self._script = script
        self._report = report
        self.closed = 0

    def run(self) -> None:
        for step in self._script:
            if isinstance(step, Exception):
                raise step
            self._report(step)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def lives(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[list[TaskReport], list[ScriptedTask]]]:
    """Run a task through lives of a script; what was sent, and the tasks."""
    monkeypatch.setattr("connect.runtime.retry.FIRST_SECONDS", 0.001)

    def run(*scripts: list[TaskReport | Exception]) -> tuple[list[TaskReport], list[ScriptedTask]]:
        sent: list[TaskReport] = []
        tasks: list[ScriptedTask] = []
        left = list(scripts)

        def build(report: Callable[[TaskReport], None]) -> ScriptedTask:
            tasks.append(ScriptedTask(left.pop(0), report))
            return tasks[-1]

        Attempts(build, sent.append, threading.Event()).run()
        return sent, tasks

    return run


def streaming(records: int) -> TaskReport:
    return TaskReport(state=State.STREAMING, records=records, transactions=records)


def test_counters_go_on_over_attempts(lives) -> None:
    sent, _ = lives([streaming(10), Retriable("gone")], [streaming(500), Failed("gap", "shop: a gap")])

    assert [(report.state, report.records) for report in sent] == [
        (State.STREAMING, 10),
        (State.RETRYING, 10),
        (State.STREAMING, 510),
        (State.FAILED, 510),
    ]


def test_retrying_says_why_and_when(lives) -> None:
    sent, _ = lives([Retriable("no answer", code="source_unreachable", hint="Start it.")], [Failed("gap", "a gap")])

    waiting = sent[0]
    assert (waiting.code, waiting.message) == ("source_unreachable", "no answer\n  Start it.")
    assert waiting.retry_after is not None
    assert sent[-1].retry_after is None


def test_the_position_is_shown_until_the_end(lives) -> None:
    sent, _ = lives([TaskReport(position={"lsn": 7}), Failed("gap", "a gap")])

    assert sent[-1].position == {"lsn": 7}


def test_each_task_is_closed_once(lives) -> None:
    _, tasks = lives([Retriable("gone")], [Retriable("gone")], [Failed("gap", "a gap")])

    assert [task.closed for task in tasks] == [1, 1, 1]


def test_a_change_goes_out_at_once_and_numbers_wait(lives) -> None:
    sent, _ = lives([streaming(1), streaming(2), streaming(3), TaskReport(state=State.LIVE), Failed("gap", "a gap")])

    assert [report.state for report in sent] == [State.STREAMING, State.LIVE, State.FAILED]
    assert sent[0].records == 1


def test_a_stop_during_the_wait_ends_it() -> None:
    stop, sent = threading.Event(), []

    def send(report: TaskReport) -> None:
        sent.append(report)
        if report.state == State.RETRYING:
            stop.set()

    Attempts(lambda report: ScriptedTask([Retriable("gone", after=300)], report), send, stop).run()

    assert [report.state for report in sent] == [State.RETRYING, State.STOPPED]


def test_a_job_survives_the_way() -> None:
    job = Job(("/a.yaml", "/b.yaml"), "shop", LogSettings(json=True))

    [message] = Lines().feed(encode(job.to_json()))

    assert Job.from_json(message) == job


@pytest.fixture
def link() -> Iterator[tuple[SupervisorLink, socket.socket, threading.Event]]:
    """A running link, the supervisor's end, and the stop that it sets."""
    ours, theirs = socket.socketpair()
    stop = threading.Event()
    running = SupervisorLink(ours, stop, Lines())
    running.start()
    yield running, theirs, stop
    drain = threading.Thread(target=lambda: list(iter(lambda: theirs.recv(65536), b"")))
    drain.start()
    running.close()
    ours.close()
    drain.join()
    theirs.close()


def test_the_link_hears_stop(link) -> None:
    _, supervisor, stop = link

    supervisor.sendall(encode({"stop": True}))

    assert stop.wait(10)


def test_a_terminated_child_stops(link) -> None:
    running, _, stop = link

    running.terminate()

    assert stop.wait(10)


def test_a_closed_link_has_sent_everything(link) -> None:
    running, supervisor, _ = link
    for number in range(5):
        running.send(TaskReport(records=number))

    running.close()

    messages = Lines().feed(supervisor.recv(1 << 20))
    assert [message["report"]["records"] for message in messages] == [0, 1, 2, 3, 4]


def test_invariant_7_a_supervisor_that_does_not_listen_holds_up_no_task(link) -> None:
    running, _, _ = link
    big = TaskReport(message="x" * 100_000)

    for _ in range(child._PENDING * 3):
        running.send(big)

    assert len(running._reports) <= child._PENDING
