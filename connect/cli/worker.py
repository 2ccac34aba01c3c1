"""The worker behind ``connect run``: start it and tell, calmly, what becomes of it."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from rich.console import Console
from rich.text import Text

from connect.cli import figures
from connect.config.load import load_config
from connect.rest.app import WorkerView
from connect.rest.server import ListenSettings, RestServer
from connect.runtime import logs, status_file
from connect.runtime.logs import LogSettings, escape
from connect.runtime.membership import GroupMembership, standing_topics
from connect.runtime.report import State
from connect.runtime.states import DOWN, Connector, ConnectorStatus
from connect.runtime.status_file import RunningWorker
from connect.runtime.supervisor import (
    EXIT_FAILED,
    EXIT_FENCED,
    EXIT_KILLED,
    EXIT_NOT_LIVE,
    RunSettings,
    Supervisor,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connect.cli.run import Until
    from connect.config.keys import WorkerConfig
    from connect.config.models import Config
    from connect.runtime.process import ChildProcess
    from connect.runtime.report import TableReport

PROGRESS_SECONDS: Final = 5.0
WAIT_SECONDS: Final = 30.0  # "… open for 7 s" is another message each second: a night of waiting is no book
_COLOURS: Final = {
    State.FAILED: "bold red",
    State.FENCED: "bold red",
    State.STALLED: "bold yellow",
    State.RETRYING: "yellow",
    State.SNAPSHOTTING: "cyan",
    State.BOOTSTRAPPING: "cyan",
    State.STREAMING: "green",
    State.LIVE: "green",
    State.STANDBY: "cyan",
}
_LAST_WORDS: Final = {
    EXIT_FAILED: "stopped: a connector is FAILED; connect explain CODE says what to do",
    EXIT_FENCED: "stopped: another worker took over",
    EXIT_KILLED: "stopped: a connector did not end in time and was killed; nothing is lost",
    EXIT_NOT_LIVE: "stopped before it was live; the next run goes on from here",
}


class Options(NamedTuple):
    """What the command was told, apart from files and its end."""

    take_over: bool
    as_json: bool
    debug: bool


def work(files: Sequence[Path], until: Until, options: Options, spares: list[ChildProcess]) -> int:
    """Run the files' connectors until there is a reason to end.

    Args:
        files: Configuration files.
        until: When to end.
        options: Of the command.
        spares: Children that load their code already; those that are taken are taken out.

    Returns:
        The exit code.
    """
    log_settings = LogSettings(json=options.as_json, debug=options.debug)
    logs.configure(log_settings)
    config = load_config(files)
    printer = JsonPrinter() if options.as_json else TextPrinter()
    kafka, topics = config.kafka.settings(), standing_topics(config)
    membership = GroupMembership(kafka, config.name, topics, take_over=options.take_over)
    supervisor = Supervisor(_settings(config, until, log_settings), printer.show, membership, spares)
    view = WorkerView(config.name, time.monotonic(), supervisor.statuses)
    with _serving(view, listen_settings(config.worker), printer):
        code = supervisor.run()
    printer.ended(code)
    return code


def listen_settings(worker: WorkerConfig) -> ListenSettings:
    """Where the file says that the worker listens."""
    host, _, port = worker.listen.rpartition(":")
    return ListenSettings(
        host=host.removeprefix("[").removesuffix("]"),
        port=int(port),
        token=worker.token,
        certificate=Path(worker.tls.cert) if worker.tls else None,
        key=Path(worker.tls.key) if worker.tls else None,
    )


def _settings(config: Config, until: Until, log_settings: LogSettings) -> RunSettings:
    sources = [Connector(name, "source", source.plugin.name) for name, source in config.sources.items()]
    sinks = [Connector(name, "sink", sink.plugin.name) for name, sink in config.sinks.items()]
    return RunSettings(
        files=tuple(str(file.absolute()) for file in config.files),
        connectors=(*sources, *sinks),
        until=until.value,
        on_failed=config.worker.on_failed,
        logs=log_settings,
    )


@contextmanager
def _serving(view: WorkerView, settings: ListenSettings, printer: Printer) -> Iterator[None]:
    """Serve the worker's pages, and say where in this user's folder."""
    rest = RestServer(view, settings)
    file: Path | None = None
    try:
        rest.start()
        try:
            file = status_file.write(RunningWorker.this(view.group, rest.url))
        except OSError as error:
            printer.note(f"connect status will not find this worker without its file: {error.strerror or error}")
        printer.listening(view.group, rest.url, f"{settings.host}:{settings.port}" if rest.moved else "")
        yield
    finally:
        if file:
            file.unlink(missing_ok=True)
        rest.close()


class Printer(Protocol):
    """What ``run`` tells."""

    def listening(self, group: str, url: str, taken: str) -> None:
        """The worker is up; ``taken`` is the configured address when another program has it."""
        ...

    def note(self, text: str) -> None:
        """Something that an operator should know once."""
        ...

    def show(self, statuses: Sequence[ConnectorStatus]) -> None:
        """How every connector is; called each turn, prints what is new."""
        ...

    def ended(self, code: int) -> None:
        """The exit code."""
        ...


class Novelty:
    """Tells what is worth a line: a change of state at once, the progress of a first load every few seconds."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Any, ...]] = {}
        self._told_at: dict[str, float] = {}

    def changed(self, status: ConnectorStatus) -> bool:
        """Whether its state, or the reason for it, is another than was told; a reason that only goes on waits a while.

        The words of one reason may change: an age in it, another transaction that is waited for.
        """
        name, now = status.connector.name, (status.state, status.code, status.message)
        before = self._known.get(name)
        if now == before:
            return False
        goes_on = before is not None and now[:2] == before[:2] and bool(now[2] and before[2])
        if goes_on and time.monotonic() - self._told_at[name] < WAIT_SECONDS:
            return False
        self._known[name] = now
        self._told_at[name] = time.monotonic()
        return True

    def progress_due(self, status: ConnectorStatus) -> bool:
        """Whether a first load goes on and was last told of some seconds ago."""
        if status.state not in {State.SNAPSHOTTING, State.BOOTSTRAPPING}:
            return False
        if time.monotonic() - self._told_at.get(status.connector.name, 0.0) < PROGRESS_SECONDS:
            return False
        self._told_at[status.connector.name] = time.monotonic()
        return True


class TextPrinter:
    """Lines for people: coloured on a terminal, plain elsewhere. Never a row's value, never a secret."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._novelty = Novelty()

    def listening(self, group: str, url: str, taken: str) -> None:
        """One line with the address."""
        if taken:
            self._line("worker", None, f"{taken} is taken by another program, so a free port is used")
        self._line("worker", None, f"{group} answers on {url}/status (and /health, /metrics); Ctrl-C ends it")

    def note(self, text: str) -> None:
        """One line."""
        self._line("worker", None, text)

    def show(self, statuses: Sequence[ConnectorStatus]) -> None:
        """A line for each change, and for the progress of a first load."""
        for status in statuses:
            if self._novelty.changed(status):
                self._line(status.connector.name, status.state, _reason(status))
            elif self._novelty.progress_due(status):
                self._line(status.connector.name, status.state, progress(status))

    def ended(self, code: int) -> None:
        """Why, in one line."""
        self._line("worker", None, _LAST_WORDS.get(code, "ended cleanly"))

    def _line(self, who: str, state: State | None, text: str) -> None:
        first, *hints = text.split("\n")
        line = Text(f"{datetime.now(UTC).astimezone():%H:%M:%S}  {escape(who):<12}  ")
        if state is not None:
            line.append(f"{state.value:<13}  ", _COLOURS.get(state, ""))
        line.append(escape(first.strip()))
        for hint in hints:
            line.append(f"\n{'':10}→ {escape(hint.strip())}")
        line.rstrip()
        self._console.print(line)


class JsonPrinter:
    """The same as JSON lines."""

    def __init__(self) -> None:
        self._novelty = Novelty()

    def listening(self, group: str, url: str, taken: str) -> None:
        """``{"event": "listening", "group": …, "url": …}``."""
        self._write("listening", {"group": group, "url": url, "taken": taken})

    def note(self, text: str) -> None:
        """``{"event": "note", "message": …}``."""
        self._write("note", {"message": text})

    def show(self, statuses: Sequence[ConnectorStatus]) -> None:
        """``{"event": "state" or "progress", "connector": …}`` and every field of its report."""
        for status in statuses:
            if self._novelty.changed(status):
                self._write("state", {"connector": status.connector.name, **status.to_json()})
            elif self._novelty.progress_due(status):
                self._write("progress", {"connector": status.connector.name, **status.to_json()})

    def ended(self, code: int) -> None:
        """``{"event": "ended", "exit_code": …}``."""
        self._write("ended", {"exit_code": code})

    def _write(self, event: str, entry: dict[str, Any]) -> None:
        time_now = datetime.now(UTC).isoformat(timespec="milliseconds")
        sys.stdout.write(json.dumps({"time": time_now, "event": event, **entry}) + "\n")
        sys.stdout.flush()


def _reason(status: ConnectorStatus) -> str:
    """What a line of a new state says behind it."""
    if status.state in DOWN:
        return f"{status.code}: {status.message}"
    if status.state == State.RETRYING and status.retry_in:
        first, line_break, hint = status.message.partition("\n")
        return f"{first} (next try in {figures.span(status.retry_in)}){line_break}{hint}"
    return status.message or progress(status)


def progress(status: ConnectorStatus) -> str:
    """``2 of 10 tables, 120,000 of 1,000,000 rows, 35,000 rows/s, 25 s left``; what is unknown is left out."""
    tables = status.report.tables.values()
    if status.state not in {State.SNAPSHOTTING, State.BOOTSTRAPPING} or not tables:
        return ""
    done = sum(map(_done, tables))
    totals = [_total(table) for table in tables]
    known = None if None in totals else sum(total or 0 for total in totals)
    waits = [table.eta_seconds for table in tables if table.eta_seconds is not None]
    what = "tables" if status.connector.kind == "source" else "topics"
    parts = [
        f"{done} of {len(tables)} {what}",
        f"{figures.progress(sum(table.rows for table in tables), known)} rows",
        f"{figures.count(sum(table.per_second for table in tables))} rows/s",
    ]
    return ", ".join([*parts, f"{figures.span(max(waits))} left"] if waits else parts)


def _done(table: TableReport) -> bool:
    return table.phase in {"streaming", "live"}


def _total(table: TableReport) -> int | None:
    """How many rows there are; None where the statistics know nothing of a table that is not through yet."""
    if _done(table):
        return table.rows
    return table.total if table.total and table.total >= table.rows else None
