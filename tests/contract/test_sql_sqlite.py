"""The sink contract, kept by ``sql`` on SQLite; with a fault in it, a test of the suite tells."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from connect.api import WriteResult
from connect.errors import Fenced
from connect.record import UNAVAILABLE, Op, plain_row
from connect.testing.sink_contract import Feed, Owner, SinkContract
from connectors.sql import PLUGIN
from connectors.sql.sink import SqlSink

if TYPE_CHECKING:
    from pathlib import Path

    from connect.schema.model import TableId


class Driver:
    plugin = PLUGIN

    def __init__(self, folder: Path) -> None:
        self._file = folder / "target.db"
        self.options = {"url": f"sqlite:///{self._file}"}
        self.unreachable = {"url": f"sqlite:///{folder}/no/such/folder/target.db"}

    def rows(self, table: TableId) -> list[dict[str, Any]]:
        with contextlib.closing(sqlite3.connect(self._file)) as connection:
            connection.row_factory = sqlite3.Row
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [table.name]).fetchall():
                return []
            return [dict(row) for row in connection.execute(f'SELECT * FROM "{table.name}"')]


class TestSqlite(SinkContract):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> Driver:
        return Driver(tmp_path)


class ForgetsWhereItWas(SqlSink):
    def open(self, partitions):
        return dict.fromkeys(super().open(partitions), 0)


class StoresPastFailures(SqlSink):
    def write(self, batch, next_offsets, skip):
        result = super().write(batch, next_offsets, skip)
        if result.failures:
            super().write([], next_offsets, skip)
        return result


class IgnoresSkip(SqlSink):
    def write(self, batch, next_offsets, skip):
        return super().write(batch, next_offsets, frozenset())


class IgnoresEmptyBatches(SqlSink):
    def write(self, batch, next_offsets, skip):
        return super().write(batch, next_offsets, skip) if batch else WriteResult()


class IgnoresFencing(SqlSink):
    def write(self, batch, next_offsets, skip):
        try:
            return super().write(batch, next_offsets, skip)
        except Fenced:
            self._epoch = 0
            self.open(list(next_offsets))
            return super().write(batch, next_offsets, skip)


class FirstWriteWins(SqlSink):
    def write(self, batch, next_offsets, skip):
        return super().write(batch[::-1], next_offsets, skip)


class _Without(SqlSink):
    op: Op

    def write(self, batch, next_offsets, skip):
        return super().write([record for record in batch if record.op is not self.op], next_offsets, skip)


class IgnoresDeletes(_Without):
    op = Op.DELETE


class IgnoresTruncates(_Without):
    op = Op.TRUNCATE


class WritesUnavailableAsNull(SqlSink):
    def write(self, batch, next_offsets, skip):
        return super().write([record.with_rows(None, _nulled(record.after)) for record in batch], next_offsets, skip)


def _nulled(row):
    return row and plain_row(row.shape.schema, [None if value is UNAVAILABLE else value for value in row.values()])


class HidesIncompleteRows(SqlSink):
    def write(self, batch, next_offsets, skip):
        return replace(super().write(batch, next_offsets, skip), incomplete=0)


class NeverCloses(SqlSink):
    def close(self):
        pass


FAULTS = {
    ForgetsWhereItWas: "test_open_gives_the_offsets_after_what_was_written",
    StoresPastFailures: "test_no_position_at_or_past_a_failure_is_stored",
    IgnoresSkip: "test_with_the_failures_skipped_the_rest_is_written",
    IgnoresEmptyBatches: "test_an_empty_batch_is_progress",
    IgnoresFencing: "test_an_older_owner_is_fenced",
    FirstWriteWins: "test_the_last_write_of_a_key_in_a_batch_wins",
    IgnoresDeletes: "test_a_delete_removes_its_row",
    IgnoresTruncates: "test_a_truncate_empties_the_target_and_what_follows_stays",
    WritesUnavailableAsNull: "test_an_unavailable_value_is_not_null",
    HidesIncompleteRows: "test_a_row_that_lacks_values_is_counted_until_it_is_whole",
    NeverCloses: "test_close_lets_go_of_everything_and_may_be_called_again",
}


@pytest.mark.parametrize(("fault", "test"), FAULTS.items(), ids=[fault.__name__ for fault in FAULTS])
def test_the_suite_finds_a_fault(tmp_path, fault, test):
    driver = Driver(tmp_path)
    driver.plugin = replace(PLUGIN, build=fault)
    owner = Owner(driver, "contract", "first")

    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(SinkContract(), test)(owner=owner, feed=Feed())
    for sink in owner._sinks:
        SqlSink.close(sink)
