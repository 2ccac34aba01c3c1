"""``connect run`` and ``connect status`` as processes: where the worker listens, what it tells, what it hides."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLI = Path(__file__).parent / "supervisor" / "cli_main.py"
SECRET = "S3CR3T-canary-41"
FILE = """
name: i-shop
kafka: {{bootstrap: "127.0.0.1:1"}}
worker: {{listen: "{listen}"}}
sinks:
{sinks}
"""
SINK = """  {name}: {{plugin: elasticsearch, url: "http://127.0.0.1:1", username: u, password: "${{env:I_SECRET}}",
    topics: [{name}.public.*]}}
"""
SOURCE = """
sources:
  shop:
    plugin: postgres
    url: "postgresql://cdc:${env:I_SECRET}@127.0.0.1:1/shop"
    tables: [public.orders]
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "I_SECRET": SECRET, "CONNECT_HOME": str(tmp_path / "home"), "COLUMNS": "200"}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(*names: str, listen: str = "127.0.0.1:0") -> Path:
        file = tmp_path / "worker.yaml"
        file.write_text(FILE.format(listen=listen, sinks="".join(SINK.format(name=name) for name in names)))
        return file

    return write


class Run:
    """``connect run`` as a process, with the events that it printed."""

    def __init__(self, file: Path, environment: dict[str, str], *options: str, cli: Path = CLI) -> None:
        self.errors = file.with_suffix(".err")
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(cli), "run", str(file), *options],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
            )
        self.lines: list[str] = []

    def until(self, condition: Callable[[str], bool]) -> str:
        """The next line that meets the condition."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if condition(line):
                return line
        raise AssertionError(f"it ended before that: {self.lines} {self.errors.read_text()}")

    def event(self, name: str, **fields: Any) -> dict[str, Any]:
        """The next JSON event of this name with these fields."""

        def is_it(line: str) -> bool:
            entry = json.loads(line)
            return entry["event"] == name and fields.items() <= entry.items()

        return json.loads(self.until(is_it))

    def stop(self) -> int:
        """Its exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        self.lines += list(self.process.stdout)
        return self.process.wait(30)


@pytest.fixture
def run(environment: dict[str, str]) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(file: Path, *options: str, cli: Path = CLI) -> Run:
        runs.append(Run(file, environment, *options, cli=cli))
        return runs[-1]

    yield start
    for one in runs:
        one.process.kill()
        one.process.wait()
        one.process.stdout.close()


@pytest.fixture
def status(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    def ask(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(CLI), "status", *(str(argument) for argument in arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)

    return ask


def test_status_shows_connectors_and_tables(write, run, status) -> None:
    file = write("steady")
    worker = run(file, "--json")
    worker.event("state", state="STREAMING")

    shown = status(file)

    assert shown.returncode == 0, shown.stderr
    [connector] = [line.split() for line in shown.stdout.splitlines() if line.startswith("steady")]
    [table] = [line.split() for line in shown.stdout.splitlines() if "public.orders" in line]
    assert connector[1] == "STREAMING"
    assert table[:5] == ["public.orders", "streaming", "1,234", "of", "5,000"]


def test_a_taken_port_is_reported_and_status_finds_the_free_one(write, run, status) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        file = write("steady", listen=taken)
        listening = run(file, "--json").event("listening")

        shown = status(file, "--json")

    assert listening["taken"] == taken
    assert listening["url"] != f"http://{taken}"
    [document] = json.loads(shown.stdout)["workers"]
    assert (document["group"], shown.returncode) == ("i-shop", 0)


def test_status_without_a_file_shows_every_worker(write, run, status) -> None:
    run(write("steady"), "--json").event("listening")

    assert [document["group"] for document in json.loads(status("--json").stdout)["workers"]] == ["i-shop"]


def test_status_says_when_no_worker_is_running(write, status) -> None:
    shown = status(write("steady"))

    assert shown.returncode == 1
    assert shown.stderr == "No worker of i-shop is running; connect run FILE starts one.\n"


def test_a_worker_that_was_killed_is_not_running(write, run, status) -> None:
    file = write("steady")
    worker = run(file, "--json")
    worker.event("listening")
    worker.process.kill()
    worker.process.wait()

    assert status(file).returncode == 1


def test_status_tells_a_failed_connector_and_what_to_do(write, run, status) -> None:
    file = write("steady", "slot_lost")
    run(file, "--json").event("state", state="FAILED")

    shown = status(file)

    assert shown.returncode == 3
    assert "slot_lost: slot_lost: shop: the slot is lost\n  → Drop it.\n" in shown.stdout


def test_a_run_tells_each_change_of_state_in_a_line(write, run) -> None:
    worker = run(write("flaky"))

    worker.until(lambda line: "STREAMING" in line)

    text = "".join(worker.lines)
    assert "  flaky         RETRYING       shop: the server is away (next try in 0." in text
    assert "          → Start it.\n" in text
    assert "\x1b" not in text


def test_a_stopped_run_says_so_and_leaves_no_file(write, run, environment) -> None:
    worker = run(write("steady"))
    worker.until(lambda line: "STREAMING" in line)

    assert worker.stop() == 0
    assert worker.lines[-1].endswith("worker        ended cleanly\n")
    assert not list(Path(environment["CONNECT_HOME"]).rglob("*.json"))


def test_until_live_ends_with_0(write, run) -> None:
    worker = run(write("live"), "--until", "live", "--json")

    assert worker.event("ended")["exit_code"] == 0
    assert worker.process.wait(30) == 0


def test_faults_of_the_file_end_a_run_at_once(write, run) -> None:
    file = write("steady")
    file.write_text(file.read_text().replace("sinks:", "sunks:"))
    worker = run(file)

    assert worker.process.wait(30) == 2
    assert "worker.yaml:" in worker.errors.read_text()
    assert "Traceback" not in worker.errors.read_text()


def test_F162_a_worker_is_not_opened_to_the_network(write, run) -> None:
    worker = run(write("steady", listen="0.0.0.0:0"))

    assert worker.process.wait(30) == 2
    assert "can be reached by other machines" in worker.errors.read_text()


def test_an_unreachable_server_is_retried_and_is_no_end(write, run) -> None:
    file = write("steady")
    file.write_text(file.read_text().partition("sinks:")[0] + SOURCE)
    worker = run(file, "--json", cli=Path(sys.executable).with_name("connect"))

    waiting = worker.event("state", state="RETRYING")

    assert (waiting["connector"], waiting["code"]) == ("shop", "source_unreachable")
    assert worker.stop() == 0
    assert SECRET not in "".join(worker.lines) + worker.errors.read_text()


def test_F160_a_secret_shows_nowhere(write, run, status) -> None:
    file = write("steady", "faulty")
    worker = run(file, "--json", "--debug")
    url = worker.event("listening")["url"]
    child = worker.event("state", connector="steady", state="STREAMING")["pid"]
    pages = [urllib.request.urlopen(f"{url}/{page}").read().decode() for page in ("status", "metrics")]
    lines = [Path(f"/proc/{pid}/cmdline").read_text() for pid in (child, worker.process.pid)]
    shown = status(file).stdout
    worker.stop()

    everything = "".join([*pages, *lines, shown, *worker.lines])
    assert SECRET not in everything + worker.errors.read_text()
    assert "steady" in everything


def test_F179_the_worker_leaves_no_file_that_others_can_read(write, run, environment) -> None:
    run(write("steady"), "--json").event("state", state="STREAMING")

    modes = {path.stat().st_mode & 0o077 for path in Path(environment["CONNECT_HOME"]).glob("*/**")}
    assert modes == {0}
