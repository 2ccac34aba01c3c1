"""What the rows of a target get in a column that the source's table got later: what the server gave its own (F107)."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from connect.api import SinkContext, TopicPartition
from connect.record import SinkRecord, plain_row
from connect.schema.evolution import evolve
from connect.schema.model import TableSchema
from connectors.sql import PLUGIN, SqlConfig, SqlTarget

if TYPE_CHECKING:
    from connect.record import ChangeEvent
    from tests.integration.mysql.conftest import Shop

pytestmark = pytest.mark.stack

PARTITION = TopicPartition("shop.t", "id", 0)
ADDED = [
    ["c VARCHAR(5) DEFAULT 'x'"],
    ["c VARCHAR(5)", "ALTER c SET DEFAULT 'y'"],
    ["c VARCHAR(5) DEFAULT 'x'", "ALTER c SET DEFAULT 'y'"],
    ["c INT NOT NULL", "ALTER c SET DEFAULT 7"],
    ["c DECIMAL(6,2) NOT NULL DEFAULT 1.5", "ALTER c DROP DEFAULT, ADD d INT"],
]


def sink_rows(shop: Shop, *events: ChangeEvent) -> list[Any]:
    """The events through the SQL sink into a table of the same server, each under what is published at its time."""
    url = f"{shop.server.address.rstrip('/')}/{shop.database}"
    sink = PLUGIN.build(SqlConfig(url=url), SinkContext("k", shop.database, lambda _: SqlTarget(table="sunk")))
    with contextlib.closing(sink):
        sink.open([PARTITION])
        published = events[0].shape.schema
        for offset, event in enumerate(events):
            evolution = evolve(published, event.shape.schema)
            published = evolution.schema
            after = event.after.under(evolution.shape(event.shape))
            key = plain_row(TableSchema(published.table, published.key_columns, published.key), [after["id"]])
            record = SinkRecord(PARTITION.topic, 0, offset, 0, event.op, key, None, after, published.table)
            assert not sink.write([record], {PARTITION: offset + 1}, frozenset()).failures
    return shop.sql("SELECT id, c FROM sunk ORDER BY id")


@pytest.mark.parametrize("alters", ADDED)
def test_F107_older_rows_of_a_target_have_what_the_server_gave_its_own(shop: Shop, alters: list[str]) -> None:
    reader = shop.open()
    shop.insert(1, 1)
    before = reader.read(1)
    add, *later = alters
    shop.sql(f"ALTER TABLE t ADD COLUMN {add}", *(f"ALTER TABLE t {alter}" for alter in later))
    shop.sql("INSERT INTO t (id, c) VALUES (2, 3)")

    assert sink_rows(shop, *before, *reader.read(1)) == shop.sql("SELECT id, c FROM t ORDER BY id")


def test_F107_and_after_a_restart_between_the_two_statements(shop: Shop) -> None:
    reader = shop.open()
    shop.insert(1, 1)
    before = reader.read(1)
    shop.sql("ALTER TABLE t ADD COLUMN c VARCHAR(5) DEFAULT 'x'")
    reader.until(lambda: "added" in json.dumps(reader.notes))
    again = shop.open(reader.close())
    shop.sql("ALTER TABLE t ALTER c SET DEFAULT 'y'", "INSERT INTO t (id) VALUES (2)")

    assert sink_rows(shop, *before, *again.read(1)) == [(1, "x"), (2, "y")]
