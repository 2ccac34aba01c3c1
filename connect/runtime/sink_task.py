"""The sink loop: consume, decode, transform, write rows and offsets as one, hint, report (DESIGN §5)."""

from __future__ import annotations

import gc
import time
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, NoReturn, Protocol

from connect.api import TopicPartition
from connect.errors import ConnectError, Failed, Fenced, RecordError
from connect.failpoints import failpoint
from connect.kafka.appender import Appender
from connect.kafka.consumer import Batch, Limits, Raw, SinkConsumer
from connect.kafka.sink_notes import OPTIONS, RATE, SinkNotes
from connect.record import Op
from connect.runtime.bootstrap import Bootstrap
from connect.runtime.dead_letters import DeadLetters
from connect.runtime.report import State, TableReport, TaskReport
from connect.runtime.sink_thread import SinkThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from connect.api import Failure, Sink, WriteResult
    from connect.kafka.topics import Topic
    from connect.record import SinkRecord
    from connect.runtime.bootstrap import Progress
    from connect.schema.formats import Reader

_REFRESH_SECONDS: Final = 4.0  # a topic that appears later is taken up within 10 s
_NOTE_SECONDS: Final = 60.0
_REPORT_SECONDS: Final = 0.5
_LAST_SECONDS: Final = 3.0  # a stop does not wait for a broker that is away (F114)
_HINT_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 1.0  # progress over control records alone is stored this often
_QUIET_SECONDS: Final = 10.0  # records are there and none comes: they lie behind an open transaction (F84)
_READ_SECONDS: Final = 0.2
_RATE_SECONDS: Final = 5.0
_RATE_RECORDS: Final = 5_000  # fewer say nothing of how fast the sink can be
_OVERLAP_ROWS: Final = 1000  # a batch of so many has another one behind it
_COLLECT_EVERY: Final = 200_000  # objects
_LIMITS: Final = Limits()
# Kafka does not tell a topic that is not there from one that the principal may not know of.
_NO_TOPIC: Final = "no topic matches yet, of those that this principal may see: it needs Describe and Read on them"


class Pipeline(Protocol):
    """The transforms of a sink (``connect.transforms.pipeline.SinkPipeline``)."""

    def passes(self, topic: str) -> bool:
        """Whether records of a topic are written as they are."""
        ...

    def apply(self, record: SinkRecord) -> SinkRecord | None:
        """The record to write, or None: dropped."""
        ...


@dataclass(frozen=True, kw_only=True)
class SinkSettings:
    """What the file says of a sink, apart from its plugin's own keys.

    Attributes:
        connector: Its name.
        group: The worker group's name.
        kafka: librdkafka settings of the connection.
        wanted: Whether a topic of this name is one of the sink's.
        on_error: What happens to a record that cannot be written (rule K5).
        dead_letter_topic: "" for ``<group>.<connector>.dead``.
        dead_letter_keep_ms: Retention of that topic in milliseconds; -1 is for ever.
        limits: What ends a batch.
        applied: Its options as they are noted, for ``plan`` to compare with later ones.
        target: A topic's options, for the same.
    """

    connector: str
    group: str
    kafka: Mapping[str, Any]
    wanted: Callable[[str], bool]
    on_error: Literal["fail", "dead_letter"] = "fail"
    dead_letter_topic: str = ""
    dead_letter_keep_ms: int = 1_209_600_000
    limits: Limits = _LIMITS
    applied: Mapping[str, Any] = field(default_factory=dict)
    target: Callable[[str], Mapping[str, Any]] = field(default=lambda _: {})


class _Work(NamedTuple):
    """A decoded batch: each record beside its own bytes; ``stop`` ended decoding after ``read``."""

    records: Sequence[SinkRecord]
    raws: list[Raw]
    letters: list[tuple[Raw, str]]
    stop: ConnectError | None
    read: int


class _Writing(NamedTuple):
    """A write under way, and the offsets that are stored with it."""

    work: _Work
    next_offsets: Mapping[TopicPartition, int]
    result: Future[WriteResult]


class _Written(NamedTuple):
    """A write that came back."""

    raws: list[Raw]
    next_offsets: Mapping[TopicPartition, int]
    result: WriteResult


@dataclass(slots=True)
class _Counts:
    records: int = 0
    transactions: int = 0
    dead_letters: int = 0
    incomplete: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)  # of those rows: behind the ends noted at the first start
    recent: deque[tuple[float, Counter[str]]] = field(default_factory=deque)
    best: float = 0.0  # records a second, in the fastest of the last seconds that had many

    def written(self, raws: Sequence[Raw], incomplete: int, noted: Mapping[TopicPartition, Progress]) -> None:
        """A transaction of the sink came back; ``noted``: how far it was before."""
        self.records += len(raws)
        self.transactions += 1
        self.incomplete = incomplete
        for place, run in groupby(raws, _place):  # records of a partition come in runs
            offsets = [raw[1] for raw in run]
            self.rows[place.topic] += len(offsets)
            if noted[place].next >= (end := noted[place].end):
                self.changes[place.topic] += len(offsets)
            elif offsets[-1] >= end:  # at most a few batches of a partition's life go over that end
                self.changes[place.topic] += sum(offset >= end for offset in offsets)

    def rate(self, topic: str) -> float:
        """Records a second of a topic over the last seconds."""
        if not self.recent:
            return 0.0
        since, rows = self.recent[0]
        return (self.rows[topic] - rows[topic]) / max(0.001, time.monotonic() - since)

    def sample(self) -> None:
        """Remember where the counts stand, for ``rate``."""
        now = time.monotonic()
        self.recent.append((now, self.rows.copy()))
        while now - self.recent[0][0] > _RATE_SECONDS:
            self.recent.popleft()
        since, rows = self.recent[0]
        records = self.rows.total() - rows.total()
        if records >= _RATE_RECORDS:
            self.best = max(self.best, records / max(0.5, now - since))


class SinkTask:
    """One sink at work, from its start to its first error; one thread."""

    def __init__(
        self,
        settings: SinkSettings,
        sink: Sink,
        reader: Reader,
        pipeline: Pipeline | None,
        report: Callable[[TaskReport], None],
        stopping: Callable[[], bool],
    ) -> None:
        """Connect to Kafka; ``run`` opens the sink."""
        self._settings = settings
        self._sink = SinkThread(sink)
        self._writing: _Writing | None = None
        self._reader = reader
        self._pipeline = pipeline
        self._report = report
        self._stopping = stopping
        name = f"{settings.group}.{settings.connector}"
        self._consumer = SinkConsumer(settings.kafka, name)
        topics = self._consumer.topics
        self._appender = Appender(settings.kafka)
        self._notes = SinkNotes(settings.kafka, topics, self._appender, name)
        letters = settings.dead_letter_topic or f"{name}.dead"
        self._letters = DeadLetters(topics, self._appender, settings.connector, letters, settings.dead_letter_keep_ms)
        self._topics: dict[str, Topic] = {}
        self._opened = False
        self._stored_notes: dict[str, dict[str, Any]] = {}
        self._bootstrap = Bootstrap()
        self._moved_at = time.monotonic()
        self._hints: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._pending: dict[TopicPartition, int] = {}
        self._counts = _Counts()
        self._state = State.STARTING
        self._at: dict[str, float] = {}  # when what is done every so often was done last

    def run(self) -> None:
        """Work until ``stopping()``.

        Raises:
            Retriable: Kafka, the registry or the target is not there: the retry table builds the task anew, and it
                goes on from the position that the sink holds.
            Failed: An operator has to act; everything before the position is written.
            Fenced: Another owner took over.
        """
        self._tell()
        self._stored_notes = self._notes.read()
        with _rare_collections():
            while not self._stopping():
                self._turn()
        self._settle()
        self._hint(0.0)
        self._write_notes(_LAST_SECONDS)

    def _turn(self) -> None:
        if self._due("refresh", _REFRESH_SECONDS):
            self._refresh()
        if not self._topics:
            time.sleep(_READ_SECONDS)
        else:
            self._deliver(self._consumer.read(self._settings.limits, _READ_SECONDS))
        self._hint(_HINT_SECONDS)
        self._tell()

    def close(self) -> None:
        """Let go of everything. Idempotent."""
        try:
            self._sink.close()
        finally:
            self._consumer.close()
            self._appender.close()

    # Topics

    def _refresh(self) -> None:
        """Look for topics that appeared, changed or went, and whether the sink was away for too long."""
        found = self._consumer.find(self._wanted)
        for name, known in self._topics.items():
            _check_same(known, found.get(name))
        new = [topic for name, topic in found.items() if name not in self._topics]
        if new or not self._opened:
            self._take_up(new)
        self._look(self._consumer.ends(list(self._bootstrap.partitions)))
        if self._due("note", _NOTE_SECONDS):
            self._write_notes()

    def _wanted(self, topic: str) -> bool:
        return topic not in {self._notes.topic, self._letters.topic} and self._settings.wanted(topic)

    def _take_up(self, topics: Sequence[Topic]) -> None:
        """Open the sink over the topics that it has and these, then read them from where it stands (invariant 2)."""
        self._store_pending()
        known = list(self._bootstrap.partitions)
        offsets = self._sink.open([*known, *(tp for topic in topics for tp in _partitions(topic))])
        self._opened = True
        for tp in known:
            if offsets[tp] != self._bootstrap.partitions[tp].next:
                message = f"the position of {tp.topic}[{tp.partition}] moved without this task"
                raise Fenced(message, hint="Another worker runs this sink; run one of them.")
        there = {*self._topics, *(topic.name for topic in topics)}
        self._check_all_there({tp: offset for tp, offset in offsets.items() if tp.topic not in there})
        if not topics:
            return
        starts = self._begin(topics, offsets)
        self._consumer.assign(starts)
        self._topics |= {topic.name: topic for topic in topics}
        self._counts.incomplete = self._sink.begin([], {}).result().incomplete

    def _check_all_there(self, others: Mapping[TopicPartition, int]) -> None:
        """What is kept of a topic that is gone would pass for what the topic says, for ever (invariant 4)."""
        gone = {tp.topic: tp for tp in others if self._wanted(tp.topic)}
        if gone:
            [first, *more] = sorted(gone)
            message = f"topic {first}{f' and {len(more)} more' if more else ''}, which the sink has read, is not there"
            rebuild = f"connect rebuild {self._settings.connector} FILE"
            hint = (
                "Restore it. If it was deleted on purpose, leave it out with exclude: of the sink, and its rows stay "
                f"as they are; or stop the worker and run {rebuild}, which drops what the sink made and starts over."
            )
            raise Failed("topic_missing", message, hint=hint)

    def _begin(self, topics: Sequence[Topic], offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Note the ends before the first record is written, so that a kill cannot move them (rule T2)."""
        settings = self._consumer.settings([topic.name for topic in topics])
        bounds = self._consumer.bounds([tp for topic in topics for tp in _partitions(topic)])
        starts: dict[TopicPartition, int] = {}
        for topic in topics:
            of_topic = {tp: offsets[tp] for tp in _partitions(topic)}
            note = self._stored_notes.get(topic.name)
            starts |= self._bootstrap.add(topic, note, of_topic, bounds, settings[topic.name], _now_ms())
        self._look({tp: bound.end for tp, bound in bounds.items()})
        self._notes.write({topic.name: self._bootstrap.note(topic.name) for topic in topics})
        targets = {
            name: dict(self._settings.target(name)) for name in sorted({*self._topics, *(t.name for t in topics)})
        }
        self._notes.write({OPTIONS: {"options": dict(self._settings.applied), "targets": targets}})
        return starts

    def _look(self, ends: Mapping[TopicPartition, int]) -> None:
        self._ends |= ends
        self._bootstrap.look(ends, _now_ms())

    def _write_notes(self, seconds: float = 30.0) -> None:
        """Notes speak of what the sink has stored, or a restart would take it for a target that went back."""
        self._store_pending()
        notes = {name: self._bootstrap.note(name) for name in self._topics}
        rate = {RATE: {"records_per_second": round(self._counts.best)}} if self._counts.best else {}
        self._notes.write({**notes, **rate}, seconds)

    # Records

    def _deliver(self, batch: Batch) -> None:
        """Everything of a batch that can be written; then the error that stopped it, if one did."""
        if batch.next_offsets:
            self._moved_at = time.monotonic()
        work = self._decode(batch.records)  # while the last batch is written
        written = self._written()
        if work.letters or work.stop is not None:
            self._account(written)
            written = None
        if work.letters:  # durable before the position passes them (rule K5)
            self._send_letters(work.letters)
        if work.stop is not None:
            self._write(work, self._pending | _offsets_after(batch.records[: work.read]))
            raise work.stop
        self._pending |= batch.next_offsets
        if work.records or work.letters or (self._pending and self._due("idle", _IDLE_SECONDS)):
            self._begin_write(work, self._pending)
            self._pending = {}
            self._account(written)  # the target is at work again
            if len(work.records) < _OVERLAP_ROWS:  # a lone row is not waited for by the next read
                self._settle()
        else:
            self._account(written)
            self._bootstrap.advance(batch.next_offsets)

    def _decode(self, raws: list[Raw]) -> _Work:
        """The records to write; those that need no look from Python are taken undecoded, in runs."""
        taken = self._reader.batch()
        records: list[SinkRecord] = []
        work = _Work(records, [], [], None, 0) if taken is None else _Work(taken, taken.raws, [], None, 0)
        number = 0
        while True:
            if taken is not None:
                number = taken.extend(raws, number)
            if number == len(raws):
                return work._replace(read=number)
            raw = raws[number]
            try:
                change = self._change(raw)
            except RecordError as error:
                if self._settings.on_error == "fail":
                    return work._replace(stop=_poisoned(raw, error.message), read=number)
                work.letters.append((raw, error.message))
            except ConnectError as error:
                return work._replace(stop=error, read=number)
            else:
                if change is not None and taken is not None:
                    taken.append(raw, change, self._pipeline is None or self._pipeline.passes(raw.place.topic))
                elif change is not None:
                    records.append(change)
                    work.raws.append(raw)
            number += 1

    def _change(self, raw: Raw) -> SinkRecord | None:
        record = self._reader.read(raw.place.topic, raw.place.partition, *raw[1:])
        change = self._pipeline.apply(record) if self._pipeline else record
        if change is not None and change.op is Op.TRUNCATE:
            self._check_order(change)
        return change

    def _check_order(self, truncate: SinkRecord) -> None:
        """A TRUNCATE stands in one partition and means the rows of all: between partitions there is no order (F89)."""
        partitions = self._topics[truncate.topic].partitions
        if partitions > 1:
            message = f"{truncate.where} is a TRUNCATE, and its topic has {partitions} partitions, which have no order"
            hint = (
                "Read the table's state topic instead, or give the table partitions: 1, or leave the topic out with "
                "exclude: of the sink."
            )
            raise Failed("truncate_unordered", message, hint=hint)

    def _write(self, work: _Work, next_offsets: Mapping[TopicPartition, int]) -> None:
        """Write records and offsets, and wait for it."""
        self._begin_write(work, next_offsets)
        self._settle()

    def _begin_write(self, work: _Work, next_offsets: Mapping[TopicPartition, int]) -> None:
        if self._writing is not None:  # at most one write is under way: its offsets come before these
            self._settle()
        failpoint("sink.before_write")
        self._writing = _Writing(work, next_offsets, self._sink.begin(work.records, next_offsets))

    def _settle(self) -> None:
        """Wait for the write under way."""
        self._account(self._written())

    def _written(self) -> _Written | None:
        """Wait for the write under way; what the sink refuses is dead-lettered first, or ends the task (rule K5)."""
        if self._writing is None:
            return None
        (work, next_offsets, write), self._writing = self._writing, None
        skip: set[int] = set()
        while True:
            result = write.result()
            refused = [failure for failure in result.failures if failure.index not in skip]
            if not refused:
                break
            if self._settings.on_error == "fail":
                self._stop_at(work, min(refused, key=lambda failure: failure.index))
            self._send_letters([(work.raws[failure.index], failure.error) for failure in refused])
            failpoint("sink.after_letters")
            skip |= {failure.index for failure in refused}
            failpoint("sink.before_write")
            write = self._sink.begin(work.records, next_offsets, skip)
        failpoint("sink.after_write")
        return _Written(work.raws, next_offsets, result)

    def _account(self, written: _Written | None) -> None:
        """Count what was written, and go on from behind it."""
        if written is not None:
            self._counts.written(written.raws, written.result.incomplete, self._bootstrap.partitions)
            self._hints |= written.next_offsets
            self._bootstrap.advance(written.next_offsets)

    def _hint(self, seconds: float) -> None:
        """Tell lag tools every so often; a kill before it costs them nothing but a second (F129)."""
        if self._hints and self._due("hint", seconds):
            self._consumer.hint(self._hints)
            self._hints = {}

    def _stop_at(self, work: _Work, refused: Failure) -> NoReturn:
        """Write what comes before a refused record, so that the position is the record's own."""
        before = _Work(work.records[: refused.index], work.raws[: refused.index], [], None, 0)
        self._write(before, _offsets_after(before.raws))
        raise _poisoned(work.raws[refused.index], refused.error)

    def _send_letters(self, letters: Sequence[tuple[Raw, str]]) -> None:
        self._letters.send(letters)
        self._counts.dead_letters += len(letters)

    def _store_pending(self) -> None:
        self._settle()
        if self._pending:
            self._write(_Work([], [], [], None, 0), self._pending)
            self._pending = {}

    # Reports

    def _tell(self) -> None:
        """Report a new state at once, numbers now and then."""
        state = self._state_now()
        if state is self._state and not self._due("report", _REPORT_SECONDS):
            return
        self._state = state
        self._counts.sample()
        self._report(self._report_now(state))

    def _state_now(self) -> State:
        if not self._topics:
            return State.BOOTSTRAPPING if "refresh" in self._at else State.STARTING
        return State.LIVE if self._bootstrap.complete() and not self._counts.incomplete else State.BOOTSTRAPPING

    def _report_now(self, state: State) -> TaskReport:
        partitions, counts = self._bootstrap.partitions, self._counts
        for tp, end in self._consumer.known_ends().items():
            self._ends[tp] = max(end, self._ends[tp])
        lag = sum(max(0, self._ends[tp] - p.next) for tp, p in partitions.items())
        return TaskReport(
            state=state,
            message=self._waiting_for(lag),
            position={f"{tp.topic}[{tp.partition}]": progress.next for tp, progress in partitions.items()},
            tables={name: self._report_topic(name) for name in self._topics},
            lag_records=lag,
            records=counts.records,
            transactions=counts.transactions,
            dead_letters=counts.dead_letters,
            complete=state is State.LIVE,
        )

    def _waiting_for(self, lag: int) -> str:
        if not self._topics and "refresh" in self._at:
            return _NO_TOPIC
        if self._topics and self._counts.incomplete and self._bootstrap.complete():
            return f"{self._counts.incomplete} rows wait for columns that the log did not carry"
        if lag and time.monotonic() - self._moved_at > _QUIET_SECONDS:
            return f"{lag} records cannot be read yet: some producer's transaction is open in their topics"
        return ""

    def _report_topic(self, name: str) -> TableReport:
        left, total = self._bootstrap.remaining(name)
        rate = self._counts.rate(name)
        live = self._bootstrap.complete(name)
        return TableReport(
            phase="live" if live else "bootstrapping",
            rows=total - left,
            total=total,
            changes=self._counts.changes[name],
            per_second=rate,
            eta_seconds=left / rate if left and rate else None,
        )

    def _due(self, what: str, seconds: float) -> bool:
        """Whether something that is done every so often is due; if so, it counts as done now."""
        now = time.monotonic()
        if now - self._at.get(what, 0.0) < seconds:
            return False
        self._at[what] = now
        return True


@contextmanager
def _rare_collections() -> Iterator[None]:
    """A batch is many objects and no cycle: looking for cycles at every 700 of them is a fifth of what a row costs."""
    before = gc.get_threshold()
    gc.set_threshold(_COLLECT_EVERY, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


_place = itemgetter(0)  # of a ``Raw``


def _partitions(topic: Topic) -> list[TopicPartition]:
    return [TopicPartition(topic.name, topic.id, partition) for partition in range(topic.partitions)]


def _check_same(known: Topic, found: Topic | None) -> None:
    """A topic that was made again or got partitions is another one (F98, F89)."""
    if found is None or found.id != known.id:
        message = f"topic {known.name} was deleted{' and made again' if found else ''} while the sink read it"
        raise Failed("topic_id_changed", message, hint="Run connect rebuild SINK FILE to read the new one.")
    if found.partitions != known.partitions:
        message = f"topic {known.name} has {found.partitions} partitions and had {known.partitions}"
        hint = "A key that moved to another partition has no order (F89). Run connect rebuild SINK FILE."
        raise Failed("partition_count", message, hint=hint)


def _offsets_after(raws: Sequence[Raw]) -> dict[TopicPartition, int]:
    return {raw.place: raw.offset + 1 for raw in raws}  # in each partition's order, so the last one counts


def _poisoned(raw: Raw, error: str) -> Failed:
    hint = (
        "Mend the target or the record's producer, or set on_error: dead_letter to put such records aside and go on. "
        "connect topic show prints the record."
    )
    return Failed("poisoned_record", f"{raw.where} cannot be written: {error}", hint=hint)


def _now_ms() -> int:
    return int(time.time() * 1000)  # across restarts, so no monotonic clock
