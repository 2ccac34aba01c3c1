"""Folded batches into a real Postgres: which rows go straight by COPY, and that any mixture ends as the log says."""

from __future__ import annotations

import random
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from connect.api import SinkContext
from connect.compiled import COMPILED
from connect.schema.model import Field, Kind, Type
from connectors.sql import PLUGIN, SqlConfig, SqlTarget
from connectors.sql.targets import Direct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.integration.conftest import AvroTopic

pytestmark = pytest.mark.skipif(not COMPILED, reason="batches are folded by compiled code only")
COLUMNS = (Field("id", Type(Kind.INT64), optional=False), Field("name", Type(Kind.STRING)))


class World:
    """A schema in Postgres, a sink into it, and batches of Avro records as a task makes them."""

    def __init__(self, postgres: str, topic: AvroTopic) -> None:
        self.name = f"g_{uuid.uuid4().hex[:10]}"
        self.sql = psycopg.connect(postgres, autocommit=True)
        self.sql.execute(f"CREATE SCHEMA {self.name}")
        self.topic = topic
        config = SqlConfig.model_validate({"url": postgres, "schema": self.name})
        context = SinkContext("g", "warehouse", lambda _: SqlTarget(), lambda: False)
        self.sink: Any = PLUGIN.build(config, context)
        self.sink.open([topic.place])

    def write(self, changes: Iterable[tuple[str, int, str | None]]) -> None:
        """Each change is (op, id, name); op "t" is a tombstone."""
        assert self.topic.write(self.sink, changes).failures == ()

    @property
    def direct(self) -> Direct:
        return Direct(self.sink._targets.by_topic[self.topic.place.topic].direct)

    def rows(self) -> dict[int, str | None]:
        return dict(self.sql.execute(f"SELECT id, name FROM {self.name}.orders").fetchall())

    def close(self) -> None:
        self.sink.close()
        self.sql.execute(f"DROP SCHEMA {self.name} CASCADE")
        self.sql.close()


@pytest.fixture
def world(postgres: str, avro_topic: Callable[..., AvroTopic]) -> Iterator[World]:
    made = World(postgres, avro_topic(*COLUMNS))
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
