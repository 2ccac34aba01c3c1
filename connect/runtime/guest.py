"""The snapshot as a guest in the stream: chunks of tables sent where no key can go back in time (DESIGN §5).

The rule. A chunk row may be sent at a point of the stream only if (a) every transaction that the chunk's database
snapshot sees was delivered before that point, and (b) no transaction that it does *not* see has touched that key and
was delivered before that point, also before the chunk was asked for: commits reach the log before they become visible.

(a) holds once the stream has passed the mark taken after the chunk was read. For (b) the guest remembers each delivered
transaction, with its tables and keys, until a database snapshot sees it. The keys of those that the chunk does not see
are dropped from it: what was streamed of them is newer. Where the keys are not known (a transaction of an earlier
process, a TRUNCATE, too many to remember) the chunk is read again. So a synchronous standby that is always a little
behind, where some delivered transaction is invisible at any time, does not hold a snapshot up.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from connect.api.snapshots import NamesTransactions
from connect.errors import Retriable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Sequence

    from connect.api.position import Position
    from connect.api.snapshots import Chunk, Key, Mark, Snapshots
    from connect.config.window import Window
    from connect.schema.model import TableId, TableSchema

_READINGS: Final = 2  # chunks at a time: one waits for its mark while the next is read
_MAX_ROWS: Final = 50_000
_MIN_ROWS: Final = 100
_MAX_BYTES: Final = 16 * 1_048_576
_MAX_KEYS: Final = 1_000
_KEYS_REMEMBERED: Final = 200_000  # invariant 7: beyond it a transaction counts as touching keys unknown
_KEYS_ENOUGH: Final = 100_000  # beyond either the database is asked which transactions are still invisible
_IDS_ENOUGH: Final = 20_000
_DOUBT_SECONDS: Final = 0.1
_AGAIN_SECONDS: Final = (0.04, 0.08, 0.16, 0.32, 0.64)  # before a chunk is read again; from then on the longest
_LONGEST_AGAIN: Final = 1.0
_QUIET_SECONDS: Final = 2.0  # the longest that a chunk should take while nobody writes to the captured tables
_BUSY_SECONDS: Final = 0.5  # and while somebody does, whose changes wait for it


_NO_KEYS: Final[set[bytes]] = set()
Touched = dict["TableId", "set[bytes] | None"]  # a transaction's keys by table; None: not known which


class Request(NamedTuple):
    """What the reader thread is asked: the next chunk of a table, or these keys of it, or which ids are in doubt.

    ``waits_for``: the transactions for which the chunk has been read again for long, to be named to the operator.
    """

    table: TableId | None
    after: Key | None = None
    keys: Sequence[Key] = ()
    max_rows: int = 0
    waits_for: Collection[Hashable] = ()


class Answer(NamedTuple):
    """What it read: the chunk and the mark after it, or ids in doubt, or the error it met; whom it waits for."""

    request: Request
    chunk: Chunk | None
    mark: Mark | None
    in_doubt: Collection[Hashable]
    seconds: float
    error: Exception | None
    whom: str = ""


class ChunkReader:
    """A thread that reads chunks over the snapshot's own connection while the task's loop goes on with the stream."""

    def __init__(self, snapshots: Snapshots, connector: str) -> None:
        self._snapshots = snapshots
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"snapshot {connector}")
        self._thread.start()

    def ask(self, request: Request) -> None:
        """Read this after what was asked for before."""
        self._requests.put(request)

    def answer(self) -> Answer | None:
        """What was read, in the order of the requests; None while it is being read."""
        try:
            return self._answers.get_nowait()
        except queue.Empty:
            return None

    def _run(self) -> None:
        while (request := self._requests.get()) is not None:
            self._answers.put(self._read(request))

    def _read(self, request: Request) -> Answer:
        started = time.monotonic()
        try:
            if request.table is None:
                return Answer(request, None, None, self._snapshots.in_doubt(), 0.0, None)
            if request.keys:
                chunk = self._snapshots.read_keys(request.table, request.keys, _MAX_BYTES)
            else:
                chunk = self._snapshots.read_chunk(request.table, request.after, request.max_rows, _MAX_BYTES)
            mark = self._snapshots.mark()
            seconds = time.monotonic() - started
            whom = self._whose(request.waits_for)
        except Exception as error:  # noqa: BLE001 - the edge of this thread: the loop raises it
            return Answer(request, None, None, (), 0.0, error)
        return Answer(request, chunk, mark, (), seconds, None, whom)

    def _whose(self, transactions: Collection[Hashable]) -> str:
        if not transactions or not isinstance(self._snapshots, NamesTransactions):
            return ""
        return self._snapshots.whose(transactions)

    def close(self) -> None:
        """End the thread and the connection; waits for a chunk under way, which its query-time budget bounds."""
        self._requests.put(None)
        self._thread.join()
        self._snapshots.close()


@dataclass
class TableProgress:
    """How far a table's snapshot is; the content of its note.

    Attributes:
        run: Number of this snapshot of the table; a table asked for again gets the next one.
        after: The last key whose chunk is committed.
        rows: Rows sent.
        done: Nothing is left.
        since: End of each partition of the state topic when this run began, where it held records already: keys whose
            last record is older when the run is done are gone from the table (rule N8).
    """

    run: int = 1
    after: Key | None = None
    rows: int = 0
    done: bool = False
    since: list[int] | None = None

    def to_note(self) -> dict[str, object]:
        """The note's JSON object."""
        note: dict[str, object] = {"run": self.run, "after": self.after, "rows": self.rows, "done": self.done}
        return note | ({"since": self.since} if self.since and not self.done else {})

    @classmethod
    def from_note(cls, note: dict[str, object]) -> TableProgress:
        """The progress of a note."""
        after = note["after"]
        return cls(
            run=int(str(note["run"])),
            after=tuple(str(part) for part in after) if isinstance(after, list) else None,
            rows=int(str(note["rows"])),
            done=bool(note["done"]),
            since=[int(end) for end in since] if isinstance(since := note.get("since"), list) else None,
        )


@dataclass
class _Reading:
    """A request that is under way.

    Attributes:
        schema: Of the last change to its table that the stream delivered since then.
        stale: The chunk that it goes on from is read again, so it is not looked at.
    """

    request: Request
    schema: TableSchema | None = None
    answer: Answer | None = None
    stale: bool = False


class Ready(NamedTuple):
    """A chunk that may be sent now, at this point of the stream.

    ``drop`` holds the sets of record keys that must not be sent. For a read of single keys, ``keys`` are those asked
    for and ``whole`` the record keys that lack nothing once it is sent.
    """

    table: TableId
    chunk: Chunk
    drop: list[set[bytes]]
    keys: Sequence[Key]
    whole: Sequence[bytes]


@dataclass
class Guest:
    """Decides what is read next and when it may be sent. Owned by the task's loop; only ``ChunkReader`` has a thread.

    Attributes:
        reader: Where chunks come from.
        tables: Progress of each table with a key that has a snapshot.
        max_rows_per_second: Over all tables; None for no limit.
        window: Hours in which chunks are read, single keys at any time; None for all.
        say: Tells the operator what is waited for.
    """

    reader: ChunkReader
    tables: dict[TableId, TableProgress]
    max_rows_per_second: int | None = None
    window: Window | None = None
    say: Callable[[str], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    _delivered: dict[Hashable, Touched | None] = field(default_factory=dict)  # None: any table
    _doubted: dict[Hashable, Touched | None] = field(default_factory=dict)  # while the database is asked of them
    _keys: int = 0  # in _delivered
    _readings: deque[_Reading] = field(default_factory=deque)
    _repeats: int = 0
    _waits_for: Collection[Hashable] = ()
    _not_before: float = 0.0
    _rows: int = 5_000
    _sending: float = 0.0  # seconds that the last chunk took from here to Kafka
    _longest: float = _QUIET_SECONDS
    _keys_at_once: int = _MAX_KEYS
    _lacking: dict[tuple[TableId, bytes], Key] = field(default_factory=dict)
    _queue: deque[TableId] = field(default_factory=deque)
    _asked_keys: dict[bytes, Key] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._queue.extend(table for table, progress in self.tables.items() if not progress.done)
        self._limit()  # the first chunk is one of those that the limit is for

    @property
    def complete(self) -> bool:
        """Whether every table's snapshot is done."""
        return not self._queue

    @property
    def busy(self) -> bool:
        """Whether something is being read, waits for its mark or is about to be asked for."""
        return bool(self._readings or self._lacking) or (bool(self._queue) and not self._resting)

    @property
    def _resting(self) -> bool:
        return self.window is not None and not self.window.is_open()

    @property
    def lacking(self) -> bool:
        """Whether some key waits for a value."""
        return bool(self._lacking)

    def doubt(self, transactions: Collection[Hashable]) -> None:
        """Transactions that an earlier process may have delivered and that may still be invisible."""
        self._delivered.update(dict.fromkeys(transactions))

    def saw(self, table: TableId, transaction: Hashable, keys: Sequence[bytes], schema: TableSchema) -> None:
        """The stream delivered a change: ``keys`` are the record keys that it touched, old and new."""
        tables = self._delivered.setdefault(transaction, {})
        if tables is not None and (touched := tables.setdefault(table, set())) is not None:
            before = len(touched)
            touched.update(keys)
            self._keys += len(touched) - before
            if self._keys > _KEYS_REMEMBERED:
                self._keys -= len(touched)
                tables[table] = None
        self._saw_schema(table, schema)

    def _saw_schema(self, table: TableId, schema: TableSchema) -> None:
        for reading in self._readings:
            if reading.request.table == table:
                reading.schema = schema

    @property
    def wants_keys(self) -> bool:
        """Whether the keys of a change matter now; else ``saw_some`` will do."""
        return self.busy

    def saw_some(self, table: TableId, transactions: Sequence[Hashable], schema: TableSchema) -> None:
        """The stream delivered changes while nothing is read: a chunk that does not see them is read again."""
        if self._keys:
            self._keys -= sum(len(keys or ()) for t in transactions for keys in (self._delivered.get(t) or {}).values())
        self._delivered.update(dict.fromkeys(transactions))
        self._saw_schema(table, schema)

    def saw_truncate(self, table: TableId, transaction: Hashable) -> list[bytes]:
        """The stream delivered a TRUNCATE: it touches every key of the table.

        Returns:
            The record keys that had been waiting for a value and need it no longer.
        """
        tables = self._delivered.setdefault(transaction, {})
        if tables is not None:
            self._keys -= len(tables.get(table) or ())
            tables[table] = None
        ended = [key for owner, key in self._lacking if owner == table]
        for key in ended:
            del self._lacking[table, key]
        return ended

    def lacks(self, table: TableId, record_key: bytes, key: Key) -> None:
        """The state record of this key was sent without a value; the key is to be read again (DESIGN §6)."""
        self._lacking[(table, record_key)] = key

    def has_all(self, table: TableId, record_key: bytes) -> bool:
        """A later record of the key was whole or a delete; True when the key had been waiting."""
        return self._lacking.pop((table, record_key), None) is not None

    def ask(self) -> None:
        """Ask for the next thing to read, if it is time: one chunk is read while another waits for its mark."""
        if len(self._readings) == _READINGS or self.clock() < self._not_before:
            return
        before = next((reading for reading in self._readings if not reading.stale), None)
        request = self._next() if before is None else self._ahead(before)
        if request is not None:
            self._readings.append(_Reading(request))
            if request.table is None:
                self._doubted, self._delivered, self._keys = self._delivered, {}, 0
            self.reader.ask(request)

    @property
    def _remembers_much(self) -> bool:
        return len(self._delivered) > _IDS_ENOUGH or self._keys > _KEYS_ENOUGH

    def _ahead(self, before: _Reading) -> Request | None:
        """The chunk behind one that was read and not judged yet; its database snapshot sees no less than that one's."""
        answer = before.answer
        if answer is None or answer.chunk is None or answer.request.keys or self.max_rows_per_second:
            return None
        if self._lacking or self._resting or self._remembers_much:  # it is their turn
            return None
        table, after = self._queue[0], answer.chunk.last_key
        if answer.chunk.done:
            if len(self._queue) == 1:
                return None
            table = self._queue[1]
            after = self.tables[table].after
        return Request(table, after=after, max_rows=self._rows)

    def _next(self) -> Request | None:
        if self._remembers_much:
            return Request(None)
        waits_for = self._waits_for if self._repeats >= len(_AGAIN_SECONDS) else ()
        if self._lacking:
            table = next(iter(self._lacking))[0]
            wanted = {key: text for (owner, key), text in self._lacking.items() if owner == table}
            self._asked_keys = dict(itertools.islice(wanted.items(), self._keys_at_once))
            return Request(table, keys=list(self._asked_keys.values()), waits_for=waits_for)
        if self._queue and self.window and self._resting:
            self.say(f"the snapshot of {self._queue[0]} goes on in its hours, {self.window.text}")
        elif self._queue:
            table = self._queue[0]
            return Request(table, after=self.tables[table].after, max_rows=self._rows, waits_for=waits_for)
        return None

    def ready(self, position: Position) -> Ready | None:
        """The chunk that may be sent now that the stream stands at ``position``, between two source transactions.

        Raises:
            Retriable, Failed: What the reader met.
        """
        self._take_answers()
        reading = self._readings[0] if self._readings else None
        if reading is None or reading.stale or (answer := reading.answer) is None:
            return None
        if answer.error is not None:
            self._readings.popleft()
            self._retry_smaller(answer.request, answer.error)
            return None
        if answer.chunk is None or answer.mark is None or answer.request.table is None:
            invisible = set(answer.in_doubt)
            self._keep({t: self._doubted[t] for t in self._doubted if t in invisible} | self._delivered)
            self._doubted = {}
            self._not_before = self.clock() + _DOUBT_SECONDS
            self._readings.popleft()
            return None
        if not answer.mark.reached(position):  # rule (a)
            return None
        self._readings.popleft()
        return self._judge(answer.request.table, answer, answer.chunk, reading.schema)

    def _take_answers(self) -> None:
        for reading in self._readings:
            reading.answer = reading.answer or self.reader.answer()
            if reading.answer is None:
                break
        while self._readings and self._readings[0].stale and self._readings[0].answer is not None:
            self._readings.popleft()

    def _judge(self, table: TableId, answer: Answer, chunk: Chunk, schema: TableSchema | None) -> Ready | None:
        self._keep({t: tables for t, tables in self._delivered.items() if not chunk.sees(t)})
        drop, self._waits_for = self._unseen(table)
        reshaped = schema is not None and not _same_columns(schema, chunk.shape.schema)
        if self._waits_for or reshaped:  # rule (b), and rule N5
            self._again(table, answer.whom)
            return None
        if answer.request.keys:
            whole = self._read_again(table, drop)
            if not whole:
                self._again(table, "")
                return None
            self._calm()
            self._keys_at_once = min(self._keys_at_once * 2, _MAX_KEYS)
            return Ready(table, chunk, drop, answer.request.keys, whole)
        self._calm()
        self._pace(answer, len(chunk.rows))
        self._advance(table, chunk)  # now, since the next chunk is asked for before this one is sent
        return Ready(table, chunk, drop, (), ())

    def _keep(self, delivered: dict[Hashable, Touched | None]) -> None:
        self._delivered = delivered
        self._keys = sum(len(keys or ()) for tables in delivered.values() if tables for keys in tables.values())

    def _unseen(self, table: TableId) -> tuple[list[set[bytes]], list[Hashable]]:
        """Keys of the table that transactions still invisible touched, and those of which the keys are not known."""
        drop: list[set[bytes]] = []
        unknown: list[Hashable] = []
        for transaction, tables in self._delivered.items():
            keys = None if tables is None else tables.get(table, _NO_KEYS)
            if keys is None:
                unknown.append(transaction)
            elif keys:
                drop.append(keys)
        return drop, unknown

    def _calm(self) -> None:
        self._repeats = 0
        self.say("")

    def _again(self, table: TableId, whom: str) -> None:
        for reading in self._readings:
            reading.stale = True
        pauses = _AGAIN_SECONDS[self._repeats :]
        self._repeats += 1
        self._not_before = self.clock() + (pauses[0] if pauses else _LONGEST_AGAIN)
        if not pauses:
            whom = whom or "transactions that are committed but not yet visible"
            self.say(f"snapshot of {table} waits for {whom}")

    def _retry_smaller(self, request: Request, error: Exception) -> None:
        smallest = len(request.keys) == 1 if request.keys else self._rows <= _MIN_ROWS
        if not isinstance(error, Retriable) or error.code != "query_budget" or smallest:
            raise error
        if request.keys:
            self._keys_at_once = max(len(request.keys) // 4, 1)
        else:
            self._rows = max(self._rows // 4, _MIN_ROWS)

    def _pace(self, answer: Answer, rows: int) -> None:
        seconds = max(answer.seconds, self._sending)
        if seconds < self._longest / 4:
            self._rows = min(self._rows * 2, _MAX_ROWS)
        elif seconds > self._longest:
            self._rows = max(self._rows // 2, _MIN_ROWS)
        self._limit()
        if self.max_rows_per_second:
            self._not_before = self.clock() + rows / self.max_rows_per_second

    def _limit(self) -> None:
        if self.max_rows_per_second:
            self._rows = max(_MIN_ROWS, min(self._rows, self.max_rows_per_second))

    def took(self, seconds: float, *, quiet: bool) -> None:
        """A chunk took this long into Kafka, and the stream, quiet or not, waited: the next ones are sized by it."""
        self._sending = seconds
        self._longest = _QUIET_SECONDS if quiet else _BUSY_SECONDS

    def _advance(self, table: TableId, chunk: Chunk) -> None:
        progress = self.tables[table]
        progress.after = chunk.last_key or progress.after
        progress.done = chunk.done
        if progress.done:
            self._queue.remove(table)

    def _read_again(self, table: TableId, drop: list[set[bytes]]) -> list[bytes]:
        """The asked keys that no longer lack a value.

        A dropped key was touched by a newer change: if that was not whole either, it waits for the next read.
        """
        return [key for key in self._asked_keys if not _in_any(key, drop) and self.has_all(table, key)]

    def sent(self, ready: Ready, rows: int) -> dict[str, dict[str, object] | None]:
        """A chunk was sent, ``rows`` of it; the notes that must be committed with it (rule N3)."""
        if ready.keys:
            return {lacking_note(ready.table, key): None for key in ready.whole}
        progress = self.tables[ready.table]
        progress.rows += rows
        return {snapshot_note(ready.table): progress.to_note()}


def _in_any(key: bytes, sets: Sequence[set[bytes]]) -> bool:
    return any(key in keys for keys in sets)


def _same_columns(one: TableSchema, other: TableSchema) -> bool:
    return [(c.name, c.type) for c in one.columns] == [(c.name, c.type) for c in other.columns]


def snapshot_note(table: TableId) -> str:
    """The name of the note with a table's progress."""
    return f"snapshot:{table}"


def lacking_note(table: TableId, record_key: bytes) -> str:
    """The name of the note of a key that must be read again."""
    return f"lacking:{table}:{record_key.hex()}"
