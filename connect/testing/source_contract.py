"""The contract of a source plugin as tests: inherit ``SourceContract``, give it a fixture ``driver``, run pytest.

Each test holds the plugin to a sentence of ``connect.api.source``, ``snapshots`` or ``position``. Which of them apply
is decided by the plugin's capabilities. ``SourceDriver`` says what a driver is; that of this project's own source is in
``tests/contract``.
"""

# ruff: noqa: S101 - a suite of tests asserts

from __future__ import annotations

import contextlib
import itertools
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from connect.api import Lag
from connect.errors import Failed, Retriable
from connect.record import UNAVAILABLE, Op, Row
from connect.schema.model import TableId
from connect.testing.plugin_contract import PATIENCE, Held, PluginContract, needs, problems
from connect.testing.source_tail import TIMEOUT, Connector, SourceDriver, Tail, rows_of, seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from connect.api import Chunk, Key, Position, Snapshots
    from connect.record import ChangeEvent

_IDS: Final = (11, 2, 100, 1, 20, 3, 10)  # in no order, and in another one as texts


History = tuple[Tail, "list[Position]", "list[ChangeEvent]"]


def five_transactions(driver: SourceDriver, connector: Connector) -> History:
    """Written and read one at a time: the tail, the positions around them, their 3 + 4 + 4 + 4 + 4 events."""
    tail = connector.tail()
    positions = [tail.start]
    for number in range(1, 6):
        with driver.transaction() as writer:
            writer.insert((number, "a"), (number + 10, None))
            writer.update(number, "b")
            if number > 1:
                writer.delete(number + 9)
        tail.take(3 + (number > 1))
        positions.append(tail.position)
    return tail, positions, tail.events


def seven_rows(driver: SourceDriver, connector: Connector) -> tuple[Tail, Snapshots]:
    """A stream with seven rows before it, and a reader of the table beside it."""
    with driver.transaction() as writer:
        writer.insert(*((key, f"row {key}") for key in _IDS))
    tail = connector.tail()
    return tail, tail.source.snapshots()


class SourceContract(PluginContract):
    """Tests of ``connect.api.Source``, ``Position`` and ``Snapshots``; ``driver`` is a ``SourceDriver``."""

    @pytest.fixture
    def connector(self, driver: SourceDriver, tmp_path: Path) -> Iterator[Connector]:
        """A connector on the driver's table."""
        connector = Connector(driver, tmp_path)
        yield connector
        connector.close()

    @pytest.fixture
    def history(self, driver: SourceDriver, connector: Connector) -> History:
        """See ``five_transactions``."""
        return five_transactions(driver, connector)

    # Positions (invariant 3).

    def test_positions_are_in_the_order_of_the_log(self, history: History) -> None:
        """A total order: each lies after all that came before it, and not after itself."""
        _, positions, _ = history

        for (i, one), (j, other) in itertools.product(enumerate(positions), repeat=2):
            assert one.is_after(other) == (i > j)

    def test_positions_survive_json(self, history: History) -> None:
        """Equal, in the same order, and with their version."""
        tail, positions, _ = history

        for position in positions:
            data = json.loads(json.dumps(position.to_json()))
            assert data["version"] == tail.source.position.version
            assert tail.source.position.from_json(data) == position

    def test_a_position_that_is_not_understood_is_refused(self, connector: Connector) -> None:
        """F124: an empty one, one of wrong types. Guessing would lose or repeat rows."""
        tail = connector.tail()
        good = tail.start.to_json()
        bad = [
            {},
            {key: value for key, value in good.items() if key != "version"},
            dict.fromkeys(good),
            {key: [] if key != "version" else value for key, value in good.items()},
            {"version": good["version"], "no_such_key": 1},
        ]

        for data in bad:
            with pytest.raises(Failed) as refused:
                tail.source.position.from_json(data)
            assert refused.value.code == "offset_format"

    def test_a_position_of_a_newer_version_is_refused_by_name(self, connector: Connector) -> None:
        """Whoever went back to an older version is told which one to run."""
        tail = connector.tail()
        good = tail.start.to_json()

        with pytest.raises(Failed) as refused:
            tail.source.position.from_json({**good, "version": good["version"] + 1})
        assert refused.value.code == "state_is_newer"

    # Events.

    def test_an_insert_has_the_new_row(self, driver: SourceDriver, connector: Connector) -> None:
        """NULL is None, and a text is as it was written."""
        tail = connector.tail()
        with driver.transaction() as writer:
            writer.insert((1, "ä'\"\\\n"), (2, None))

        one, two = tail.take(2)
        assert (one.op, one.before) == (two.op, two.before) == (Op.CREATE, None)
        assert [event.after and event.after.to_dict() for event in (one, two)] == [
            {"id": 1, "name": "ä'\"\\\n"},
            {"id": 2, "name": None},
        ]

    def test_an_update_has_the_new_row_and_what_the_log_carries_of_the_old(
        self, driver: SourceDriver, connector: Connector
    ) -> None:
        """An old row is whole, or only its key and the rest UNAVAILABLE, or not there."""
        with driver.transaction() as writer:
            writer.insert((1, "a"))
        tail = connector.tail()
        with driver.transaction() as writer:
            writer.update(1, "b")

        [event] = tail.take(1)
        assert event.op is Op.UPDATE
        assert event.after is not None
        assert event.after.to_dict() == {"id": 1, "name": "b"}
        assert event.before is None or (event.before["id"], event.before["name"]) in {(1, "a"), (1, UNAVAILABLE)}

    def test_a_delete_has_the_old_key(self, driver: SourceDriver, connector: Connector) -> None:
        """And no new row."""
        with driver.transaction() as writer:
            writer.insert((1, "a"))
        tail = connector.tail()
        with driver.transaction() as writer:
            writer.delete(1)

        [event] = tail.take(1)
        assert (event.op, event.after) == (Op.DELETE, None)
        assert event.before is not None
        assert event.before.key == (1,)

    @needs("truncate")
    def test_a_truncate_has_no_row(self, driver: SourceDriver, connector: Connector) -> None:
        """It is one event, whatever the table held; where it commits by itself, a transaction of its own."""
        with driver.transaction() as writer:
            writer.insert((1, "a"), (2, "b"))
        tail = connector.tail()
        with driver.transaction() as writer:
            writer.truncate()
            writer.insert((3, "c"))

        emptied, inserted = tail.take(2)
        assert (emptied.op, emptied.before, emptied.after) == (Op.TRUNCATE, None, None)
        assert (emptied.table, emptied.ordinal) == (driver.table, 0)
        assert emptied.transaction == inserted.transaction or inserted.ordinal == 0

    def test_events_name_their_table_and_place(self, driver: SourceDriver, connector: Connector) -> None:
        """What the envelope is made of: the key, the plugin's own values, the time of the commit."""
        tail = connector.tail()
        before_us = (time.time_ns() // 1000) - int(PATIENCE * 1e6)
        with driver.transaction() as writer:
            writer.insert((1, "a"))

        [event] = tail.take(1)
        assert event.table == driver.table
        assert event.shape.schema.key == ("id",)
        assert [column.name for column in event.shape.schema.columns] == ["id", "name"]
        assert len(event.source) == len(tail.source.source_fields)
        assert before_us < event.ts_us < before_us + 2 * int(PATIENCE * 1e6)
        assert tail.source.database or event.table.schema

    def test_ordinals_count_the_rows_of_a_transaction(self, history: History) -> None:
        """Rule S1: 0 to n-1 within each; the events of one transaction stand together and have one id."""
        _, _, events = history

        groups = [(name, list(group)) for name, group in itertools.groupby(events, lambda e: e.transaction)]
        assert len({name for name, _ in groups}) == len(groups) == 5
        for name, group in groups:
            assert name is not None
            assert [event.ordinal for event in group] == list(range(len(group)))

    def test_a_transaction_that_was_rolled_back_leaves_nothing(
        self, driver: SourceDriver, connector: Connector
    ) -> None:
        """Nor does it take an ordinal."""
        tail = connector.tail()
        with contextlib.suppress(ZeroDivisionError), driver.transaction() as writer:
            writer.insert((1, "a"))
            raise ZeroDivisionError
        with driver.transaction() as writer:
            writer.insert((2, "b"))

        assert rows_of(tail.take(1)) == [("c", 2)]

    def test_transactions_come_in_the_order_of_their_commits(self, driver: SourceDriver, connector: Connector) -> None:
        """Each whole, however their statements were interleaved."""
        tail = connector.tail()
        with driver.transaction() as slow:
            slow.insert((1, "a"))
            with driver.transaction() as fast:
                fast.insert((2, "b"))
                slow.insert((3, "c"))
                fast.insert((4, "d"))
            slow.insert((5, "e"))

        assert rows_of(tail.take(5)) == [("c", 2), ("c", 4), ("c", 1), ("c", 3), ("c", 5)]

    def test_rows_are_decoded_when_asked_for(self, driver: SourceDriver, connector: Connector) -> None:
        """``RowShape``: a row is the log's bytes; they are split at most once, and again they give the same."""
        tail = connector.tail()
        with driver.transaction() as writer:
            writer.insert((1, "a"))
        [event] = tail.take(1)
        assert event.after is not None
        splits: list[Any] = []
        shape = event.after.shape

        def split(data: Any) -> Sequence[Any]:
            splits.append(data)
            return shape.split(data)

        row = Row(replace(shape, split=split), event.after.data)
        assert not splits
        assert (row["name"], row["id"], row["name"], row.values()) == ("a", 1, "a", [1, "a"])
        assert len(splits) == 1
        assert event.after == row

    # Reading and resuming.

    def test_read_gives_none_when_nothing_comes(self, connector: Connector) -> None:
        """``None`` within its time; progress without rows may come before."""
        tail = connector.tail()
        tail.until(lambda: tail.source.read(0.05) is None)

        assert not tail.events

    def test_batches_end_at_boundaries_and_positions_only_rise(self, history: History) -> None:
        """A small transaction is never split; progress without rows does not go back either."""
        tail, _, _ = history

        assert all(batch.boundary for batch in tail.batches)
        for one, other in itertools.pairwise([tail.start, *(batch.resume_after for batch in tail.batches)]):
            assert not one.is_after(other)

    def test_a_restart_at_any_boundary_repeats_and_loses_nothing(self, connector: Connector, history: History) -> None:
        """From the first position to the last, and each event is as it was."""
        tail, positions, events = history
        ends = [0, 3, 7, 11, 15, 19]

        for position, end in zip(positions, ends, strict=True):
            tail = connector.again(tail, position)
            assert not tail.start.is_after(positions[-1])
            assert seen(tail.take(len(events) - end)) == seen(events[end:])
        tail.quiet()

    def test_what_was_written_while_nobody_read_comes_at_the_next_start(
        self, driver: SourceDriver, connector: Connector
    ) -> None:
        """Also when the first source ended before it read anything."""
        tail = connector.tail()
        tail.source.close()
        with driver.transaction() as writer:
            writer.insert((1, "a"))

        assert rows_of(connector.again(tail).take(1)) == [("c", 1)]

    def test_what_was_acknowledged_is_not_needed_again_and_the_rest_is_there(
        self, connector: Connector, history: History
    ) -> None:
        """Invariant 1: upstream may forget what is before the acknowledged position, and nothing behind it."""
        tail, positions, events = history
        for position in positions[:4]:
            tail.source.acknowledge(position)

        tail = connector.again(tail, positions[3])
        assert seen(tail.take(len(events) - 11)) == seen(events[11:])

    @needs("resumes_inside_transactions")
    def test_a_restart_inside_a_transaction_repeats_and_loses_nothing(
        self, driver: SourceDriver, connector: Connector
    ) -> None:
        """Rule S4: a transaction bigger than a batch comes in parts, and each part's end is a position."""
        tail = connector.tail()
        count = driver.rows_to_split
        with driver.transaction() as writer:
            writer.insert(*((number, "a") for number in range(count)))
        with driver.transaction() as writer:
            writer.insert((count, "b"))
        tail.take(count + 1)
        parts = list(tail.batches)
        assert not all(part.boundary for part in parts)

        end = 0
        for part in parts:
            end += len(part.events)
            tail = connector.again(tail, part.resume_after)
            assert seen(tail.take(count + 1 - end)) == seen([e for p in parts for e in p.events][end:])

    @needs("resumes_inside_transactions")
    def test_a_part_of_a_transaction_may_be_acknowledged(self, driver: SourceDriver, connector: Connector) -> None:
        """F2: upstream keeps the whole of it."""
        tail = connector.tail()
        with driver.transaction() as writer:
            writer.insert(*((number, "a") for number in range(driver.rows_to_split)))
        tail.until(lambda: bool(tail.events))
        tail.source.acknowledge(tail.position)
        read = len(tail.events)

        tail = connector.again(tail)
        assert tail.take(driver.rows_to_split - read)[0].ordinal == read

    # Ending and failing.

    def test_close_lets_go_of_everything_and_may_be_called_again(
        self, driver: SourceDriver, connector: Connector
    ) -> None:
        """No thread and no connection stays, not in the midst of a stream."""
        held = Held()
        tail = connector.tail()
        with driver.transaction() as writer:
            writer.insert((1, "a"), (2, "b"))
        tail.until(lambda: bool(tail.events))
        tail.source.lag()
        tail.source.close()
        tail.source.close()

        held.assert_released()

    def test_close_before_open_does_nothing(self, connector: Connector) -> None:
        """It is called from ``finally``."""
        connector.build().close()

    def test_a_source_that_was_closed_is_not_read(self, connector: Connector) -> None:
        """An error of ours at once, instead of waiting for what cannot come."""
        tail = connector.tail()
        tail.source.close()

        with pytest.raises(Retriable):
            tail.source.read(TIMEOUT)

    def test_a_server_that_is_not_there_is_retriable(self, driver: SourceDriver, connector: Connector) -> None:
        """And nothing stays of the attempt."""
        held = Held()
        source = connector.build(config=driver.plugin.config(**driver.unreachable))
        with pytest.raises(Retriable):
            source.open(None)
        source.close()

        held.assert_released()

    def test_a_table_that_does_not_exist_fails(self, driver: SourceDriver, connector: Connector) -> None:
        """With a name and a remedy, before anything is made on the server."""
        absent = driver.table._replace(name="no_such_table")
        with pytest.raises(Failed, match="no_such_table") as failed:
            connector.build(absent).open(None)

        assert failed.value.hint
        assert not driver.left_on_server()

    def test_lag_is_known_without_asking(self, connector: Connector) -> None:
        """Figures that are not negative, or None."""
        tail = connector.tail()
        tail.step()
        lag = tail.source.lag()

        assert isinstance(lag, Lag)
        assert all(figure is None or figure >= 0 for figure in (lag.bytes, lag.seconds, lag.retained_bytes))

    # Around the source.

    def test_discover_finds_the_table(self, driver: SourceDriver, connector: Connector) -> None:
        """With its columns and its key."""
        found = {info.table: info for info in driver.plugin.discover(connector.config)}

        info = found[driver.table]
        assert [column.name for column in info.schema.columns] == ["id", "name"]
        assert info.schema.key == ("id",)
        assert info.can_change

    def test_preflight_finds_no_problem_and_changes_nothing(self, driver: SourceDriver, connector: Connector) -> None:
        """The control of the next test."""
        assert not problems(driver.plugin.preflight(connector.config, connector.context()))
        assert not driver.left_on_server()

    def test_preflight_names_what_is_wrong_and_what_mends_it(self, driver: SourceDriver, connector: Connector) -> None:
        """A table that is not there, a server that is not there."""
        absent = driver.table._replace(name="no_such_table")
        [finding] = problems(driver.plugin.preflight(connector.config, connector.context(absent)))
        assert "no_such_table" in finding.message
        assert problems(driver.plugin.preflight(driver.plugin.config(**driver.unreachable), connector.context()))

    def test_remove_undoes_what_open_made_and_may_be_called_again(
        self, driver: SourceDriver, connector: Connector
    ) -> None:
        """One sentence for each thing, none the second time."""
        assert connector.remove() == []
        tail = connector.tail()
        made = driver.left_on_server()
        tail.source.close()

        assert len(connector.remove()) == len(made)
        assert not driver.left_on_server()
        assert connector.remove() == []

    def test_after_remove_a_first_start_works_again(self, driver: SourceDriver, connector: Connector) -> None:
        """From now on, not from then."""
        connector.tail().source.close()
        connector.remove()
        with driver.transaction() as writer:
            writer.insert((1, "a"))
        tail = connector.tail()
        with driver.transaction() as writer:
            writer.insert((2, "b"))

        assert rows_of(tail.take(1)) == [("c", 2)]

    # Snapshots (DESIGN §5, rules N1-N8).

    @pytest.fixture
    def snapshots(self, driver: SourceDriver, connector: Connector) -> Iterator[tuple[Tail, Snapshots]]:
        """See ``seven_rows``."""
        tail, reader = seven_rows(driver, connector)
        yield tail, reader
        reader.close()

    @needs("snapshots")
    @pytest.mark.parametrize("size", [1, 2, 7, 8])
    def test_chunks_cover_the_table_once_and_in_key_order(
        self, driver: SourceDriver, snapshots: tuple[Tail, Snapshots], size: int
    ) -> None:
        """Rule N4: the order is the database's own; a number is no text. The last chunk says so."""
        chunks = list(_chunks(snapshots[1], driver.table, size))

        assert [row["id"] for chunk in chunks for row in chunk.rows] == sorted(_IDS)
        assert all(len(chunk.rows) <= size for chunk in chunks)
        assert [chunk.done for chunk in chunks] == [False] * (len(chunks) - 1) + [True]

    @needs("snapshots")
    def test_a_chunk_behind_the_last_key_is_empty(
        self, driver: SourceDriver, snapshots: tuple[Tail, Snapshots]
    ) -> None:
        """``last_key`` is None when nothing was left."""
        _, reader = snapshots
        whole = reader.read_chunk(driver.table, None, 100, 2**20)
        rest = reader.read_chunk(driver.table, whole.last_key, 100, 2**20)

        assert (list(rest.rows), rest.last_key, rest.done) == ([], None, True)

    @needs("snapshots")
    def test_a_chunk_is_bounded_in_bytes(self, driver: SourceDriver, snapshots: tuple[Tail, Snapshots]) -> None:
        """It ends with the row that passes them."""
        chunk = snapshots[1].read_chunk(driver.table, None, 100, 1)

        assert [row["id"] for row in chunk.rows] == [1]
        assert not chunk.done

    @needs("snapshots")
    def test_a_row_is_the_same_in_a_chunk_and_in_the_stream(
        self, driver: SourceDriver, snapshots: tuple[Tail, Snapshots]
    ) -> None:
        """Under the same schema; the plugin's values of the envelope are as many."""
        tail, reader = snapshots
        with driver.transaction() as writer:
            writer.insert((0, "streamed"))
        [event] = tail.take(1)
        chunk = reader.read_chunk(driver.table, None, 1, 2**20)

        assert chunk.rows[0] == event.after
        assert len(chunk.source) == len(tail.source.source_fields)

    @needs("snapshots")
    def test_a_chunk_sees_exactly_what_was_committed_before_it(
        self, driver: SourceDriver, snapshots: tuple[Tail, Snapshots]
    ) -> None:
        """Asked by the transactions that the stream delivers, of the chunk and of its stored note."""
        tail, reader = snapshots
        # The first chunk may wait for open transactions, so the open one comes after it.
        first = reader.read_chunk(driver.table, None, 1, 2**20)
        with driver.transaction() as writer:
            writer.insert((50, "new"))
            before = reader.read_chunk(driver.table, first.last_key, 100, 2**20)
        [event] = tail.take(1)
        after = reader.read_chunk(driver.table, first.last_key, 100, 2**20)

        for chunk, there in ((before, False), (after, True)):
            assert (50 in [row["id"] for row in chunk.rows]) is there
            assert chunk.sees(event.transaction) is there
            assert reader.sees(json.loads(json.dumps(chunk.snapshot_note)))(event.transaction) is there

    @needs("snapshots")
    def test_rows_are_read_by_key(self, driver: SourceDriver, snapshots: tuple[Tail, Snapshots]) -> None:
        """Those that exist; a key is taken from a row of the stream or of a chunk, and survives JSON."""
        tail, reader = snapshots
        with driver.transaction() as writer:
            writer.insert((4, "here"), (5, "gone"))
            writer.delete(5)
        streamed = [event.after for event in tail.take(3) if event.after]
        rows = [*streamed, reader.read_chunk(driver.table, None, 1, 2**20).rows[0]]
        keys: list[Key] = [tuple(key) for key in json.loads(json.dumps([reader.key_text(row) for row in rows]))]

        found = reader.read_keys(driver.table, keys)
        assert {row["id"]: row["name"] for row in found.rows} == {1: "row 1", 4: "here"}

    @needs("snapshots")
    def test_rows_read_by_key_are_bounded_in_bytes(
        self, driver: SourceDriver, snapshots: tuple[Tail, Snapshots]
    ) -> None:
        """Several rows that are too many are refused, to be asked for in parts; a single one is read at any size."""
        _, reader = snapshots
        keys = [reader.key_text(row) for row in reader.read_chunk(driver.table, None, 3, 2**20).rows]

        with pytest.raises(Retriable) as refused:
            reader.read_keys(driver.table, keys, 1)
        assert refused.value.code == "query_budget"
        assert [row["id"] for row in reader.read_keys(driver.table, keys[:1], 1).rows] == [1]

    @needs("snapshots")
    def test_a_mark_is_reached_though_nobody_writes(self, snapshots: tuple[Tail, Snapshots]) -> None:
        """Or a snapshot of a quiet database would never end."""
        tail, reader = snapshots
        mark = reader.mark()

        tail.until(lambda: mark.reached(tail.position))
        assert not tail.events

    @needs("snapshots")
    def test_a_mark_is_reached_after_what_was_committed_before_it(
        self, driver: SourceDriver, snapshots: tuple[Tail, Snapshots]
    ) -> None:
        """And by no position before those transactions."""
        tail, reader = snapshots
        with driver.transaction() as writer:
            writer.insert((50, "before"))
        mark = reader.mark()
        with driver.transaction() as writer:
            writer.insert((51, "after"))

        assert not mark.reached(tail.start)
        tail.until(lambda: mark.reached(tail.position))
        assert ("c", 50) in rows_of(tail.events)

    @needs("snapshots")
    def test_the_reader_of_snapshots_lets_go_and_may_be_closed_again(
        self, driver: SourceDriver, snapshots: tuple[Tail, Snapshots]
    ) -> None:
        """The stream goes on without it."""
        tail, _ = snapshots
        held = Held()
        reader = tail.source.snapshots()
        assert all(figure >= 0 for figure in reader.estimate(driver.table))
        reader.read_chunk(driver.table, None, 2, 2**20)
        reader.close()
        reader.close()

        held.assert_released()

    @needs("snapshots")
    def test_a_table_that_is_gone_fails(self, driver: SourceDriver, snapshots: tuple[Tail, Snapshots]) -> None:
        """By its name."""
        with pytest.raises(Failed):
            snapshots[1].read_chunk(TableId(driver.table.schema, "no_such_table"), None, 1, 2**20)


def _chunks(reader: Snapshots, table: TableId, size: int) -> Iterator[Chunk]:
    after: Key | None = None
    for _ in range(len(_IDS) + 2):
        chunk = reader.read_chunk(table, after, size, 2**20)
        yield chunk
        if chunk.done:
            return
        assert chunk.last_key
        after = tuple(json.loads(json.dumps(chunk.last_key)))  # as a restart reads it from its note
    pytest.fail("the chunks do not end")
