"""A sink's own table of another version: older is read, newer is refused by name with nothing changed."""

from __future__ import annotations

import sqlite3

import pytest

from connect.api import TopicPartition
from connect.errors import Failed
from connectors.sql import ledger

PARTITION = TopicPartition("shop.public.a", "id-a", 0)


def stored(tmp_path):
    with sqlite3.connect(tmp_path / "target.db") as target:
        return target.execute("SELECT epoch, version FROM connect_sinks").fetchall()


def test_a_sinks_own_table_of_a_newer_version_is_refused_and_left_alone(sink, tmp_path) -> None:
    sink().open([PARTITION])
    with sqlite3.connect(tmp_path / "target.db") as target:
        target.execute("UPDATE connect_sinks SET version = version + 1")
    before = stored(tmp_path)
    with pytest.raises(Failed, match="table connect_sinks has version 2, and this Connect reads up to 1") as caught:
        sink().open([PARTITION])
    assert caught.value.code == "state_is_newer"
    assert stored(tmp_path) == before


def test_a_newer_sink_reads_an_older_table_and_notes_its_own_version(sink, tmp_path, monkeypatch) -> None:
    older = sink()
    older.open([PARTITION])
    older.write([], {PARTITION: 7}, frozenset())
    older.close()
    monkeypatch.setattr(ledger, "VERSION", 2)
    assert sink().open([PARTITION]) == {PARTITION: 7}
    assert [version for _, version in stored(tmp_path)] == [2]
