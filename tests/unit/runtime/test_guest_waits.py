"""Who holds a snapshot up is told: pid and age, once a chunk has been read again for a second (DESIGN §5, rule b)."""

from __future__ import annotations

import pytest

from connect.api.snapshots import Chunk
from connect.record import plain_row, plain_shape
from connect.runtime.guest import ChunkReader, Guest, Request, TableProgress
from connect.schema.model import Field, Kind, TableId, TableSchema, Type

TABLE = TableId("public", "orders")
SHAPE = plain_shape(TableSchema(TABLE, (Field("id", Type(Kind.INT32), optional=False),), ("id",)))
WHO = "the transaction of server process 17, open for 3600 s"


class Passed:
    def reached(self, _: object) -> bool:
        return True


class Database:
    """One row, and transactions that a snapshot sees or does not."""

    def __init__(self) -> None:
        self.invisible: set[int] = {7}

    def read_chunk(self, table, after_key, max_rows, max_bytes) -> Chunk:
        invisible = set(self.invisible)
        return Chunk(
            shape=SHAPE,
            rows=[plain_row(SHAPE.schema, [1])],
            last_key=("1",),
            done=True,
            sees=lambda transaction: transaction not in invisible,
            source=(),
            ts_us=0,
            snapshot_note={},
        )

    def mark(self) -> Passed:
        return Passed()

    def close(self) -> None:
        pass


class Naming(Database):
    """It also knows whose transactions they are."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_for: set[frozenset[int]] = set()

    def whose(self, transactions) -> str:
        self.asked_for.add(frozenset(transactions))
        return WHO


class AtOnce(ChunkReader):
    """The reader without its thread."""

    def __init__(self, database: Database) -> None:
        self._snapshots = database
        self._asked: Request | None = None

    def ask(self, request: Request) -> None:
        self._asked = request

    def answer(self):
        asked, self._asked = self._asked, None
        return self._read(asked) if asked is not None else None


class Turns:
    def __init__(self, database: Database) -> None:
        self.now, self.said = 0.0, []
        self.guest = Guest(AtOnce(database), {TABLE: TableProgress()}, say=self.said.append, clock=lambda: self.now)

    def take(self, seconds: int) -> bool:
        """Whether a chunk was ready within so many seconds."""
        until = self.now + seconds
        while self.now < until:
            self.now += 0.02
            self.guest.ask()
            if self.guest.ready(None) is not None:
                return True
        return False


@pytest.fixture
def database() -> Naming:
    return Naming()


def test_who_holds_a_chunk_up_is_told_after_a_second_and_unsaid_when_it_is_over(database) -> None:
    turns = Turns(database)
    turns.guest.doubt([7, 8])
    assert not turns.take(1)
    assert turns.said == []
    assert not turns.take(3)
    assert set(turns.said) == {f"snapshot of public.orders waits for {WHO}"}
    assert database.asked_for == {frozenset({7})}  # 8 is visible
    database.invisible.clear()
    assert turns.take(2)
    assert turns.said[-1] == ""


def test_a_source_that_cannot_name_them_says_what_is_known() -> None:
    turns = Turns(Database())
    turns.guest.doubt([7])
    assert not turns.take(4)
    assert turns.said[-1] == "snapshot of public.orders waits for transactions that are committed but not yet visible"


def test_a_transaction_that_stays_for_hours_is_waited_for(database) -> None:
    turns = Turns(database)
    turns.guest.doubt([7])
    assert not turns.take(1_200)
    database.invisible.clear()
    assert turns.take(2)
