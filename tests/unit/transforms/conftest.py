"""Events and records of one small table, and chains of transforms over them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from connect.config.fields import Secret
from connect.record import UNAVAILABLE, ChangeEvent, Op, Row, RowShape, SinkRecord, plain_row, text
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connect.transforms.catalog import BUILTIN
from connect.transforms.facts import Facts
from connect.transforms.pipeline import Chain

SCHEMA = TableSchema(
    TableId("public", "orders"),
    (
        Field("id", Type(Kind.INT64), optional=False),
        Field("status", Type(Kind.STRING), default="new"),
        Field("email", Type(Kind.STRING), default="nobody@example"),
    ),
    ("id",),
)
# The log's own bytes, split at commas: "-" is NULL, "?" was not in the log.
CELLS = {b"-": None, b"?": UNAVAILABLE}
SHAPE = RowShape(SCHEMA, lambda data: [CELLS.get(cell, cell) for cell in data.split(b",")], (int, text, text))


def row(data: str | None, shape: RowShape = SHAPE) -> Row | None:
    return None if data is None else Row(shape, data.encode())


@pytest.fixture
def event() -> Callable[..., ChangeEvent]:
    """Op letter, old row, new row → an event over the log's bytes."""

    def made(op: str, before: str | None, after: str | None) -> ChangeEvent:
        return ChangeEvent(Op(op), SHAPE, row(before), row(after), ("src",), 1, sequence="[1,2]")

    return made


@pytest.fixture
def record() -> Callable[..., SinkRecord]:
    """Op letter, key, new row → a record of the topic shop.public.orders."""

    def made(op: str, key: int | None, after: str | None, before: str | None = None) -> SinkRecord:
        key_schema = TableSchema(SCHEMA.table, SCHEMA.columns[:1], ("id",))
        key_row = None if key is None else plain_row(key_schema, [key])
        return SinkRecord("shop.public.orders", 0, 7, 1, Op(op), key_row, row(before), row(after), SCHEMA.table)

    return made


@pytest.fixture
def chain() -> Callable[..., Chain]:
    """Pairs of a transform's name and its options → the chain of a table."""

    def made(*items: tuple[str, dict], state: bool = True, folder: Path | None = None) -> Chain:
        facts = Facts(
            connector="shop",
            name="public.orders",
            state=state,
            columns=frozenset(SCHEMA.index),
            mask_key=Secret("k" * 16),
            folder=folder,
        )
        builtins = [(BUILTIN[name], options) for name, options in items]
        return Chain([item.build(item.options(**options), facts) for item, options in builtins])

    return made


@pytest.fixture
def shape() -> RowShape:
    """The shape of the table."""
    return SHAPE
