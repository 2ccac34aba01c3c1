"""Folded batches into a real MySQL and MariaDB: it holds what the log says, and faulty rows are named."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from connect.compiled import COMPILED
from connect.schema.model import Field, Kind, Type
from connectors.sql import sink as sink_module
from connectors.sql.rows import Rows
from connectors.sql.targets import Direct

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.sql.sink import SqlSink
    from tests.integration.conftest import AvroTopic
    from tests.integration.sink_mysql.conftest import Target

pytestmark = pytest.mark.skipif(not COMPILED, reason="batches are folded by compiled code only")
COLUMNS = (Field("id", Type(Kind.INT64), optional=False), Field("name", Type(Kind.STRING)))


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many changes of each batch went through Python."""
    counts: list[int] = []

    class Watched(Rows):
        def apply(self, changes: Any) -> Any:
            counts.append(len(changes))
            return super().apply(changes)

    monkeypatch.setattr(sink_module, "Rows", Watched)
    return counts


@pytest.fixture
def topic(avro_topic: Callable[..., AvroTopic]) -> AvroTopic:
    """Of ids and names."""
    return avro_topic(*COLUMNS)


def direct(sink: SqlSink) -> Direct:
    return next(iter(sink._targets.by_topic.values())).direct


def test_K3_batches_of_any_mixture_leave_what_the_log_says(
    target: Target, topic: AvroTopic, looked_at: list[int]
) -> None:
    sink = target.open()
    dice = random.Random(7)
    there: dict[int, str] = {}
    for batch in range(6):
        changes: list[tuple[Any, ...]] = []
        for number in range(2000):
            key, name = dice.randrange(10_000), f"{batch} it's \\ {number} \0 \N{GRINNING FACE}"
            op = dice.choice("uudd") if key in there else "c"
            changes.append((op, key, name))
            if op == "d":
                changes.append(("t", key, None))
                del there[key]
            else:
                there[key] = name
        assert topic.write(sink, changes).failures == ()
        assert dict(target.rows()) == there
    assert looked_at == [0] * 6


def test_a_second_unique_index_is_never_written_over(target: Target, topic: AvroTopic, looked_at: list[int]) -> None:
    """New rows go straight into the table, others by its key."""
    target.sql("CREATE TABLE orders (id bigint PRIMARY KEY, name longtext, UNIQUE name (name(40)))")
    sink = target.open()
    assert topic.write(sink, (("c", key, f"a{key}") for key in range(1000))).failures == ()
    assert direct(sink) is Direct.ALL
    changes = [*(("u", key, f"b{key}") for key in range(10)), *(("c", key, f"a{key}") for key in range(1000, 2000))]
    assert topic.write(sink, changes).failures == ()
    assert direct(sink) is Direct.NEW
    assert looked_at == [0, 0]
    result = topic.write(sink, [("u", 1, "c1"), ("u", 2, "a1999")])
    assert [failure.index for failure in result.failures] == [1]
    assert "at key name" in result.failures[0].error
    assert dict(target.rows()) == {key: f"{'b' if key < 10 else 'a'}{key}" for key in range(2000)}


def test_K5_a_row_that_the_server_refuses_is_found_and_named(target: Target, topic: AvroTopic) -> None:
    target.sql("CREATE TABLE orders (id bigint PRIMARY KEY, name longtext, CHECK (id <> 600))")
    sink = target.open()
    result = topic.write(sink, (("c", key, "a") for key in range(1000)))
    assert [failure.index for failure in result.failures] == [600]
    assert target.rows() == []


def test_F132_a_row_beyond_the_packet_is_found_and_named(target: Target, topic: AvroTopic) -> None:
    [(packet,)] = target.rows("SELECT @@max_allowed_packet")
    result = topic.write(target.open(), [("c", 1, "a"), ("c", 2, "b" * packet), ("c", 3, "c")])
    assert [failure.index for failure in result.failures] == [1]
    assert "max_allowed_packet" in result.failures[0].error


def test_a_batch_of_many_statements_is_one_transaction(target: Target, topic: AvroTopic, looked_at: list[int]) -> None:
    names = {key: chr(97 + key % 26) * 40_000 for key in range(100)}
    assert topic.write(target.open(), (("c", *item) for item in names.items())).failures == ()
    assert dict(target.rows()) == names
    assert looked_at == [0]
