"""A worker for ``test_kills``: writes a fixed history from wherever the sink stands, saying each position."""

from __future__ import annotations

import sys

from connect.api import SinkContext, TopicPartition
from connect.record import UNAVAILABLE, Op, SinkRecord, plain_row
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connectors.elasticsearch import PLUGIN
from connectors.elasticsearch.config import ElasticsearchConfig, ElasticsearchTarget

RECORDS = 3_000
KEYS = 97


def main(url: str, name: str) -> None:
    table = TableId("public", name)
    columns = (
        Field("id", Type(Kind.INT32), optional=False),
        Field("note", Type(Kind.INT32)),
        Field("body", Type(Kind.STRING)),
    )
    schema, key_schema = TableSchema(table, columns, ("id",)), TableSchema(table, columns[:1], ("id",))
    partition = TopicPartition(f"shop.{table}", "topic-id", 0)

    def record(offset: int) -> SinkRecord:
        key = offset * 31 % KEYS
        if offset == RECORDS // 2:
            return SinkRecord(partition.topic, 0, offset, 0, Op.TRUNCATE, None, None, None, table)
        key_row = plain_row(key_schema, [key])
        if offset % 7 == 0:
            return SinkRecord(partition.topic, 0, offset, 0, Op.DELETE, key_row, None, None, table)
        body = UNAVAILABLE if offset % 3 == 0 else f"body {offset}"
        row = plain_row(schema, [key, offset, body])
        return SinkRecord(partition.topic, 0, offset, 0, Op.UPDATE, key_row, None, row, table)

    sink = PLUGIN.build(
        ElasticsearchConfig(url=url, in_flight=3, batch_bytes=10_000),
        SinkContext("search", f"group-{name}", lambda _: ElasticsearchTarget()),
    )
    position = sink.open([partition])[partition]
    size = 37 + position % 50  # each life cuts the history differently
    while position < RECORDS:
        batch = [record(offset) for offset in range(position, min(position + size, RECORDS))]
        position += len(batch)
        sink.write(batch, {partition: position}, frozenset())
        print(position, flush=True)  # noqa: T201 - the test counts the batches
    sink.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
