"""From a table's events to the records of its topics: views, key changes, tombstones (DESIGN §6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

from connect.api.tables import TableOptions, View
from connect.compiled import COMPILED
from connect.errors import ConnectError, Failed
from connect.record import UNAVAILABLE, ChangeEvent, Op, Row, RowShape

if COMPILED:
    from connect.changes_c import ChunkRows
    from connect.records_c import Records
    from connect.schema import avro_c

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from connect.api.snapshots import Chunk
    from connect.changes_c import Changes
    from connect.schema.formats import Encoder, Format, SourceBlock
    from connect.schema.model import TableId

# Rows of a keyless table have no key to choose a partition by: one fixed partition keeps their order (DESIGN §5).
KEYLESS_PARTITION = 0


class Pipeline(Protocol):
    """The transforms of one source or sink, as ``connect.transforms`` builds them."""

    def shape(self, shape: RowShape) -> RowShape:
        """The shape that rows of this shape leave with."""
        ...

    def apply(self, change: ChangeEvent) -> ChangeEvent | None:
        """The change to publish, or None."""
        ...

    def derives(self, table: TableId) -> bool:
        """Whether nothing of the table's changes is looked at: what is published is what ``shape`` says."""
        ...


class Send(Protocol):
    """``TransactionalProducer.send``."""

    def __call__(self, topic: str, key: bytes | None, value: bytes | None, partition: int = -1) -> None:
        """Queue one record."""
        ...


class Producer(Protocol):
    """``TransactionalProducer``, as far as records go."""

    @property
    def send(self) -> Send:
        """Queue one record."""
        ...

    def send_all(self, topic: str, records: Records, partition: int = -1) -> None:
        """Queue records, in their order."""
        ...


class Written(NamedTuple):
    """What a change became.

    Attributes:
        keys: The record keys that it touched, old ones first.
        lacking: Its state record lacks a value of the new row.
        lives: The last of the keys has a row after it.
        sent: False where a transform dropped it; the keys are those that it would have had.
    """

    keys: list[bytes]
    lacking: bool = False
    lives: bool = True
    sent: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """One topic of a table, and the encoder of one shape for it."""

    topic: str
    encoder: Encoder


@dataclass(frozen=True, slots=True)
class Binding:
    """What one shape of the table is published as."""

    shape: RowShape
    state: Target | None
    events: Target | None

    @property
    def encoder(self) -> Encoder:
        """The encoder whose keys tell rows apart."""
        target = self.state or self.events
        assert target is not None  # noqa: S101 - a table has at least one view by its model
        return target.encoder


class Touched(NamedTuple):
    """Transactions in log order, and of each the record keys that it touched, old ones first; None: not asked for."""

    transactions: list[Hashable]
    keys: list[list[bytes]] | None


@dataclass(frozen=True, slots=True)
class Bulk:
    """Writes changes that still are the log's own bytes by compiled encoders, many at a time."""

    state: tuple[str, avro_c.Encoder] | None
    events: tuple[str, avro_c.Encoder] | None
    partition: int

    def write(self, changes: Changes, at: int, producer: Producer, now_us: int, *, keys: bool) -> tuple[int, Touched]:
        """Send changes of one group, from the one at index ``at`` on.

        Args:
            changes: Where they are.
            at: The first.
            producer: Where to.
            now_us: Processing time.
            keys: Whether the record keys are wanted.

        Returns:
            The index of the first change that was not sent, which ``TableWriter.write`` has to, or -1; and what the
            others touched.
        """
        until, touched, _ = self._send(changes, at, producer, now_us, keys=keys, drop=frozenset())
        return until, touched

    def write_rows(
        self, changes: Changes, at: int, producer: Producer, now_us: int, drop: AbstractSet[bytes]
    ) -> tuple[int, int]:
        """Send rows that were read, from the one at index ``at`` on, but those whose record key is in ``drop``.

        Returns:
            The index of the first row that was not looked at, which ``read_row`` has to, or -1; and how many
            were sent.
        """
        until, _, sent = self._send(changes, at, producer, now_us, keys=False, drop=drop)
        return until, sent

    def _send(
        self, changes: Changes, at: int, producer: Producer, now_us: int, *, keys: bool, drop: AbstractSet[bytes]
    ) -> tuple[int, Touched, int]:
        until = -1
        for _ in range(2):  # one view may find something odd that the other did not
            written: list[tuple[str, Records]] = []
            stops = set()
            for view in (self.state, self.events):
                if view is None:
                    continue
                touched = Touched([], [] if keys else None)
                records = Records()
                until = view[1].encode(
                    changes, at, until, now_us, records, *touched, state=view is self.state, drop=drop
                )
                written.append((view[0], records))
                stops.add(until)
            if len(stops) == 1:
                break
        sent = len(records)
        for topic, records in written:
            producer.send_all(topic, records, self.partition)
        return until, touched, sent


class TableWriter:
    """Writes one table's events. Registers a schema when it meets a new shape, before the first row of it (rule V5)."""

    def __init__(  # noqa: PLR0913 - what a table is published with, named one by one
        self,
        table: TableId,
        options: TableOptions,
        topics: Mapping[View, str],
        *,
        wire: Format,
        block: SourceBlock,
        pipeline: Pipeline,
        evolve: Callable[[RowShape], RowShape],
        bound: Callable[[str, Encoder], None],
    ) -> None:
        """``evolve`` applies the policy for changed columns to a new shape; ``bound`` hears of each new encoder."""
        self.table = table
        self.options = options
        self.topics = topics
        self._wire = wire
        self._block = block
        self._pipeline = pipeline
        self._evolve = evolve
        self._bound = bound
        self._bindings: dict[RowShape, Binding] = {}
        self._published: dict[RowShape, Binding] = {}
        self._bulks: dict[RowShape, Bulk | None] = {}

    @property
    def has_state(self) -> bool:
        """Whether the table has a state topic."""
        return View.STATE in self.topics

    def bind(self, shape: RowShape) -> Binding:
        """What rows of this shape are published as.

        Raises:
            Failed: ``key_changed``, ``new_column``, ``schema_incompatible``.
            Retriable: The registry is not there and the schema is new.
        """
        binding = self._bindings.get(shape)
        if binding is None:
            published = self._pipeline.shape(self._evolve(shape))
            binding = self._bindings[shape] = self._binding(published)
        return binding

    def _binding(self, published: RowShape) -> Binding:
        binding = self._published.get(published)
        if binding is None:
            state, events = self.topics.get(View.STATE), self.topics.get(View.EVENTS)
            binding = Binding(
                published,
                Target(state, self._encoder(state, published)) if state else None,
                Target(events, self._encoder(events, published)) if events else None,
            )
            self._published[published] = binding
        return binding

    def _encoder(self, topic: str, shape: RowShape) -> Encoder:
        encoder = self._wire.encoder(topic, shape, self._block, self.options.value)
        self._bound(topic, encoder)
        return encoder

    def bulk(self, shape: RowShape) -> Bulk | None:
        """What writes changes of this shape many at a time; None where each has to be looked at."""
        if shape not in self._bulks:
            self._bulks[shape] = (
                self._bulk(self.bind(shape)) if COMPILED and self._pipeline.derives(self.table) else None
            )
        return self._bulks[shape]

    @staticmethod
    def _bulk(binding: Binding) -> Bulk | None:
        keyed = bool(binding.shape.schema.key)
        targets = [binding.state if keyed else None, binding.events]  # what has no key is in the event view only
        if not any(targets) or not all(isinstance(t.encoder, avro_c.Encoder) for t in targets if t is not None):
            return None
        state, events = ((t.topic, cast("avro_c.Encoder", t.encoder)) if t is not None else None for t in targets)
        return Bulk(state, events, -1 if keyed else KEYLESS_PARTITION)

    def write(self, event: ChangeEvent, send: Send, now_us: int) -> Written:
        """Send what this change is to readers.

        Raises:
            Failed: What the shape, the transforms and the encoder raise; a value that is refused, with its place.
        """
        try:
            return self._write(event, send, now_us)
        except Failed as error:
            _locate(error, event)
            raise

    def _write(self, event: ChangeEvent, send: Send, now_us: int) -> Written:
        binding = self.bind(event.shape)
        change = self._pipeline.apply(self._evolved(event))
        if change is None:
            return Written([binding.encoder.key(row.under(binding.shape)) for row in _rows(event)], sent=False)
        if change.shape is not binding.shape:  # a Python transform gave rows of its own
            binding = self._binding(change.shape)
        if not change.shape.schema.key:
            self._append(binding, change, send, now_us)
            return Written([])
        keys = [self._write_keyed(binding, part, send, now_us) for part in _split_key_change(change, binding.encoder)]
        after = change.after
        lacking = binding.state is not None and after is not None and UNAVAILABLE in after.cells
        return Written(keys, lacking=lacking, lives=change.op is not Op.DELETE)

    def _evolved(self, event: ChangeEvent) -> ChangeEvent:
        shape = self._evolve(event.shape)
        if shape is event.shape:
            return event
        return replace(event, shape=shape, before=_under(event.before, shape), after=_under(event.after, shape))

    @staticmethod
    def _append(binding: Binding, change: ChangeEvent, send: Send, now_us: int) -> None:
        if binding.events is not None:
            send(binding.events.topic, None, binding.events.encoder.value(change, now_us), KEYLESS_PARTITION)

    @staticmethod
    def _write_keyed(binding: Binding, change: ChangeEvent, send: Send, now_us: int) -> bytes:
        row = change.after or change.before
        assert row is not None  # noqa: S101 - only TRUNCATE has no row, and it is written by truncate()
        key = b""
        if binding.events is not None:
            key = binding.events.encoder.key(row)
            send(binding.events.topic, key, binding.events.encoder.value(change, now_us))
        if binding.state is not None:
            key = binding.state.encoder.key(row)
            send(binding.state.topic, key, binding.state.encoder.value(change, now_us))
            if change.op is Op.DELETE:
                send(binding.state.topic, key, None)
        return key

    def read_row(
        self, chunk_row: Row, event: ChangeEvent, send: Send, now_us: int, drop: AbstractSet[bytes]
    ) -> bytes | None:
        """Send one snapshot row unless its key is in ``drop``; its key (b"" for none), or None if it was not sent.

        Raises:
            Failed: As ``write``.
        """
        try:
            return self._read_row(chunk_row, event, send, now_us, drop)
        except Failed as error:
            _locate(error, event)
            raise

    def _read_row(
        self, chunk_row: Row, event: ChangeEvent, send: Send, now_us: int, drop: AbstractSet[bytes]
    ) -> bytes | None:
        binding = self.bind(chunk_row.shape)
        change = self._pipeline.apply(self._evolved(event))
        if change is None or change.op is Op.DELETE:  # a filter leaves it out, and no reader has it yet
            return None
        if change.shape is not binding.shape:
            binding = self._binding(change.shape)
        assert change.after is not None  # noqa: S101 - a row that was read
        if drop and binding.encoder.key(change.after) in drop:
            return None
        if not change.shape.schema.key:
            self._append(binding, change, send, now_us)
            return b""
        return self._write_keyed(binding, change, send, now_us)

    def read_rows(self, chunk: Chunk, producer: Producer, now_us: int, drop: AbstractSet[bytes]) -> int:
        """Send the rows of a chunk unless their keys are in ``drop``; how many were sent."""
        sent, rows = 0, chunk.rows
        bulk = self.bulk(chunk.shape) if COMPILED and isinstance(rows, ChunkRows) else None
        at = 0
        while 0 <= at < len(rows):
            if bulk is not None:
                at, count = bulk.write_rows(cast("ChunkRows", rows).changes, at, producer, now_us, drop)
                sent += count
            if at >= 0:
                row = rows[at]
                event = ChangeEvent(Op.READ, row.shape, None, row, chunk.source, chunk.ts_us)
                sent += self.read_row(row, event, producer.send, now_us, drop) is not None
                at += 1
        return sent

    def truncate(self, event: ChangeEvent, live: Iterable[tuple[bytes, Row]], send: Send, now_us: int) -> int:
        """Send what a TRUNCATE is: a delete of every live key to the state topic, then ``op=t`` to the event view.

        In this order: where the deletes are split over several transactions, the last one has the one ``op=t``.

        Args:
            event: The TRUNCATE.
            live: The state topic's keys at this position, as read back from it, with their decoded key columns.
            send: Where to.
            now_us: Processing time.

        Returns:
            How many records were sent.
        """
        binding = self.bind(event.shape)
        sent = self.delete(event, live, send, now_us)
        if binding.events is not None:
            value = binding.events.encoder.value(replace(event, shape=binding.shape), now_us)
            send(binding.events.topic, None, value, KEYLESS_PARTITION)
            sent += 1
        return sent

    def delete(self, event: ChangeEvent, keys: Iterable[tuple[bytes, Row]], send: Send, now_us: int) -> int:
        """Delete keys from the state topic, at the position of ``event``; how many records that is."""
        if not self.has_state:
            return 0
        sent = 0
        for key, row in keys:
            state = self._binding(row.shape).state
            assert state is not None  # noqa: S101 - the table has a state topic
            delete = replace(event, op=Op.DELETE, shape=row.shape, before=row, after=None)
            send(state.topic, key, state.encoder.value(delete, now_us))
            send(state.topic, key, None)
            sent += 2
        return sent


def _rows(event: ChangeEvent) -> list[Row]:
    return [row for row in (event.before, event.after) if row is not None]


def _under(row: Row | None, shape: RowShape) -> Row | None:
    return None if row is None else row.under(shape)


def _split_key_change(change: ChangeEvent, encoder: Encoder) -> list[ChangeEvent]:
    """An UPDATE that changes the key is a delete of the old key and a create of the new one (F23)."""
    before, after = change.before, change.after
    if change.op is not Op.UPDATE or before is None or after is None or not _key_differs(before, after, encoder):
        return [change]
    return [
        replace(change, op=Op.DELETE, after=None),
        replace(change, op=Op.CREATE, before=None),
    ]


def _key_differs(before: Row, after: Row, encoder: Encoder) -> bool:
    """Whether the record keys are others; what the log has otherwise may be written alike: a float's -0 and 0."""
    index = after.shape.schema.index
    if all(before.cells[index[name]] == after.cells[index[name]] for name in after.shape.schema.key):
        return False
    return encoder.key(before) != encoder.key(after)


_OF_A_VALUE: Final = frozenset({"unrepresentable_value", "undecodable_value"})


def _locate(error: Failed, event: ChangeEvent) -> None:
    """Say which column of which row a refused value is in; the value itself stays out of it."""
    if error.code not in _OF_A_VALUE:
        return
    column = next((name for row in _rows(event) for name in row.shape.schema.index if _is_refused(row, name)), None)
    place = f"in transaction {event.transaction}" if event.transaction is not None else "read by its snapshot"
    position = f" at {event.sequence}" if event.sequence else ""
    error.message = f"{event.table}, column {column or '?'} of a row {place}{position}: {error.message}"


def _is_refused(row: Row, name: str) -> bool:
    try:
        row[name]
    except ConnectError:
        return True
    return False
