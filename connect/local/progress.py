"""How downloads and starts show themselves on standard error."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as RichProgress

from connect.local.machine import megabytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


class Progress(Protocol):
    """Where the stack says what it does."""

    def say(self, text: str) -> None:
        """Show one line."""

    def bar(self, title: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Show a download of ``total`` bytes; the function given takes the bytes that came since it was last called."""


class Lines:
    """Plain lines: one when a download starts, one when it is done."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """See ``Progress.bar``."""
        self.say(f"{title}: downloading {megabytes(total)}")
        yield lambda _count: None
        self.say(f"{title}: downloaded")


class Bars:
    """Bars on a terminal, one for each download under way."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._live: RichProgress | None = None
        self._open = 0

    def say(self, text: str) -> None:
        """See ``Progress.say``."""
        self._console.print(text, markup=False, highlight=False)

    @contextmanager
    def bar(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """See ``Progress.bar``."""
        live = self._join()
        task = live.add_task(title, total=total)
        try:
            yield lambda count: live.advance(task, count)
        finally:
            self._leave()

    def _join(self) -> RichProgress:
        with self._lock:
            if self._live is None:
                columns = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
                self._live = RichProgress(
                    TextColumn("{task.description}"), BarColumn(), *columns, console=self._console
                )
                self._live.start()
            self._open += 1
            return self._live

    def _leave(self) -> None:
        with self._lock:
            self._open -= 1
            if self._open == 0 and self._live is not None:
                self._live.stop()
                self._live = None


def on_stderr() -> Progress:
    """Bars on a terminal, plain lines elsewhere."""
    console = Console(stderr=True)
    if console.is_terminal:
        return Bars(console)
    return Lines(lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True))


def silent() -> Progress:
    """Says nothing."""
    return Lines(lambda _text: None)
