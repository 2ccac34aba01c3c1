"""How the demonstration speaks: plain sentences with a clock, bars on a terminal, a table at the end."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import TaskID

    from connect.demo.check import Result

_EVERY_SECONDS: Final = 5.0


class Show:
    """Speaks on standard output."""

    def __init__(self, console: Console | None = None) -> None:
        """``console``: where to; standard output by default."""
        terminal = Console(highlight=False, soft_wrap=True)
        self.console = console or (terminal if terminal.is_terminal else Console(highlight=False, width=120))
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        """One sentence, with the clock before it."""
        self.console.print(f"[dim]{self.seconds:5.0f} s[/]  {text}")

    @contextmanager
    def bars(self) -> Iterator[Bars]:
        """Bars on a terminal; elsewhere a line every few seconds."""
        if not self.console.is_terminal:
            yield Bars(self, None)
            return
        columns = (TextColumn("         {task.description:<34}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self.console) as progress:
            yield Bars(self, progress)


class Bars:
    """Named counts that grow."""

    def __init__(self, show: Show, progress: Progress | None) -> None:
        self._show = show
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._figures: dict[str, tuple[int, int | None]] = {}
        self._said = time.monotonic()

    def set(self, name: str, done: int, total: int | None) -> None:
        """Where one count stands; ``total`` None when nobody knows."""
        self._figures[name] = (done, total)
        if self._progress is not None:
            if name not in self._tasks:
                self._tasks[name] = self._progress.add_task(name)
            self._progress.update(self._tasks[name], completed=done, total=total)
        elif time.monotonic() - self._said > _EVERY_SECONDS:
            self._said = time.monotonic()
            self._show.say(", ".join(f"{name} {_of(*figure)}" for name, figure in self._figures.items()))


def _of(done: int, total: int | None) -> str:
    return f"{done:,}" if total is None else f"{done:,} of {total:,}"


def result_table(result: Result, kills: int, seconds: float) -> Table:
    """What a person wants to see at the end."""
    table = Table(title="What became of every change and every row", title_justify="left")
    for name in ("table", "changes made", "in topics", "rows in source", "in SQL", "in index", "differing"):
        table.add_column(name, justify="left" if name == "table" else "right", no_wrap=True)
    for name, row in result.tables.items():
        index = "" if row.index_rows is None else f"{row.index_rows:,}"
        table.add_row(
            name,
            f"{row.made:,}",
            f"{row.found:,}",
            f"{row.source_rows:,}",
            f"{row.sql_rows:,}",
            index,
            str(row.differing),
        )
    table.add_section()
    totals = [f"{result.total(name):,}" for name in ("made", "found", "source_rows", "sql_rows", "index_rows")]
    table.add_row("all", *totals, str(result.total("differing")))
    table.caption = f"{kills} kills survived, {seconds:.0f} s in all"
    table.caption_justify = "left"
    return table
