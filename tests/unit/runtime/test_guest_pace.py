"""A chunk is as big as the database and the way to Kafka allow: the stream waits while one is sent (DESIGN §5)."""

from __future__ import annotations

import pytest

from connect.api.snapshots import Chunk
from connect.record import plain_row, plain_shape
from connect.runtime.guest import Answer, Guest, TableProgress
from connect.schema.model import Field, Kind, TableId, TableSchema, Type

TABLE = TableId("public", "big")
SHAPE = plain_shape(TableSchema(TABLE, (Field("id", Type(Kind.INT32), optional=False),), ("id",)))


class Passed:
    def reached(self, _: object) -> bool:
        return True


class Reader:
    """Answers at once with one row, as if it had read for ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.sizes: list[int] = []

    def ask(self, request) -> None:
        self.sizes.append(request.max_rows)
        self._request = request

    def answer(self) -> Answer:
        rows = [plain_row(SHAPE.schema, [1])]
        chunk = Chunk(
            rows=rows,
            shape=SHAPE,
            last_key=("1",),
            done=False,
            sees=lambda _: True,
            snapshot_note={},
            source=(),
            ts_us=0,
        )
        return Answer(self._request, chunk, Passed(), (), self.seconds, None)


def sizes(reading: float, sending: float, chunks: int = 4, *, quiet: bool = True) -> list[int]:
    reader = Reader(reading)
    guest = Guest(reader, {TABLE: TableProgress()})
    for _ in range(chunks):
        guest.ask()
        assert guest.ready(None) is not None
        guest.took(sending, quiet=quiet)
    return reader.sizes


@pytest.mark.parametrize(("reading", "sending"), [(0.1, 5.0), (5.0, 0.1)])
def test_chunks_shrink_while_either_side_is_slow(reading, sending) -> None:
    assert sizes(reading, sending)[-1] < sizes(reading, sending)[1]


def test_chunks_grow_while_both_are_fast() -> None:
    assert sizes(0.1, 0.1) == [5_000, 10_000, 20_000, 40_000]


def test_chunks_stay_where_a_send_takes_a_second() -> None:
    assert sizes(0.1, 1.0)[1:] == [10_000, 10_000, 10_000]


def test_chunks_are_smaller_while_changes_wait_for_them() -> None:
    assert sizes(0.1, 1.0, quiet=False)[-1] < sizes(0.1, 1.0)[-1]


@pytest.mark.parametrize(("limit", "first"), [(120, 120), (7_000, 5_000), (10, 100)])
def test_the_limit_of_rows_a_second_holds_for_the_first_chunk(limit, first) -> None:
    reader = Reader(0.1)
    Guest(reader, {TABLE: TableProgress()}, max_rows_per_second=limit).ask()

    assert reader.sizes == [first]
