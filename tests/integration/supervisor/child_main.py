"""A child process whose tasks behave as the file says: ``{"connector": "behaviour"}``."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from connect.config.load import load_config
from connect.errors import ConfigError, Failed, Fenced, Problem, Retriable
from connect.runtime.child import main
from connect.runtime.report import State, TableReport, TaskReport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SECRET = "S3CR3T-canary"
attempts = 0


class BehavingTask:
    """Behaves; commits a transaction every 20 ms while it is well."""

    def __init__(self, behaviour: str, report: Callable[[TaskReport], None], stopping: Callable[[], bool]) -> None:
        self._behaviour = behaviour
        self._report = report
        self._stopping = stopping

    def run(self) -> None:
        getattr(self, self._behaviour)()

    def close(self) -> None:
        if self._behaviour == "fails_to_close":
            raise ValueError(SECRET)

    def steady(self, *, complete: bool = False) -> None:
        done = 0
        while not self._stopping():
            done += 1
            state = State.STREAMING
            tables = {"public.orders": TableReport(phase="streaming", rows=1234, total=5000, per_second=50)}
            report = TaskReport(state=state, records=done, transactions=done, complete=complete, tables=tables)
            self._report(report)
            time.sleep(0.02)

    def closes_slowly(self) -> None:
        self.steady()
        time.sleep(1.0)

    def prints(self) -> None:
        sys.stdout.write("printed by a plugin\n")
        sys.stdout.flush()
        self.steady()

    def live(self) -> None:
        self.steady(complete=True)

    def flaky(self) -> None:
        if attempts < 3:
            raise Retriable("shop: the server is away", code="source_unreachable", hint="Start it.")
        self.steady()

    def slot_lost(self) -> None:
        self._report(TaskReport(state=State.STREAMING, position={"lsn": 7}))
        raise Failed("slot_lost", "shop: the slot is lost", hint="Drop it.")

    def fenced(self) -> None:
        raise Fenced("another worker took over")

    def faulty(self) -> None:
        raise ValueError(SECRET)

    fails_to_close = slot_lost

    def ends_unasked(self) -> None:
        pass

    def deaf(self) -> None:
        self._report(TaskReport(state=State.STREAMING))
        while True:
            time.sleep(0.05)

    def spins(self) -> None:
        self._report(TaskReport(state=State.STREAMING))
        while True:
            pass

    def exits(self) -> None:
        os._exit(3)

    def segfaults(self) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)


def build(config: Any, name: str, report: Callable[[TaskReport], None], stopping: Callable[[], bool]) -> BehavingTask:
    global attempts  # noqa: PLW0603 - a process of its own: the count is what the flaky task is about
    attempts += 1
    return BehavingTask(config[name], report, stopping)


class EachByItsName(dict[str, str]):
    """For files of the real kind: a connector's name is its behaviour."""

    def __missing__(self, name: str) -> str:
        return name


def load(files: Sequence[Path]) -> Any:
    if files[0].suffix == ".yaml":
        load_config(files)
        return EachByItsName()
    config = json.loads(files[0].read_text())
    if config.get("broken"):
        raise ConfigError([Problem(f"{files[0].name}:1", "it is broken")])
    return config


if __name__ == "__main__":
    sys.exit(main(build, load))
