"""The supervisor over real processes: they are killed, they hang, they fail, they are told to stop."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from connect.errors import Failed
from connect.runtime import control

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORKER = Path(__file__).parent / "supervisor" / "worker_main.py"
WAIT_SECONDS = 30.0


class Worker:
    """A worker process and what it printed so far."""

    def __init__(self, file: Path, *options: str) -> None:
        self.errors = file.with_suffix(".err")
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(WORKER), str(file), *options], stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self.seen: list[dict[str, Any]] = []

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next printed status that meets the condition."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.seen.append(json.loads(line))
            if condition(self.seen[-1]):
                return self.seen[-1]
        raise AssertionError(f"the worker ended before that: {self.seen[-3:]} {self.errors.read_text()}")

    def ended(self) -> int:
        """Its exit code; what it printed meanwhile is in ``seen``."""
        assert self.process.stdout is not None
        self.seen += [json.loads(line) for line in self.process.stdout]
        return self.process.wait(WAIT_SECONDS)

    def last(self, connector: str) -> dict[str, Any]:
        return [status for status in self.seen if status["connector"] == connector][-1]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Start a worker over connectors that behave: ``run({"shop": "steady"}, "until=live")``."""
    workers: list[Worker] = []

    def start(behaviours: dict[str, Any], *options: str) -> Worker:
        file = tmp_path / f"worker{len(workers)}.json"
        file.write_text(json.dumps(behaviours))
        workers.append(Worker(file, *options))
        return workers[-1]

    yield start
    for worker in workers:
        worker.process.kill()
        worker.process.wait()
        worker.process.stdout.close()


def streaming(connector: str = "shop") -> Callable[[dict[str, Any]], bool]:
    return lambda status: status["connector"] == connector and status["state"] == "STREAMING" and bool(status["pid"])


def gone(pid: int, within: float) -> bool:
    """Whether the process ends within some seconds; a zombie has ended."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.02)
                continue
        return True
    return False


def test_F113_a_killed_child_comes_back_and_its_counters_go_on(run: Callable[..., Worker]) -> None:
    worker = run({"shop": "steady"})
    before = worker.until(lambda status: status["transactions"] > 20)

    os.kill(before["pid"], signal.SIGKILL)
    after = worker.until(lambda status: streaming()(status) and status["pid"] != before["pid"])

    assert after["restarts"] == 1
    assert after["transactions"] > before["transactions"]
    assert any(status["message"] == "Its process was killed by SIGKILL." for status in worker.seen)


@pytest.mark.parametrize("behaviour", ["steady", "deaf", "spins"])
def test_children_end_within_a_second_of_a_killed_supervisor(run: Callable[..., Worker], behaviour: str) -> None:
    worker = run({"shop": behaviour})
    child = worker.until(streaming())["pid"]

    worker.process.kill()

    assert gone(child, within=1.0)


def test_sigterm_ends_everything_cleanly(run: Callable[..., Worker]) -> None:
    worker = run({"shop": "steady", "search": "steady"})
    children = [worker.until(streaming(name))["pid"] for name in ("shop", "search")]

    worker.process.terminate()

    assert worker.ended() == 0
    assert all(gone(child, within=0.1) for child in children)
    assert worker.last("shop")["state"] == "STOPPED"


def test_F114_a_deaf_child_is_killed_in_time_and_the_exit_code_says_so(run: Callable[..., Worker]) -> None:
    worker = run({"shop": "deaf"})
    child = worker.until(streaming())["pid"]
    asked = time.monotonic()

    worker.process.terminate()

    assert worker.ended() == 4
    assert time.monotonic() - asked < 11
    assert gone(child, within=0.1)


def test_a_second_ctrl_c_kills_at_once(run: Callable[..., Worker]) -> None:
    worker = run({"shop": "deaf"})
    worker.until(streaming())
    asked = time.monotonic()

    worker.process.send_signal(signal.SIGINT)
    time.sleep(1.0)  # two signals in half a second are one
    worker.process.send_signal(signal.SIGINT)

    assert worker.ended() == 4
    assert time.monotonic() - asked < 5


def test_a_signal_that_comes_twice_at_once_is_one_signal(run: Callable[..., Worker]) -> None:
    worker = run({"shop": "closes_slowly"})
    worker.until(streaming())

    worker.process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    worker.process.send_signal(signal.SIGINT)

    assert worker.ended() == 0


def test_what_a_child_prints_does_not_mix_with_what_the_worker_prints(run: Callable[..., Worker]) -> None:
    worker = run({"shop": "prints"})
    worker.until(streaming())

    assert "printed by a plugin" in worker.errors.read_text()


def test_a_child_told_to_stop_by_somebody_else_starts_again(run: Callable[..., Worker]) -> None:
    worker = run({"shop": "steady"})
    child = worker.until(streaming())["pid"]

    os.kill(child, signal.SIGTERM)

    assert worker.until(lambda status: streaming()(status) and status["pid"] != child)["restarts"] == 1


def test_F126_a_retriable_error_is_tried_again_in_the_same_process(run: Callable[..., Worker]) -> None:
    worker = run({"shop": "flaky"})

    after = worker.until(streaming())

    assert after["restarts"] == 0
    waiting = next(status for status in worker.seen if status["state"] == "RETRYING")
    assert (waiting["code"], waiting["message"]) == ("source_unreachable", "shop: the server is away\n  Start it.")
    assert waiting["retry_in"] is not None


def test_a_failed_connector_stays_down_and_the_others_go_on(run: Callable[..., Worker]) -> None:
    worker = run({"shop": "slot_lost", "search": "steady"})
    failed = worker.until(lambda status: status["state"] == "FAILED")
    then = worker.until(streaming("search"))

    later = worker.until(lambda status: status["transactions"] > then["transactions"] + 50)

    assert (failed["code"], failed["position"]) == ("slot_lost", {"lsn": 7})
    assert later["connector"] == "search"
    assert worker.last("shop")["restarts"] == 0


def test_a_worker_that_is_stopped_with_a_failed_connector_says_so_by_its_exit_code(run: Callable[..., Worker]) -> None:
    worker = run({"shop": "slot_lost", "search": "steady"})
    worker.until(lambda status: status["state"] == "FAILED")
    worker.until(streaming("search"))

    worker.process.terminate()

    assert worker.ended() == 1
    assert worker.last("search")["state"] == "STOPPED"


def test_a_worker_that_is_stopped_before_it_is_live_does_not_say_that_it_is(run: Callable[..., Worker]) -> None:
    worker = run({"shop": "steady"}, "until=live")
    worker.until(lambda status: bool(status["pid"]))

    worker.process.terminate()

    assert worker.ended() == 130


def test_a_worker_whose_connectors_all_failed_ends(run: Callable[..., Worker]) -> None:
    assert run({"shop": "slot_lost", "search": "faulty"}).ended() == 1


def test_F111_a_fenced_worker_ends_with_a_code_of_its_own(run: Callable[..., Worker]) -> None:
    worker = run({"shop": "fenced"})

    assert worker.ended() == 3
    assert (worker.last("shop")["state"], worker.last("shop")["restarts"]) == ("FENCED", 0)


def test_on_failed_exit_stops_the_others(run: Callable[..., Worker]) -> None:
    worker = run({"shop": "steady", "search": "slot_lost"}, "on_failed=exit")

    assert worker.ended() == 1
    assert worker.last("shop")["state"] == "STOPPED"


def test_until_live_ends_with_0(run: Callable[..., Worker]) -> None:
    assert run({"shop": "live"}, "until=live").ended() == 0


def test_until_live_ends_once_a_connector_failed(run: Callable[..., Worker]) -> None:
    assert run({"shop": "steady", "other": "slot_lost"}, "until=live").ended() == 1


@pytest.mark.parametrize("behaviour", ["exits", "segfaults"])
def test_a_child_that_dies_again_and_again_is_a_crash_loop(run: Callable[..., Worker], behaviour: str) -> None:
    worker = run({"shop": behaviour}, "first=0.01")

    assert worker.ended() == 1
    assert (worker.last("shop")["code"], worker.last("shop")["restarts"]) == ("crash_loop", 7)


@pytest.mark.parametrize("behaviour", ["faulty", "ends_unasked"])
def test_what_no_one_expected_stops_the_connector(run: Callable[..., Worker], behaviour: str) -> None:
    worker = run({"shop": behaviour})

    assert worker.ended() == 1
    assert worker.last("shop")["code"] == "internal_error"
    assert "Traceback" not in worker.errors.read_text()


def test_an_error_while_closing_does_not_hide_the_one_before(run: Callable[..., Worker]) -> None:
    worker = run({"shop": "fails_to_close"})

    assert worker.ended() == 1
    assert worker.last("shop")["code"] == "slot_lost"


def test_a_file_that_broke_since_the_start_is_reported(run: Callable[..., Worker]) -> None:
    worker = run({"shop": "steady", "broken": True})

    assert worker.ended() == 1
    assert (worker.last("shop")["code"], worker.last("shop")["message"]) == ("config", "worker0.json:1: it is broken")


@pytest.mark.parametrize("behaviour", ["faulty", "fails_to_close"])
def test_F160_an_error_text_with_a_secret_reaches_neither_logs_nor_reports(
    run: Callable[..., Worker], behaviour: str
) -> None:
    worker = run({"shop": behaviour})
    worker.ended()

    assert "S3CR3T" not in worker.errors.read_text()
    assert "S3CR3T" not in json.dumps(worker.seen)


def test_F121_a_spinning_connector_does_not_hold_up_the_others(run: Callable[..., Worker]) -> None:
    worker = run({"shop": "spins", "search": "steady"})

    worker.until(lambda status: status["connector"] == "search" and status["transactions"] > 20)


def paused(connector: str = "shop") -> Callable[[dict[str, Any]], bool]:
    return lambda status: status["connector"] == connector and status["state"] == "PAUSED"


def test_a_paused_connector_stays_stopped_until_it_is_resumed(run) -> None:
    worker = run({"shop": "steady", "other": "steady"})
    first = worker.until(streaming())
    assert "paused" in control.ask(worker.process.pid, {"command": "pause", "connector": "shop"})["done"]
    status = worker.until(paused())
    assert status["pid"] is None
    assert "connect resume shop" in status["message"]
    assert gone(first["pid"], 5)
    worker.until(streaming("other"))
    control.ask(worker.process.pid, {"command": "resume", "connector": "shop"})
    assert worker.until(streaming())["pid"] != first["pid"]


def test_a_connector_is_restarted_on_demand(run) -> None:
    worker = run({"shop": "steady"})
    first = worker.until(streaming())
    control.ask(worker.process.pid, {"command": "restart", "connector": "shop"})
    again = worker.until(lambda status: streaming()(status) and status["pid"] != first["pid"])
    assert again["restarts"] == 1


def test_a_paused_worker_ends_in_order(run) -> None:
    worker = run({"shop": "steady"})
    worker.until(streaming())
    control.ask(worker.process.pid, {"command": "pause", "connector": "shop"})
    worker.until(paused())
    worker.process.send_signal(signal.SIGTERM)
    assert worker.ended() == 0
    assert not control.address(worker.process.pid).exists()


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"command": "pause", "connector": "shpo"}, "connector_unknown"),
        ({"command": "explode", "connector": "shop"}, "command_unknown"),
        ({}, "connector_unknown"),
    ],
)
def test_what_a_worker_does_not_know_is_told(run, request_: dict[str, str], code: str) -> None:
    worker = run({"shop": "steady"})
    worker.until(streaming())
    with pytest.raises(Failed) as caught:
        control.ask(worker.process.pid, request_)
    assert caught.value.code == code
    worker.until(streaming())


def test_a_worker_that_is_not_there_is_told() -> None:
    with pytest.raises(Failed) as caught:
        control.ask(2**22 + 1, {"command": "pause", "connector": "shop"})
    assert caught.value.code == "worker_unreachable"


@pytest.fixture
def stands(tmp_path: Path) -> Callable[..., str]:
    """Write how ``shop`` stands in its worker's group; the option that names the file."""

    def write(*standing: Any) -> str:
        file = tmp_path / "standings"
        file.with_suffix(".new").write_text(json.dumps({"shop": standing}))
        file.with_suffix(".new").replace(file)
        return f"standings={file}"

    return write


def test_a_connector_of_another_worker_stands_by_loaded_and_begins_when_it_is_ours(
    run: Callable[..., Worker], stands: Callable[..., str]
) -> None:
    worker = run({"shop": "steady"}, stands("theirs", "host db-1, process 7, since then"))
    standby = worker.until(lambda status: status["state"] == "STANDBY" and bool(status["pid"]))
    assert "Owned by another worker: host db-1, process 7" in standby["message"]
    stands("ours")
    assert worker.until(streaming())["pid"] == standby["pid"]


def test_nothing_begins_before_the_group_has_said_anything(
    run: Callable[..., Worker], stands: Callable[..., str]
) -> None:
    worker = run({"shop": "steady"}, stands("unknown"))
    assert worker.until(lambda status: bool(status["pid"]))["state"] == "STARTING"
    stands("free")
    worker.until(streaming())
    assert {status["state"] for status in worker.seen} == {"STARTING", "STREAMING"}


def test_a_connector_that_is_taken_over_is_fenced_and_stays_down(
    run: Callable[..., Worker], stands: Callable[..., str]
) -> None:
    worker = run({"shop": "steady"}, stands("ours"))
    worker.until(streaming())
    stands("theirs", "host db-2, process 8, since now", True)
    assert worker.ended() == 3
    assert (worker.last("shop")["state"], worker.last("shop")["code"]) == ("FENCED", "fenced")
    assert "Taken over by another worker: host db-2, process 8" in worker.last("shop")["message"]


def test_of_two_that_began_at_once_the_second_in_line_goes_back_to_standby(
    run: Callable[..., Worker], stands: Callable[..., str]
) -> None:
    worker = run({"shop": "steady"}, stands("free"))
    worker.until(streaming())
    stands("theirs", "host db-1, process 7, since then", True)
    worker.until(lambda status: status["state"] == "STANDBY" and status["restarts"] == 1 and bool(status["pid"]))


def test_of_two_that_began_at_once_the_first_in_line_begins_once_more_and_only_once(
    run: Callable[..., Worker], stands: Callable[..., str]
) -> None:
    worker = run({"shop": "fenced"}, stands("free"))
    worker.until(lambda status: status["state"] == "FENCED")
    stands("ours")
    assert worker.ended() == 3
    states = [state for state, _ in itertools.groupby(status["state"] for status in worker.seen)]
    assert states == ["STARTING", "FENCED", "STARTING", "FENCED"]
