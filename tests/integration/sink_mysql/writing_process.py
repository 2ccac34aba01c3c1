"""A sink in a process of its own that writes numbered changes, two a transaction, until it is killed or done."""

from __future__ import annotations

import sys

from connect.api import SinkContext, TopicPartition
from connect.record import Op, SinkRecord, plain_row
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connectors.sql import PLUGIN, SqlConfig, SqlTarget

TABLE = TableId("public", "orders")
COLUMNS = (Field("id", Type(Kind.INT64), optional=False), Field("name", Type(Kind.STRING)))


def change(number: int) -> SinkRecord:
    """The change of that offset; five keys in turn."""
    key = plain_row(TableSchema(TABLE, COLUMNS[:1], ("id",)), [number % 5])
    row = plain_row(TableSchema(TABLE, COLUMNS, ("id",)), [number % 5, f"change {number}"])
    return SinkRecord("shop.public.orders", 0, number, 0, Op.UPDATE, key, None, row, TABLE)


def main(url: str, group: str, changes: str) -> None:
    """Go on from the stored position."""
    partition = TopicPartition("shop.public.orders", "id", 0)
    sink = PLUGIN.build(SqlConfig(url=url), SinkContext("warehouse", group, lambda _: SqlTarget()))
    offset = sink.open([partition])[partition]
    while offset < int(changes):
        end = min(offset + 2, int(changes))
        assert not sink.write([change(n) for n in range(offset, end)], {partition: end}, frozenset()).failures
        offset = end
    sink.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
