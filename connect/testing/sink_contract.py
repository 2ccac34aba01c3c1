"""The contract of a sink plugin as tests: inherit ``SinkContract``, give it a fixture ``driver``, run pytest.

Each test holds the plugin to a sentence of ``connect.api.sink``. Which of them apply is decided by the plugin's
capabilities. The driver is about 30 lines; those of this project's own sinks are in ``tests/contract``.
"""

# ruff: noqa: S101 - a suite of tests asserts

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest

from connect.api import SinkContext, TopicPartition, WritesAgain
from connect.errors import ConnectError, Failed, Fenced
from connect.record import UNAVAILABLE, Op, SinkRecord, plain_row
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connect.testing.plugin_contract import Driver, Held, PluginContract, check_findings, needs, patiently, problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connect.api import Sink, WriteResult
    from connect.schema.model import Field as Column

COLUMNS: Final = (
    Field("id", Type(Kind.INT64), optional=False),
    Field("name", Type(Kind.STRING)),
    Field("size", Type(Kind.INT64)),
)
ADDED: Final = Field("colour", Type(Kind.STRING))
UNWRITABLE: Final = 2**70  # no value of an INT64 column
_NOTHING: Final[frozenset[int]] = frozenset()


class SinkDriver(Driver, Protocol):
    """What the suite needs to know of a sink's target; a new one for each test, its target as empty as a new one."""

    def rows(self, table: TableId) -> Sequence[Mapping[str, Any]]:
        """What the target of that table's topic holds, read behind the sink's back; empty where there is none.

        By column name: ``id``, ``name``, ``size`` and, once it was added, ``colour``; more columns do no harm.
        """
        ...


class Feed:
    """The records of one topic, numbered as Kafka does; it also keeps the rows that a target should end with."""

    def __init__(self, columns: tuple[Column, ...] = COLUMNS) -> None:
        self.table = TableId("public", f"orders_{uuid.uuid4().hex[:10]}")
        self.topic = f"contract.{self.table}"
        self.columns = columns
        self.next: dict[int, int] = {}
        self.expected: dict[int, tuple[Any, ...]] = {}

    def partition(self, number: int = 0, topic_id: str = "topic-id-1") -> TopicPartition:
        """One of its partitions."""
        return TopicPartition(self.topic, topic_id, number)

    @property
    def next_offsets(self) -> dict[TopicPartition, int]:
        """Behind every record given so far."""
        return {self.partition(number): offset for number, offset in self.next.items()}

    def upsert(self, key: int, *values: Any, partition: int = 0) -> SinkRecord:
        """A row; values follow the columns behind ``id``, NULL where left out."""
        cells = [key, *values, *([None] * (len(self.columns) - 1 - len(values)))]
        if UNAVAILABLE not in cells:
            self.expected[key] = tuple(cells)
        return self._record(Op.UPDATE, key, cells, partition)

    def delete(self, key: int, *, tombstone: bool = False) -> SinkRecord:
        """A delete, or the tombstone that follows one."""
        self.expected.pop(key, None)
        record = self._record(Op.DELETE, key, None, 0)
        record.tombstone = tombstone
        return record

    def truncate(self) -> SinkRecord:
        """The table was emptied."""
        self.expected.clear()
        return self._record(Op.TRUNCATE, None, None, 0)

    def append(self, *values: Any) -> SinkRecord:
        """A record without a key; values follow the columns."""
        return self._record(Op.CREATE, None, values, 0)

    def _record(self, op: Op, key: int | None, cells: Sequence[Any] | None, partition: int) -> SinkRecord:
        offset = self.next.get(partition, 0)
        self.next[partition] = offset + 1
        schema = TableSchema(self.table, self.columns, () if key is None else ("id",))
        after = None if cells is None else plain_row(schema, cells)
        key_schema = TableSchema(self.table, self.columns[:1], ("id",))
        key_row = None if key is None else plain_row(key_schema, [key])
        return SinkRecord(self.topic, partition, offset, 0, op, key_row, None, after, self.table)


class Owner:
    """One connector of the worker group, its sinks, and a look at the target."""

    def __init__(self, driver: SinkDriver, group: str, connector: str) -> None:
        self.driver = driver
        target = driver.plugin.target
        self.context = SinkContext(connector, group, lambda _: target() if target else None)
        self._sinks: list[Sink] = []

    def build(self) -> Sink:
        """A sink that is not open yet."""
        sink: Sink = self.driver.plugin.build(self.driver.plugin.config(**self.driver.options), self.context)
        self._sinks.append(sink)
        return sink

    def open(self, *partitions: TopicPartition) -> Sink:
        """A sink that owns the target."""
        sink = self.build()
        sink.open(partitions)
        return sink

    def position(self, *partitions: TopicPartition) -> list[int]:
        """The next offsets that a new owner finds; whoever owned the target before is fenced."""
        sink = self.build()
        try:
            found = sink.open(partitions)
            assert set(found) >= set(partitions)
            return [found[partition] for partition in partitions]
        finally:
            sink.close()

    def state(self, feed: Feed) -> dict[int, tuple[Any, ...]]:
        """The target's rows by key, each as a tuple of the feed's columns; a key that is there twice is an error."""
        rows = [tuple(row[column.name] for column in feed.columns) for row in self.driver.rows(feed.table)]
        found = {row[0]: row for row in rows}
        assert len(found) == len(rows), f"keys are there twice: {rows}"
        return found

    def rebuild(self) -> list[str]:
        """What ``connect rebuild`` does."""
        return list(self.driver.plugin.rebuild(self.driver.plugin.config(**self.driver.options), self.context))

    def close(self) -> None:
        """Close the sinks and drop what they made."""
        for sink in self._sinks:
            sink.close()
        patiently(self.rebuild)


def write(
    sink: Sink, feed: Feed, *records: SinkRecord, skip: frozenset[int] = _NOTHING, store: bool = True
) -> WriteResult:
    """Write records and, unless ``store`` is False, the offsets after them, as the runtime does."""
    nexts = {feed.partition(record.partition): record.offset + 1 for record in records}
    return sink.write(records, nexts if store else {}, skip)


class SinkContract(PluginContract):
    """Tests of ``connect.api.Sink``; ``driver`` is a ``SinkDriver``."""

    @pytest.fixture
    def group(self) -> str:
        """A worker group of this test's own."""
        return f"contract-{uuid.uuid4().hex[:8]}"

    @pytest.fixture
    def owner(self, driver: SinkDriver, group: str) -> Iterator[Owner]:
        """The connector that most tests write with."""
        owner = Owner(driver, group, "first")
        yield owner
        owner.close()

    @pytest.fixture
    def feed(self) -> Feed:
        """A topic."""
        return Feed()

    # Positions (invariant 4, rules K1, K2, E5).

    def test_a_partition_that_was_never_seen_is_at_0(self, owner: Owner, feed: Feed) -> None:
        """``Sink.open``."""
        assert owner.position(feed.partition(0), feed.partition(1)) == [0, 0]

    def test_open_gives_the_offsets_after_what_was_written(self, owner: Owner, feed: Feed) -> None:
        """The position is with the data, by partition."""
        sink = owner.open(feed.partition(0), feed.partition(1))
        write(sink, feed, feed.upsert(1, "a"), feed.upsert(2, "b"), feed.upsert(3, "c", partition=1))

        assert owner.position(feed.partition(0), feed.partition(1)) == [2, 1]

    def test_open_gives_what_it_holds_of_topics_that_it_is_not_asked_for(self, owner: Owner, feed: Feed) -> None:
        """So a topic that was deleted is missed; one of which nothing was read is not."""
        write(owner.open(feed.partition(0), feed.partition(1), Feed().partition()), feed, feed.upsert(1, "a"))
        other = Feed().partition()

        assert owner.build().open([other]) == {feed.partition(0): 1, other: 0}
        assert owner.build().open([]) == {feed.partition(0): 1}

    def test_open_may_follow_close_with_another_set(self, owner: Owner, feed: Feed) -> None:
        """What a sink read of other partitions is still there when they come back."""
        sink = owner.open(feed.partition(0))
        write(sink, feed, feed.upsert(1, "a"))
        sink.close()

        assert sink.open([feed.partition(1)])[feed.partition(1)] == 0
        write(sink, feed, feed.upsert(2, "b", partition=1))
        sink.close()

        assert owner.position(feed.partition(0), feed.partition(1)) == [1, 1]
        assert owner.state(feed) == feed.expected

    def test_an_empty_batch_is_progress(self, owner: Owner, feed: Feed) -> None:
        """Offsets of records that are no rows, such as markers of transactions, are passed too."""
        sink = owner.open(feed.partition())
        sink.write([], {feed.partition(): 5}, _NOTHING)

        assert owner.position(feed.partition()) == [5]

    def test_an_empty_batch_without_offsets_changes_nothing(self, owner: Owner, feed: Feed) -> None:
        """Nothing is what it means."""
        sink = owner.open(feed.partition())
        sink.write([], {}, _NOTHING)

        assert owner.position(feed.partition()) == [0]

    def test_a_position_never_goes_back(self, owner: Owner, feed: Feed) -> None:
        """Invariant 3: records below the position are refused, or seen to be there already."""
        old = feed.upsert(1, "old")
        write(owner.open(feed.partition()), feed, old, feed.upsert(1, "new"), feed.upsert(2, "b"))
        sink = owner.open(feed.partition())
        try:
            write(sink, feed, old)
        except Failed as refused:
            assert refused.hint  # noqa: PT017 - to refuse is one of two right answers

        assert owner.position(feed.partition()) == [3]
        assert owner.state(feed) == feed.expected

    def test_a_topic_that_was_made_again_is_another_topic(self, owner: Owner, feed: Feed) -> None:
        """F98: its rows are not laid over those of the old one."""
        write(owner.open(feed.partition()), feed, feed.upsert(1, "a"))

        with pytest.raises(Failed):
            owner.open(feed.partition(topic_id="topic-id-2"))

    # Rows.

    def test_rows_are_kept_by_key(self, owner: Owner, feed: Feed) -> None:
        """An upsert inserts, the next one of its key updates; ``applied`` counts."""
        sink = owner.open(feed.partition())
        result = write(sink, feed, feed.upsert(1, "a", 10), feed.upsert(2, None, -1))
        write(sink, feed, feed.upsert(1, "ä'\"\\", None))

        assert not result.failures
        assert result.applied == 2
        assert owner.state(feed) == feed.expected

    def test_the_last_write_of_a_key_in_a_batch_wins(self, owner: Owner, feed: Feed) -> None:
        """Rule K3."""
        sink = owner.open(feed.partition())
        write(sink, feed, feed.upsert(1, "a"), feed.upsert(2, "b"), feed.upsert(1, "c"), feed.upsert(1, "d"))

        assert owner.state(feed) == feed.expected

    @needs("deletes")
    def test_a_delete_removes_its_row(self, owner: Owner, feed: Feed) -> None:
        """With its tombstone behind it, which is no second delete."""
        sink = owner.open(feed.partition())
        write(sink, feed, feed.upsert(1, "a"), feed.upsert(2, "b"))
        write(sink, feed, feed.delete(1), feed.delete(1, tombstone=True))

        assert owner.state(feed) == feed.expected

    @needs("deletes")
    def test_a_tombstone_of_an_absent_key_changes_nothing(self, owner: Owner, feed: Feed) -> None:
        """F133: neither before the first row of a topic nor after it."""
        sink = owner.open(feed.partition())
        assert not write(sink, feed, feed.delete(7, tombstone=True)).failures
        assert not write(sink, feed, feed.upsert(1, "a"), feed.delete(8, tombstone=True)).failures

        assert owner.state(feed) == feed.expected
        assert owner.position(feed.partition()) == [3]

    @needs("deletes")
    @pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
    def test_the_order_of_a_key_holds_wherever_batches_are_cut(self, owner: Owner, feed: Feed, size: int) -> None:
        """A batch is equal to its records one by one."""
        records = [
            *(feed.upsert(1, "a"), feed.upsert(2, "b", 1), feed.delete(1), feed.delete(1, tombstone=True)),
            *(feed.upsert(2, "c", 2), feed.upsert(1, "again"), feed.upsert(3, "x"), feed.delete(3)),
            *(feed.delete(3, tombstone=True), feed.upsert(2, None, 3), feed.upsert(1, "last", 4), feed.delete(2)),
        ]
        sink = owner.open(feed.partition())
        for start in range(0, len(records), size):
            write(sink, feed, *records[start : start + size])

        assert owner.state(feed) == feed.expected

    @needs("truncate")
    def test_a_truncate_empties_the_target_and_what_follows_stays(self, owner: Owner, feed: Feed) -> None:
        """Also what stands before it in the same batch."""
        sink = owner.open(feed.partition())
        write(sink, feed, feed.upsert(1, "a"), feed.upsert(2, "b"))
        write(sink, feed, feed.upsert(3, "c"), feed.truncate(), feed.upsert(2, "d"))

        assert owner.state(feed) == feed.expected
        assert owner.position(feed.partition()) == [5]

    @needs("truncate")
    def test_a_truncate_before_any_row_changes_nothing(self, owner: Owner, feed: Feed) -> None:
        """There is no target yet."""
        sink = owner.open(feed.partition())
        assert not write(sink, feed, feed.truncate()).failures

        assert owner.position(feed.partition()) == [1]

    @needs("appends")
    def test_records_without_a_key_are_appended_once_each(self, owner: Owner, feed: Feed) -> None:
        """Equal rows too, and also when the batch comes again because its offsets were not stored."""
        records = [feed.append(1, "a", 1), feed.append(1, "a", 1), feed.append(2, "b", None)]
        write(owner.open(feed.partition()), feed, *records, store=False)
        write(owner.open(feed.partition()), feed, *records)

        found = sorted((row["id"], row["name"]) for row in owner.driver.rows(feed.table))
        assert found == [(1, "a"), (1, "a"), (2, "b")]

    def test_topics_do_not_mix(self, owner: Owner, feed: Feed) -> None:
        """One batch holds records of many topics."""
        other = Feed()
        sink = owner.open(feed.partition(), other.partition())
        batch = [feed.upsert(1, "a"), other.upsert(1, "b"), feed.upsert(2, "c")]
        sink.write(batch, feed.next_offsets | other.next_offsets, _NOTHING)

        assert owner.state(feed) == feed.expected
        assert owner.state(other) == other.expected

    # Values that the log did not carry (invariant 5, rule K4).

    def test_an_unavailable_value_is_not_null(self, owner: Owner, feed: Feed) -> None:
        """The target keeps what it has, in a later batch and in the same one."""
        sink = owner.open(feed.partition())
        write(sink, feed, feed.upsert(1, "kept", 1), feed.upsert(2, "kept", 1), feed.upsert(2, UNAVAILABLE, 2))
        result = write(sink, feed, feed.upsert(1, UNAVAILABLE, 2))

        assert result.incomplete == 0
        assert owner.state(feed) == {1: (1, "kept", 2), 2: (2, "kept", 2)}

    def test_a_row_that_lacks_values_is_counted_until_it_is_whole(self, owner: Owner, feed: Feed) -> None:
        """DESIGN §6: a target with such a row does not say that it is complete, not after a restart either."""
        first = owner.open(feed.partition())
        assert write(first, feed, feed.upsert(1, UNAVAILABLE, 2)).incomplete == 1
        second = owner.open(feed.partition())
        assert write(second, feed, feed.upsert(2, "b", 2)).incomplete == 1

        assert write(second, feed, feed.upsert(1, "a", 3)).incomplete == 0
        assert owner.state(feed) == feed.expected

    # Records that cannot be written (rule K5).

    def test_no_position_at_or_past_a_failure_is_stored(self, owner: Owner, feed: Feed) -> None:
        """The failed records are named by their index, all of them, and their values by nobody."""
        good, bad = feed.upsert(1, "a"), feed.upsert(2, "b", UNWRITABLE)
        result = write(owner.open(feed.partition()), feed, good, bad, feed.upsert(3, "c"))

        assert [failure.index for failure in result.failures] == [1]
        assert str(UNWRITABLE) not in result.failures[0].error
        assert owner.position(feed.partition())[0] <= bad.offset

    def test_with_the_failures_skipped_the_rest_is_written(self, owner: Owner, feed: Feed) -> None:
        """The runtime has made dead letters of them and calls again."""
        batch = [feed.upsert(1, "a"), feed.upsert(2, "b", UNWRITABLE), feed.upsert(3, "c")]
        sink = owner.open(feed.partition())
        write(sink, feed, *batch)
        result = write(sink, feed, *batch, skip=frozenset({1}))

        assert not result.failures
        assert owner.state(feed) == {1: (1, "a", None), 3: (3, "c", None)}
        assert owner.position(feed.partition()) == [3]

    def test_a_skipped_record_uncovers_the_older_one_of_its_key(self, owner: Owner, feed: Feed) -> None:
        """Last write wins among those that are written."""
        batch = [feed.upsert(1, "a", 1), feed.upsert(1, "b", UNWRITABLE)]
        write(owner.open(feed.partition()), feed, *batch, skip=frozenset({1}))

        assert owner.state(feed) == {1: (1, "a", 1)}

    # Restarts and owners (rules K2, F-1).

    @needs("rewrites")
    def test_records_below_the_position_are_written_again(self, owner: Owner, feed: Feed) -> None:
        """In the order of each key, and as often as they are sent."""
        batch = [feed.upsert(1, "failed"), feed.upsert(2, "failed"), feed.upsert(1, "b"), feed.upsert(3, "c")]
        batch += [feed.upsert(4, "failed"), feed.delete(4)]
        sink = owner.open(feed.partition())
        write(sink, feed, *batch, skip=frozenset({0, 1, 4}))

        assert isinstance(sink, WritesAgain)
        for _ in range(2):  # a kill may have it sent twice
            again = sink.write_again([batch[0], batch[2], batch[1], batch[4], batch[5]], _NOTHING)
            assert not again.failures

        assert owner.state(feed) == {1: (1, "b", None), 2: (2, "failed", None), 3: (3, "c", None)}
        assert owner.position(feed.partition()) == [6]

    @needs("rewrites")
    def test_what_is_written_again_may_fail_again(self, owner: Owner, feed: Feed) -> None:
        """Named by its index, and left out on demand."""
        batch = [feed.upsert(1, "a", 1), feed.upsert(1, "b", UNWRITABLE), feed.upsert(2, "c")]
        sink = owner.open(feed.partition())
        write(sink, feed, *batch, skip=frozenset({0, 1, 2}))

        assert isinstance(sink, WritesAgain)
        assert [failure.index for failure in sink.write_again(batch, _NOTHING).failures] == [1]
        assert not sink.write_again(batch, frozenset({1})).failures
        assert owner.state(feed) == {1: (1, "a", 1), 2: (2, "c", None)}

    def test_a_batch_whose_offsets_were_not_stored_may_come_again(self, owner: Owner, feed: Feed) -> None:
        """What a killed worker leaves where rows and offsets are not one transaction; harmless where they are."""
        batch = [feed.upsert(1, "a"), feed.upsert(2, "b"), feed.upsert(1, "c")]
        write(owner.open(feed.partition()), feed, *batch, store=False)
        assert owner.position(feed.partition()) == [0]

        assert not write(owner.open(feed.partition()), feed, *batch).failures
        assert owner.state(feed) == feed.expected
        assert owner.position(feed.partition()) == [3]

    def test_an_older_owner_is_fenced(self, owner: Owner, feed: Feed) -> None:
        """Whoever opened last owns the target; the older one moves no position, and what it wrote does no harm."""
        older = owner.open(feed.partition())
        write(older, feed, feed.upsert(1, "a"))
        newer = owner.open(feed.partition())

        late = feed.upsert(2, "b")
        with pytest.raises(Fenced):
            write(older, feed, late)
        write(newer, feed, late, feed.upsert(2, "c"))
        assert owner.state(feed) == feed.expected
        assert owner.position(feed.partition()) == [3]

    def test_an_owner_opens_again_with_a_topic_that_appeared(self, owner: Owner, feed: Feed) -> None:
        """``open`` follows ``close`` with another set of partitions; it is the same owner's."""
        later = Feed()
        sink = owner.open(feed.partition())
        write(sink, feed, feed.upsert(1, "a"))
        sink.close()

        assert sink.open([feed.partition(), later.partition()]) == {feed.partition(): 1, later.partition(): 0}
        write(sink, later, later.upsert(1, "b"))
        assert owner.state(later) == later.expected

    def test_an_older_owner_stays_fenced_when_it_opens_again(self, owner: Owner, feed: Feed) -> None:
        """F-3: a topic that appears makes the runtime open its sink again, and that takes nothing back."""
        older, newer = owner.open(feed.partition()), owner.open(feed.partition())
        older.close()
        for _ in range(2):
            with pytest.raises(Fenced):
                older.open([feed.partition(), Feed().partition()])

        write(newer, feed, feed.upsert(1, "a"))
        assert owner.state(feed) == feed.expected
        assert owner.position(feed.partition()) == [1]

    @needs("transactional")
    def test_an_older_owner_leaves_no_row(self, owner: Owner, feed: Feed) -> None:
        """K1: rows are in the transaction that is refused."""
        older = owner.open(feed.partition())
        write(older, feed, feed.upsert(1, "a"))
        owner.open(feed.partition())
        rows = owner.state(feed)

        with pytest.raises(Fenced):
            write(older, feed, feed.upsert(2, "b"))
        assert owner.state(feed) == rows

    @needs("transactional")
    def test_a_failure_leaves_no_row_of_its_batch(self, owner: Owner, feed: Feed) -> None:
        """All in one transaction, or nothing."""
        sink = owner.open(feed.partition())
        write(sink, feed, feed.upsert(1, "a"))
        rows = owner.state(feed)
        write(sink, feed, feed.upsert(1, "b"), feed.upsert(2, "c", UNWRITABLE))

        assert owner.state(feed) == rows

    def test_connectors_do_not_fence_each_other(self, driver: SinkDriver, owner: Owner, group: str) -> None:
        """Fencing is by group and connector."""
        other = Owner(driver, group, "second")
        try:
            feeds = Feed(), Feed()
            sinks = owner.open(feeds[0].partition()), other.open(feeds[1].partition())
            for sink, feed in zip(sinks, feeds, strict=True):
                write(sink, feed, feed.upsert(1, "a"))
            assert owner.state(feeds[0]) == feeds[0].expected
            assert other.state(feeds[1]) == feeds[1].expected
        finally:
            other.close()

    # Schemas.

    def test_an_added_column_is_there_from_its_first_row(self, owner: Owner, feed: Feed) -> None:
        """Older rows have NULL or nothing in it; rows of the old shape may still follow."""
        sink = owner.open(feed.partition())
        write(sink, feed, feed.upsert(1, "a", 1))
        wider = (*COLUMNS, ADDED)
        feed.columns = wider
        write(sink, feed, feed.upsert(2, "b", 2, "red"))
        feed.columns = COLUMNS
        write(sink, feed, feed.upsert(3, "c", 3))

        rows = {row["id"]: row.get("colour") for row in owner.driver.rows(feed.table)}
        assert rows == {1: None, 2: "red", 3: None}

    def test_both_shapes_of_a_column_change_may_be_in_one_batch(self, owner: Owner, feed: Feed) -> None:
        """The log does not wait for a batch to end."""
        sink = owner.open(feed.partition())
        old = feed.upsert(1, "a", 1)
        feed.columns = (*COLUMNS, ADDED)
        write(sink, feed, old, feed.upsert(2, "b", 2, "red"))

        rows = {row["id"]: (row["name"], row.get("colour")) for row in owner.driver.rows(feed.table)}
        assert rows == {1: ("a", None), 2: ("b", "red")}

    # Closing.

    def test_close_lets_go_of_everything_and_may_be_called_again(self, owner: Owner, feed: Feed) -> None:
        """No thread and no connection stays."""
        held = Held()
        sink = owner.open(feed.partition())
        write(sink, feed, feed.upsert(1, "a"))
        sink.close()
        sink.close()

        held.assert_released()

    def test_close_before_open_does_nothing(self, owner: Owner) -> None:
        """It is called from ``finally``."""
        owner.build().close()

    def test_open_lets_go_of_everything_when_it_fails(self, driver: SinkDriver, owner: Owner, feed: Feed) -> None:
        """With an error of ours: a server that is not there is not a stack trace."""
        held = Held()
        sink: Sink = driver.plugin.build(driver.plugin.config(**driver.unreachable), owner.context)
        with pytest.raises(ConnectError):
            sink.open([feed.partition()])
        sink.close()

        held.assert_released()

    # Around the sink.

    def test_preflight_finds_no_problem_before_and_after_the_first_rows(self, owner: Owner, feed: Feed) -> None:
        """The control of the next test; nothing is changed by looking."""
        config = owner.driver.plugin.config(**owner.driver.options)
        assert not problems(owner.driver.plugin.preflight(config, owner.context))
        sink = owner.open(feed.partition())
        write(sink, feed, feed.upsert(1, "a"))
        check_findings(owner.driver.plugin.preflight(config, owner.context))

        write(sink, feed, feed.upsert(2, "b"))
        assert owner.state(feed) == feed.expected

    def test_preflight_says_that_the_server_is_not_there(self, driver: SinkDriver, owner: Owner) -> None:
        """As a finding with a remedy, not as an error."""
        config = driver.plugin.config(**driver.unreachable)
        assert problems(driver.plugin.preflight(config, owner.context))

    def test_rebuild_drops_what_the_sink_made_and_nothing_else(
        self, driver: SinkDriver, owner: Owner, group: str, feed: Feed
    ) -> None:
        """It starts again from offset 0; the rows of another sink stay."""
        other, others = Owner(driver, group, "second"), Feed()
        try:
            for who, what in ((owner, feed), (other, others)):
                write(who.open(what.partition()), what, what.upsert(1, "a"))
            assert owner.rebuild()

            assert owner.state(feed) == {}
            assert owner.position(feed.partition()) == [0]
            assert other.state(others) == others.expected
            assert other.position(others.partition()) == [1]
        finally:
            other.close()

    def test_after_a_rebuild_the_topic_is_read_again_from_its_beginning(self, owner: Owner, feed: Feed) -> None:
        """Nothing of the time before stands in the way, neither a version nor a delete."""
        batch = [feed.upsert(1, "a"), feed.upsert(2, "b"), feed.delete(2)]
        write(owner.open(feed.partition()), feed, *batch)
        owner.rebuild()
        owner.rebuild()

        assert not write(owner.open(feed.partition()), feed, *batch[:2]).failures
        assert set(owner.state(feed)) == {1, 2}

    def test_rebuild_fences_a_sink_that_still_runs(self, owner: Owner, feed: Feed) -> None:
        """Or else it would write on into what was dropped."""
        running = owner.open(feed.partition())
        write(running, feed, feed.upsert(1, "a"))
        owner.rebuild()

        with pytest.raises(Fenced):
            write(running, feed, feed.upsert(2, "b"))
