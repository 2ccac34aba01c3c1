"""Folded batches into a real Postgres: which rows go straight by COPY, and that any mixture ends as the log says."""

from __future__ import annotations

import random
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from connect.api import SinkContext, TopicPartition
from connect.compiled import COMPILED
from connect.kafka.consumer import Raw
from connect.record import ChangeEvent, Op, plain_row, plain_shape
from connect.schema.avro import AvroFormat
from connect.schema.formats import SourceBlock
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connect.schema.reader import RecordReader
from connectors.postgres.source import PostgresSource
from connectors.sql import PLUGIN, SqlConfig, SqlTarget
from connectors.sql.targets import Direct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

pytestmark = pytest.mark.skipif(not COMPILED, reason="batches are folded by compiled code only")
TABLE = TableId("public", "orders")
COLUMNS = (Field("id", Type(Kind.INT64), optional=False), Field("name", Type(Kind.STRING)))
TOPIC = "shop.public.orders"
PLACE = TopicPartition(TOPIC, "id", 0)
SOURCE = SourceBlock(connector="postgresql", name="shop", database="shop", fields=PostgresSource.source_fields)

FROM = ("public", "orders", 7, 7, None, None, None)  # the source block


class Registry:
    """Keeps schemas by the ids that it gives."""

    is_down = False

    def __init__(self) -> None:
        self.texts: list[str] = []

    def schema_id(self, _name: str, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text)

    def schema_text(self, schema_id: int) -> str:
        return self.texts[schema_id]


class World:
    """A schema in Postgres, a sink into it, and batches of Avro records as a task makes them."""

    def __init__(self, postgres: str) -> None:
        self.name = f"g_{uuid.uuid4().hex[:10]}"
        self.sql = psycopg.connect(postgres, autocommit=True)
        self.sql.execute(f"CREATE SCHEMA {self.name}")
        registry: Any = Registry()
        self.shape = plain_shape(TableSchema(TABLE, COLUMNS, ("id",)))
        encoder: Any = AvroFormat(registry).encoder(TOPIC, self.shape, SOURCE)
        self.encoder = getattr(encoder, "twin", encoder)
        self.reader = RecordReader(registry)
        self.offset = 0
        config = SqlConfig.model_validate({"url": postgres, "schema": self.name})
        context = SinkContext("g", "warehouse", lambda _: SqlTarget(), lambda: False)
        self.sink: Any = PLUGIN.build(config, context)
        self.sink.open([PLACE])

    def write(self, changes: Iterable[tuple[str, int, str | None]]) -> None:
        """Each change is (op, id, name); op "t" is a tombstone."""
        batch: Any = self.reader.batch()
        raws = [self._raw(*change) for change in changes]
        number = 0
        while (number := batch.extend(raws, number)) < len(raws):
            batch.append(raws[number], self.reader.read(TOPIC, 0, *raws[number][1:]), passes=True)
            number += 1
        assert self.sink.write(batch, {PLACE: self.offset}, frozenset()).failures == ()

    def _raw(self, op: str, key: int, name: str | None) -> Raw:
        row = plain_row(self.shape.schema, (key, name))
        before, after = (row, None) if op in "dt" else (None, row)
        event = ChangeEvent(Op("d" if op == "t" else op), self.shape, before, after, FROM, 7, 7)
        value = None if op == "t" else self.encoder.value(event, 7)
        self.offset += 1
        return Raw(PLACE, self.offset - 1, 7, self.encoder.key(row), value)

    @property
    def direct(self) -> Direct:
        return Direct(self.sink._targets.by_topic[TOPIC].direct)

    def rows(self) -> dict[int, str | None]:
        return dict(self.sql.execute(f"SELECT id, name FROM {self.name}.orders").fetchall())

    def close(self) -> None:
        self.sink.close()
        self.sql.execute(f"DROP SCHEMA {self.name} CASCADE")
        self.sql.close()


@pytest.fixture
def world(postgres: str) -> Iterator[World]:
    made = World(postgres)
    yield made
    made.close()


def test_rows_that_are_new_go_straight_on_when_others_were_there(world: World) -> None:
    world.write(("c", key, "a") for key in range(1000))
    assert world.direct is Direct.ALL
    world.write([*(("u", key, "b") for key in range(10)), *(("c", key, "a") for key in range(1000, 2000))])
    assert world.direct is Direct.NEW
    world.write([*(("d", key, None) for key in range(10)), *(("c", key, "c") for key in range(5, 600))][:15])
    assert world.rows() == {key: "c" if key < 10 else "a" for key in range(5, 2000)}


def test_rows_that_only_seem_new_are_written_over_what_is_there(world: World) -> None:
    world.write(("r", key, "a") for key in range(1000))
    world.write(("r", key, "b") for key in range(500, 1500))  # a snapshot that is read again
    assert world.direct is Direct.NONE
    assert world.rows() == {key: "a" if key < 500 else "b" for key in range(1500)}


def test_K3_batches_of_any_mixture_leave_what_the_log_says(world: World) -> None:
    dice = random.Random(7)
    there: dict[int, str | None] = {}
    for batch in range(12):
        changes: list[tuple[str, int, str | None]] = []
        for number in range(2000):
            key, name = dice.randrange(20_000), f"{batch} {number}"
            if key not in there:
                op = "c" if batch < 10 else "r"
            elif batch == 11 and number % 500 == 0:
                op = "r"  # of a snapshot that is read again
            else:
                op = dice.choice("uudd")
            changes.append((op, key, name))
            if op == "d":
                changes.append(("t", key, None))
                del there[key]
            else:
                there[key] = name
        world.write(changes)
        assert world.direct is [Direct.ALL, *[Direct.NEW] * 10, Direct.NONE][batch]
        assert world.rows() == there
