"""Reads a source as the runtime does, for the tests of its contract; what they ask of a plugin's author."""

# ruff: noqa: S101 - part of a suite of tests

from __future__ import annotations

import itertools
import json
import time
import uuid
from typing import TYPE_CHECKING, Any, Final, Protocol

from connect.api import Resume, SourceContext, TableOptions
from connect.testing.plugin_contract import PATIENCE, Driver, patiently

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from connect.api import Position, Source, SourceBatch
    from connect.record import ChangeEvent
    from connect.schema.model import TableId

TIMEOUT: Final = 0.2  # seconds of one read


class Writer(Protocol):
    """An open transaction on the driver's table."""

    def insert(self, *rows: tuple[int, str | None]) -> None:
        """Rows of ``id`` and ``name``, in this order."""
        ...

    def update(self, key: int, name: str | None) -> None:
        """One row's ``name``."""
        ...

    def delete(self, key: int) -> None:
        """One row."""
        ...

    def truncate(self) -> None:
        """All rows, as one statement."""
        ...


class SourceDriver(Driver, Protocol):
    """What the suite needs to know of a source's server; a new one for each test.

    Attributes:
        table: A table of this test's own, empty: ``id``, an integer and its primary key, and ``name``, a text.
        rows_to_split: A transaction of so many rows is more than one batch; for ``resumes_inside_transactions``.
    """

    table: TableId
    rows_to_split: int

    def transaction(self) -> AbstractContextManager[Writer]:
        """A transaction in a session of its own: committed at the end of the block, rolled back by an exception."""
        ...

    def left_on_server(self) -> Collection[str]:
        """Names of what a source has made on the server, such as slots and publications."""
        ...


class Tail:
    """A source that is read; position and notes are kept as the runtime keeps them."""

    def __init__(self, source: Source, resume: Resume | None) -> None:
        self.source = source
        self.start = source.open(resume)
        self.position = self.start
        self.notes = dict(resume.notes) if resume else {}
        self.batches: list[SourceBatch] = []
        self.events: list[ChangeEvent] = []

    @property
    def resume(self) -> Resume:
        """What a next source goes on from: what the runtime stored, read back from JSON."""
        stored = json.loads(json.dumps([self.position.to_json(), self.notes]))
        return Resume(self.source.position.from_json(stored[0]), stored[1])

    def step(self) -> SourceBatch | None:
        """One read."""
        batch = self.source.read(TIMEOUT)
        if batch is not None:
            self.batches.append(batch)
            self.events += batch.events
            self.position = batch.resume_after
            self.notes |= {name: note for name, note in batch.notes.items() if note is not None}
            for name in [name for name, note in batch.notes.items() if note is None]:
                self.notes.pop(name, None)
        return batch

    def until(self, there: Callable[[], bool]) -> None:
        """Read on until it holds, a bounded time."""
        deadline = time.monotonic() + PATIENCE
        while not there():
            assert time.monotonic() < deadline, f"it never came; {len(self.events)} events did: {self.events[-3:]}"
            self.step()

    def take(self, count: int) -> list[ChangeEvent]:
        """The next ``count`` events and no more, whole batches."""
        before = len(self.events)
        self.until(lambda: len(self.events) - before >= count)
        assert len(self.events) - before == count, f"more came: {self.events[before + count :][:3]}"
        return self.events[before:]

    def quiet(self) -> None:
        """Two more reads give no events."""
        for _ in range(2):
            batch = self.step()
            assert batch is None or not batch.events, f"more came: {batch.events[:3]}"


class Connector:
    """One connector of a worker group and its sources."""

    def __init__(self, driver: SourceDriver, folder: Path) -> None:
        self.driver = driver
        self.config = driver.plugin.config(**driver.options)
        self.said: list[str] = []
        self._folder = folder
        self._numbers = itertools.count()
        self._group = f"contract_{uuid.uuid4().hex[:8]}"
        self._sources: list[Source] = []

    def context(self, *more: TableId) -> SourceContext:
        """The driver's table is captured, and more."""
        tables = {table: TableOptions() for table in (self.driver.table, *more)}
        spool = self._folder / f"spool-{next(self._numbers)}"
        return SourceContext("contract", self._group, tables, spool, say=self.said.append)

    def build(self, *more: TableId, config: Any = None) -> Source:
        """A source that is not open yet."""
        source: Source = self.driver.plugin.build(config or self.config, self.context(*more))
        self._sources.append(source)
        return source

    def tail(self, resume: Resume | None = None) -> Tail:
        """A source that is read from there."""
        return Tail(self.build(), resume)

    def again(self, tail: Tail, at: Position | None = None) -> Tail:
        """Another source, after the first was closed, from its position or another one."""
        tail.source.close()
        resume = tail.resume
        return self.tail(resume._replace(position=at) if at else resume)

    def remove(self) -> list[str]:
        """What ``connect remove`` does."""
        return patiently(lambda: list(self.driver.plugin.remove(self.config, self.context())))

    def close(self) -> None:
        """Close the sources and remove what they made."""
        for source in self._sources:
            source.close()
        self.remove()


def seen(events: Sequence[ChangeEvent]) -> list[tuple[Any, ...]]:
    """Everything of an event that a restart must not change."""
    return [(e.op, e.before, e.after, e.transaction, e.ordinal, e.ts_us, e.source) for e in events]


def rows_of(events: Sequence[ChangeEvent]) -> list[tuple[str, int]]:
    """Op and key of each event with rows."""
    return [(event.op.value, row["id"]) for event in events if (row := event.after or event.before)]
