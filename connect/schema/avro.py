"""Avro with a registry: Debezium's envelope or flat rows in the Confluent wire format (DESIGN §6)."""

from __future__ import annotations

import hashlib
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from connect.compiled import COMPILED
from connect.errors import Failed, Retriable
from connect.record import UNAVAILABLE, Op
from connect.schema.avro_codec import FLOAT_BYTES, branches, cell_writer, constant, field_writer, integer, string
from connect.schema.avro_schema import field_names, schema_text
from connect.schema.decimals import UnrepresentableError
from connect.schema.envelope import (
    NAMES,
    SOURCE_PREFIX,
    UNAVAILABLE_FIELD,
    VERSION,
    blank,
    key_type,
    placeholder,
    value_type,
)
from connect.schema.model import Field
from connect.schema.refusals import BAD_VALUE, NULL_IN_REQUIRED, key_missing, no_key, unrepresentable

if COMPILED:
    from connect.schema.avro_c import compiled_encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connect.record import ChangeEvent, Row, RowShape
    from connect.schema.formats import Encoder, SourceBlock
    from connect.schema.model import TableSchema
    from connect.schema.registry import RegistryClient

MAGIC: Final = struct.Struct(">bI")  # a zero byte and the schema's id

_int = integer(32, b"")
_long = integer(64, b"")
_optional_long = integer(64, b"\x02")
_text = string(b"")
_optional_text = string(b"\x02")
_unavailable = field_writer(Field(UNAVAILABLE_FIELD, NAMES))


class Subject(NamedTuple):
    """A schema to register: its subject by TopicNameStrategy, and its text."""

    name: str
    text: str

    @property
    def note(self) -> str:
        """The name under which the schema's id is kept beside the position."""
        return f"schema:{self.name}:{self.digest[:16]}"

    @property
    def digest(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def key_subject(topic: str, schema: TableSchema) -> Subject:
    """The key's schema for a topic."""
    return Subject(f"{topic}-key", schema_text(key_type(topic, schema)))


def value_subject(
    topic: str, schema: TableSchema, source: SourceBlock, value: Literal["envelope", "row"] = "envelope"
) -> Subject:
    """The value's schema for a topic."""
    return Subject(f"{topic}-value", schema_text(value_type(topic, schema, source, value)))


class AvroFormat:
    """``formats.Format`` for Avro: registers what is new, remembers every id it ever learnt.

    Args:
        registry: The registry's client.
        known_ids: Notes that rode with the position: note name → ``{"id": …, "schema": digest}``. A registry that is
            down stops no table whose schemas are among them, not even after ``kill -9`` (F102).
    """

    def __init__(self, registry: RegistryClient, known_ids: Mapping[str, Mapping[str, object]] | None = None) -> None:
        self._registry = registry
        self._ids = {name: _note_id(note) for name, note in (known_ids or {}).items() if name.startswith("schema:")}
        self._verified: set[str] = set()
        self._learnt: dict[str, dict[str, object]] = {}

    def encoder(
        self, topic: str, shape: RowShape, source: SourceBlock, value: Literal["envelope", "row"] = "envelope"
    ) -> Encoder:
        """An encoder for rows of this shape; see ``formats.Format``.

        Raises:
            Retriable: ``registry_unreachable``, and the schema is new.
            Failed: ``schema_incompatible``, ``schema_missing``, ``schema_id_changed``, ``registry_answer``,
                ``registry_denied``, ``name_collision``.
        """
        schema = shape.schema
        subjects = [key_subject(topic, schema)] if schema.key else []
        subjects.append(value_subject(topic, schema, source, value))
        with ThreadPoolExecutor(len(subjects), thread_name_prefix="registry") as pool:  # a first sight costs 4 answers
            *key_ids, value_id = pool.map(self._id, subjects)
        key_id = key_ids[0] if key_ids else None
        if value == "row":
            return compiled(FlatEncoder(shape, key_id, value_id), shape, source)
        return compiled(EnvelopeEncoder(shape, source, key_id, value_id), shape, source)

    def notes(self) -> Mapping[str, dict[str, object]]:
        """Ids learnt since the last call, by note name."""
        learnt, self._learnt = self._learnt, {}
        return learnt

    def _id(self, subject: Subject) -> int:
        known = self._ids.get(subject.note)
        if known is None:
            known = self._ids[subject.note] = self._registry.schema_id(subject.name, subject.text)
            self._learnt[subject.note] = {"id": known, "schema": subject.digest}
            self._verified.add(subject.note)
        elif subject.note not in self._verified and not self._registry.is_down:
            self._verify(subject, known)
        return known

    def _verify(self, subject: Subject, known: int) -> None:
        """A stored id must still mean the same schema, or readers meet rows that they decode wrongly (F103)."""
        try:
            now = self._registry.schema_id(subject.name, subject.text)
        except Retriable:
            return  # a registry that is down stops no known table (F102); asked again with the next shape
        if now != known:
            raise Failed(
                "schema_id_changed",
                f"{subject.name}: the registry at {self._registry.shown_url} now gives id {now} for the schema that "
                f"was written with id {known}: it lost its schemas or is another registry",
                hint="point schema_registry.url at the registry that was used before, or restore its storage",
            )
        self._verified.add(subject.note)


def _note_id(note: Mapping[str, object]) -> int:
    number = note.get("id")
    if not isinstance(number, int):
        raise Failed("offset_format", f"a stored schema id is no number but {type(number).__name__}")
    return number


class _Rows:
    """Writes the rows of one shape: a writer for each column, compiled once."""

    def __init__(self, shape: RowShape) -> None:
        columns = shape.schema.columns
        self._table = shape.schema.table
        self._columns = columns
        self._names = field_names(columns, str(self._table))
        writers = [cell_writer(field, decode) for field, decode in zip(columns, shape.decode, strict=True)]
        nulls = [branches(field)[1] for field in columns]
        self._after = tuple(zip(writers, nulls, [constant(f, placeholder(f)) for f in columns], strict=True))
        self._before = tuple(zip(writers, nulls, [constant(f, blank(f)) for f in columns], strict=True))

    def write(self, out: bytearray, cells: Sequence[Any], *, after: bool = True) -> list[str] | None:
        """Append one row; the names of columns that the log did not carry, or None if it carried all.

        Args:
            out: Where to.
            cells: One for each column of the shape.
            after: Whether absent columns get Debezium's placeholder, as in ``after``, or nulls and zeros.

        Raises:
            Failed: ``unrepresentable_value``, naming table and column.
        """
        complete = True
        try:
            for (write, null, absent), cell in zip(self._after if after else self._before, cells, strict=True):
                if cell is None:
                    out += null or _refuse_null()
                elif cell is UNAVAILABLE:  # Invariant 5: not there is not NULL
                    out += absent
                    complete = False
                else:
                    write(out, cell)
        except BAD_VALUE as error:
            raise self._refused(cells) from error
        return None if complete else self.missing(cells)

    def missing(self, cells: Sequence[Any]) -> list[str]:
        """Names of the columns that the log did not carry, as they are called in Avro."""
        return [name for name, cell in zip(self._names, cells, strict=True) if cell is UNAVAILABLE]

    def _refused(self, cells: Sequence[Any]) -> Failed:
        """Which column it was: found again by writing each alone, so that the good case pays nothing."""
        for (write, null, _), cell, field in zip(self._after, cells, self._columns, strict=False):
            try:
                if cell is None:
                    _ = null or _refuse_null()
                elif cell is not UNAVAILABLE:
                    write(bytearray(), cell)
            except BAD_VALUE as error:
                return unrepresentable(self._table, field, error)
        return Failed("unrepresentable_value", f"{self._table}: {len(cells)} cells for {len(self._columns)} columns")


def _refuse_null() -> bytes:
    raise UnrepresentableError(NULL_IN_REQUIRED)


_SIGN: Final = 0x80  # in the last byte of a float


class _Keys:
    """Writes the key of one shape: the same bytes for the same key, always (S14).

    A negative zero is written as zero: to a unique index they are one key, so to a topic too.
    """

    def __init__(self, shape: RowShape, schema_id: int) -> None:
        schema = shape.schema
        self._table = schema.table
        self._prefix = MAGIC.pack(0, schema_id)
        field_names(schema.key_columns, f"key of {schema.table}")
        at = [schema.index[name] for name in schema.key]
        self._columns = tuple((i, cell_writer(schema.columns[i], shape.decode[i]), schema.columns[i]) for i in at)

    def write(self, row: Row) -> bytes:
        out = bytearray(self._prefix)
        cells = row.cells
        for i, write, field in self._columns:
            cell = cells[i]
            if cell is None or cell is UNAVAILABLE:
                raise key_missing(self._table, field, cell)
            try:
                write(out, cell)
            except BAD_VALUE as error:
                raise unrepresentable(self._table, field, error) from error
            size = FLOAT_BYTES.get(field.type.kind, 0)
            if size and out[-1] == _SIGN and not any(out[-size:-1]):
                out[-1] = 0
        return bytes(out)


class _AvroEncoder:
    """What both forms of a value share: the rows and the key."""

    def __init__(self, shape: RowShape, key_id: int | None, value_id: int) -> None:
        self._rows = _Rows(shape)
        self._keys = None if key_id is None else _Keys(shape, key_id)
        self._prefix = MAGIC.pack(0, value_id)
        self._table = shape.schema.table
        self.key_schema_id = key_id

    @property
    def prefixes(self) -> tuple[bytes | None, bytes]:
        """The bytes before each key and each value."""
        return None if self.key_schema_id is None else MAGIC.pack(0, self.key_schema_id), self._prefix

    def key(self, row: Row) -> bytes:
        """The key's bytes; see ``formats.Encoder``."""
        if self._keys is None:
            raise no_key(self._table)
        return self._keys.write(row)


def compiled(twin: EnvelopeEncoder | FlatEncoder, shape: RowShape, source: SourceBlock) -> Encoder:
    """The compiled encoder where there is one for rows of this shape, else the twin itself."""
    return compiled_encoder(twin, shape, source, envelope=isinstance(twin, EnvelopeEncoder)) if COMPILED else twin


_OPS: Final = {op: b"\x00\x02" + op.encode() for op in Op}  # no transaction block, then the op


class EnvelopeEncoder(_AvroEncoder):
    """``formats.Encoder`` of Debezium's envelope."""

    def __init__(self, shape: RowShape, source: SourceBlock, key_id: int | None, value_id: int) -> None:
        super().__init__(shape, key_id, value_id)
        self._source = _Source(source, str(shape.schema.table))
        self._now_us = -1
        self._now = b""

    def value(self, event: ChangeEvent, now_us: int) -> bytes:
        """The envelope's bytes; see ``formats.Encoder``."""
        out = bytearray(self._prefix)
        missing = None
        before, after = event.before, event.after
        if before is None:
            out.append(0)
        else:
            out.append(2)
            missing = self._rows.write(out, before.cells, after=False)
        if after is None:
            out.append(0)
        else:
            out.append(2)
            missing = self._rows.write(out, after.cells)
        self._source.write(out, event)
        out += _OPS[event.op]
        if now_us != self._now_us:
            self._now_us, self._now = now_us, _moments(now_us)
        out += self._now
        _unavailable(out, missing)
        return bytes(out)


def _moments(us: int) -> bytes:
    """Optional ts_ms, ts_us and ts_ns of one moment."""
    out = bytearray()
    for value in (us // 1000, us, us * 1000):
        _optional_long(out, value)
    return bytes(out)


class _Source:
    """Writes the ``source`` block: what is constant for a connector or for a transaction is kept as bytes."""

    def __init__(self, source: SourceBlock, where: str) -> None:
        head = bytearray()
        for word in (VERSION, source.connector, source.name):
            _text(head, word)
        self._head = bytes(head)
        db = bytearray()
        _text(db, source.database)
        snapshot = SOURCE_PREFIX[4]
        self._streamed = constant(snapshot, "false") + db
        self._snapshot = constant(snapshot, "incremental") + db
        self._fields = tuple((field.name, _remembering(field)) for field in source.fields)
        self._where = where
        self._ts_us = -1
        self._before_snapshot = b""
        self._after_sequence = b""

    def write(self, out: bytearray, event: ChangeEvent) -> None:
        if event.ts_us != self._ts_us:
            self._remember(event.ts_us)
        out += self._before_snapshot
        out += self._snapshot if event.op is Op.READ else self._streamed
        sequence = event.sequence
        if sequence is None:
            out.append(0)
        else:
            _optional_text(out, sequence)
        out += self._after_sequence
        for (name, write), value in zip(self._fields, event.source, strict=True):
            try:
                write(out, value)
            except BAD_VALUE as error:
                raise Failed("unrepresentable_value", f"{self._where}: source.{name} does not fit its type") from error

    def _remember(self, ts_us: int) -> None:
        out = bytearray(self._head)
        _long(out, ts_us // 1000)
        self._before_snapshot = bytes(out)
        out.clear()
        _optional_long(out, ts_us)
        _optional_long(out, ts_us * 1000)
        self._after_sequence = bytes(out)
        self._ts_us = ts_us


def _remembering(field: Field) -> Callable[[bytearray, Any], None]:
    """A writer that keeps the last value's bytes: schema, table and transaction repeat from row to row."""
    write_field = field_writer(field)
    last: Any = object()
    data = b""

    def write(out: bytearray, value: Any) -> None:
        nonlocal last, data
        if value != last:
            fresh = bytearray()
            write_field(fresh, value)
            last, data = value, bytes(fresh)
        out += data

    return write


class FlatEncoder(_AvroEncoder):
    """``formats.Encoder`` of the flat row with ``__pos``: a delete is its old row, TRUNCATE all zeros and nulls."""

    def __init__(self, shape: RowShape, key_id: int | None, value_id: int) -> None:
        super().__init__(shape, key_id, value_id)
        self._nothing = (UNAVAILABLE,) * len(shape.schema.columns)

    def value(self, event: ChangeEvent, now_us: int) -> bytes:  # noqa: ARG002 - a flat row has no such field
        """The row's bytes; see ``formats.Encoder``."""
        out = bytearray(self._prefix)
        row = event.before if event.after is None else event.after
        cells = self._nothing if row is None else row.cells
        missing = self._rows.write(out, cells, after=event.after is not None)
        out.append(2)
        for word in (event.sequence, event.transaction):
            if word is None:
                out.append(0)
            else:
                _optional_text(out, str(word))
        _int(out, event.ordinal)
        _long(out, event.ts_us)
        _text(out, event.op)
        _unavailable(out, missing)
        return bytes(out)
