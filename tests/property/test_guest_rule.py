"""The rule of the snapshot guest against a model database whose commits reach the log before they become visible."""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connect.api.snapshots import Chunk
from connect.errors import Retriable
from connect.record import plain_row, plain_shape
from connect.runtime import guest
from connect.runtime.guest import Answer, Guest, TableProgress
from connect.schema.model import Field, Kind, TableId, TableSchema, Type

TABLE, OTHER = TableId("public", "hot"), TableId("public", "other")
SCHEMA = TableSchema(
    TABLE, (Field("id", Type(Kind.INT32), optional=False), Field("ver", Type(Kind.INT64))), key=("id",)
)
SHAPE = plain_shape(SCHEMA)
KEYS = 6


@dataclass
class Transaction:
    xid: int
    lsn: int
    writes: dict[int, int | None]  # key → version, None deletes
    visible: bool = False


@dataclass(frozen=True)
class At:
    lsn: int

    def reached(self, position: "At") -> bool:
        return position.lsn >= self.lsn


@dataclass
class Model:
    """A database, its log, a stream that reads the log, and a topic."""

    random: random.Random
    log: list[Transaction] = field(default_factory=list)
    versions: int = 0
    lsn: int = 0
    delivered: int = 0

    def commit(self) -> None:
        # Row locks are held until a commit is visible, so no two invisible transactions touch the same key.
        locked = {key for t in self.log if not t.visible for key in t.writes}
        free = [key for key in range(KEYS) if key not in locked]
        writes = {}
        for key in self.random.sample(free, min(len(free), self.random.randint(1, 3))):
            self.versions += 1
            writes[key] = None if self.random.random() < 0.2 else self.versions
        self.lsn += 1
        self.log.append(Transaction(100 + len(self.log), self.lsn, writes))

    def reveal(self) -> None:
        hidden = [transaction for transaction in self.log if not transaction.visible]
        if hidden:
            self.random.choice(hidden).visible = True

    def rows(self) -> dict[int, int]:
        table: dict[int, int] = {}
        for transaction in self.log:
            if transaction.visible:
                for key, version in transaction.writes.items():
                    if version is None:
                        table.pop(key, None)
                    else:
                        table[key] = version
        return table


class Reader:
    """A chunk reader over the model: answers in order, when the schedule lets it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.requests = []
        self.replies = []

    def ask(self, request) -> None:
        self.requests.append(request)

    def work(self) -> None:
        if not self.requests:
            return
        request = self.requests.pop(0)
        seen = {t.xid for t in self.model.log if t.visible}
        if request.table is None:
            doubt = {t.xid for t in self.model.log if not t.visible}
            self.replies.append(Answer(request, None, None, doubt, 0.0, None))
            return
        rows = self.model.rows()
        first = int(request.after[0]) + 1 if request.after else 0
        keys = [key for key in sorted(rows) if key >= first][:2]
        done = not any(key > keys[-1] for key in rows) if keys else True
        chunk = Chunk(
            shape=SHAPE,
            rows=[plain_row(SCHEMA, [key, rows[key]]) for key in keys],
            last_key=(str(keys[-1]),) if keys else None,
            done=done,
            sees=seen.__contains__,
            source=(),
            ts_us=0,
            snapshot_note={},
        )
        self.replies.append(Answer(request, chunk, At(self.model.lsn), (), 0.0, None))

    def answer(self):
        return self.replies.pop(0) if self.replies else None


def record_key(key: int) -> bytes:
    return str(key).encode()


class Run:
    """The task's loop, driven one random step at a time; remembers the newest version sent for each key."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.model = Model(self.random)
        self.reader = Reader(self.model)
        self.now = 0.0
        self.guest = self.new_guest(TableProgress())
        self.newest: dict[int, int] = {}
        self.topic: dict[int, int | None] = {}

    def new_guest(self, progress: TableProgress) -> Guest:
        self.reader.requests, self.reader.replies = [], []
        guest = Guest(self.reader, {TABLE: progress}, clock=lambda: self.now)
        guest.doubt([t.xid for t in self.model.log if not t.visible])
        return guest

    def deliver(self) -> None:
        if self.model.delivered == len(self.model.log):
            return
        transaction = self.model.log[self.model.delivered]
        self.model.delivered += 1
        for key, version in transaction.writes.items():
            self.guest.saw(TABLE, transaction.xid, [record_key(key)], SCHEMA)
            assert version is None or version > self.newest.get(key, 0), "a row was sent before its change"
            self.topic[key] = version
            if version is not None:
                self.newest[key] = version

    def send(self) -> None:
        position = At(self.model.log[self.model.delivered - 1].lsn if self.model.delivered else 0)
        ready = self.guest.ready(position)
        self.guest.ask()
        if ready is None:
            return
        sent = 0
        for row in ready.chunk.rows:
            key, version = row["id"], row["ver"]
            if any(record_key(key) in keys for keys in ready.drop):
                continue
            assert version >= self.newest.get(key, 0), "a row older than one streamed before it was sent"
            assert self.topic.get(key, 0) is not None or version > self.newest.get(key, 0), "a deleted row came back"
            self.newest[key] = version
            self.topic[key] = version
            sent += 1
        self.guest.sent(ready, sent)

    def step(self) -> None:
        self.now += 0.1
        self.random.choices(
            [self.model.commit, self.model.reveal, self.deliver, self.reader.work, self.send, self.restart],
            [4, 4, 5, 3, 5, 0.2],
        )[0]()

    def restart(self) -> None:
        progress = self.guest.tables[TABLE]
        self.guest = self.new_guest(TableProgress(after=progress.after, done=progress.done))

    def finish(self) -> None:
        """The world comes to rest: everything is visible and delivered, the snapshot runs to its end."""
        for _ in range(400):
            self.now += 1.0
            self.model.reveal()
            self.deliver()
            self.reader.work()
            self.send()
        assert self.guest.complete


@given(st.integers(0, 2**32))
def test_N2_no_row_is_sent_that_is_older_than_one_streamed_before_it(seed):
    run = Run(seed)
    for _ in range(300):
        run.step()
    run.finish()
    held = {key: version for key, version in run.topic.items() if version is not None}
    assert held == run.model.rows()


def test_a_transaction_of_another_table_does_not_hold_a_chunk_back():
    run = Run(1)
    run.model.commit()
    run.deliver()
    run.guest = run.new_guest(TableProgress())
    run.model.reveal()
    run.guest.saw(OTHER, 999, [b"k"], SCHEMA)  # delivered, and never visible to any snapshot
    run.guest.ask()
    run.reader.work()
    assert run.guest.ready(At(run.model.lsn)) is not None


def waiting_chunk(seed):
    """A run of which one chunk was read and waits for its mark, and the next was asked for."""
    run = Run(seed)
    for _ in range(20):
        run.model.commit()
        run.model.reveal()
    run.guest.ask()
    run.reader.work()
    assert run.guest.ready(At(0)) is None
    run.guest.ask()
    return run


def test_the_next_chunk_is_read_while_one_waits_for_its_mark_and_no_more_than_that():
    run = waiting_chunk(8)
    run.guest.ask()
    [ahead] = run.reader.requests
    run.reader.work()

    first, second = run.guest.ready(At(run.model.lsn)), run.guest.ready(At(run.model.lsn))

    assert ahead.after == first.chunk.last_key
    assert second.chunk.rows[0]["id"] > first.chunk.rows[-1]["id"]


def test_what_was_read_behind_a_chunk_that_is_read_again_is_not_looked_at():
    run = waiting_chunk(8)
    run.guest.saw_truncate(TABLE, 999)  # of which no chunk knows the keys
    run.reader.work()

    assert run.guest.ready(At(run.model.lsn)) is None
    run.now += 1.0
    run.guest.ask()

    assert [request.after for request in run.reader.requests] == [None]
    assert run.guest.ready(At(run.model.lsn)) is None


def test_a_limit_of_rows_a_second_reads_nothing_ahead():
    run = Run(9)
    run.model.commit()
    run.model.reveal()
    run.guest = Guest(run.reader, {TABLE: TableProgress()}, max_rows_per_second=100, clock=lambda: run.now)
    run.guest.ask()
    run.reader.work()
    assert run.guest.ready(At(0)) is None
    run.guest.ask()

    assert run.reader.requests == []


@pytest.mark.parametrize("visible", [True, False])
def test_the_keys_of_a_delivered_transaction_that_the_snapshot_does_not_see_are_dropped(visible):
    run = Run(2)
    run.model.commit()
    run.deliver()
    run.model.log[0].visible = visible
    run.guest.ask()
    run.reader.work()
    ready = run.guest.ready(At(run.model.lsn))
    keys = {record_key(key) for key in run.model.log[0].writes}
    assert ready.drop == ([] if visible else [keys])


def test_a_commit_that_is_always_invisible_does_not_hold_a_snapshot_up():
    run = Run(3)
    for _ in range(400):
        run.now += 0.1
        run.model.commit()
        run.deliver()
        for transaction in run.model.log[:-1]:
            transaction.visible = True
        run.reader.work()
        run.send()
    assert run.guest.complete


@pytest.mark.parametrize("unknown", ["an earlier process", "a truncate", "too many keys"])
def test_a_chunk_is_read_again_when_the_keys_of_what_it_does_not_see_are_unknown(unknown, monkeypatch):
    run = Run(4)
    if unknown == "an earlier process":
        run.guest.doubt([999])
    elif unknown == "a truncate":
        run.guest.saw_truncate(TABLE, 999)
    else:
        monkeypatch.setattr(guest, "_KEYS_REMEMBERED", 10)
        run.guest.saw(TABLE, 999, [record_key(key) for key in range(100, 120)], SCHEMA)
    run.guest.ask()
    run.reader.work()
    assert run.guest.ready(At(run.model.lsn)) is None
    assert run.guest.busy


def test_invariant_7_the_keys_remembered_are_bounded_and_the_database_is_asked_who_is_invisible(monkeypatch):
    monkeypatch.setattr(guest, "_KEYS_REMEMBERED", 100)
    monkeypatch.setattr(guest, "_KEYS_ENOUGH", 50)
    run = Run(5)
    for number in range(1000):
        run.guest.saw(TABLE, number, [record_key(number)], SCHEMA)
    known = [keys for tables in run.guest._delivered.values() for keys in tables.values() if keys is not None]
    assert sum(map(len, known)) <= 100

    run.guest.ask()
    assert run.reader.requests[-1].table is None
    run.reader.work()
    run.guest.ready(At(run.model.lsn))
    assert run.guest._delivered == {}


def test_invariant_7_keys_whose_rows_are_too_big_together_are_read_a_few_at_a_time():
    run = Run(6)
    run.guest = Guest(run.reader, {}, clock=lambda: run.now)
    for key in range(100):
        run.guest.lacks(TABLE, record_key(key), (str(key),))
    asked = []
    for _ in range(8):
        run.guest.ask()
        request = run.reader.requests.pop()
        asked.append(len(request.keys))
        too_big = Retriable("too big", code="query_budget")
        run.reader.replies.append(Answer(request, None, None, (), 0.0, too_big))
        if asked[-1] == 1:
            break
        assert run.guest.ready(At(0)) is None
    assert asked == [100, 25, 6, 1]
    with pytest.raises(Retriable):
        run.guest.ready(At(0))


def test_a_truncate_ends_the_wait_of_its_table_alone():
    run = Run(7)
    run.guest.lacks(TABLE, b"1", ("1",))
    run.guest.lacks(OTHER, b"2", ("2",))
    assert run.guest.saw_truncate(TABLE, 999) == [b"1"]
    assert run.guest.has_all(OTHER, b"2")
    assert not run.guest.has_all(TABLE, b"1")
