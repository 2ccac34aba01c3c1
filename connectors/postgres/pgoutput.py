"""The messages of the ``pgoutput`` plugin: bytes → typed messages and cells; pure, no I/O, protocol versions 1 to 4.

Layouts: PostgreSQL manual, "Logical Replication Message Formats". Every failure is ``Failed``: ``protocol`` for bytes
that are no message, ``unknown_event`` for a message that this module does not know (rule S13, invariant 6).
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast

from connect.errors import Failed
from connect.record import UNAVAILABLE, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

POSTGRES_EPOCH_US: Final = 946_684_800_000_000  # 2000-01-01 in microseconds since 1970 UTC

ReplicaIdentity = Literal["d", "n", "f", "i"]  # default, nothing, full, index
OldKind = Literal["K", "O"]  # the key columns only, the whole old row


class Begin(NamedTuple):
    """A transaction starts; ``final_lsn`` is the LSN of its commit record, ``ts_us`` the time of the commit."""

    final_lsn: int
    ts_us: int
    xid: int


class Commit(NamedTuple):
    """A transaction ends; ``end_lsn`` is the position after it."""

    flags: int
    commit_lsn: int
    end_lsn: int
    ts_us: int


class Origin(NamedTuple):
    """The transaction was replicated from elsewhere: its commit LSN there, and the origin's name."""

    lsn: int
    name: str


class RelationColumn(NamedTuple):
    """One column of a ``Relation``; ``key`` says that it is part of the replica identity."""

    key: bool
    name: str
    type_oid: int
    typmod: int


class Relation(NamedTuple):
    """A table's shape from here on in the log (invariant 8, F27, F29)."""

    xid: int | None
    oid: int
    schema: str
    name: str
    replica_identity: ReplicaIdentity
    columns: tuple[RelationColumn, ...]


class TypeMessage(NamedTuple):
    """A type that is not built in. A domain comes with the name of its base type (types.md A2)."""

    xid: int | None
    oid: int
    schema: str
    name: str


class Insert(NamedTuple):
    """A new row; ``new`` is for ``split_tuple``. ``xid`` is the (sub-)transaction of a streamed row, else None."""

    xid: int | None
    oid: int
    new: bytes


class Update(NamedTuple):
    """A changed row. ``old_kind`` None: the log carries nothing of the old row and the key did not change."""

    xid: int | None
    oid: int
    old_kind: OldKind | None
    old: bytes | None
    new: bytes


class Delete(NamedTuple):
    """A removed row."""

    xid: int | None
    oid: int
    old_kind: OldKind
    old: bytes


class Truncate(NamedTuple):
    """Tables emptied by one statement."""

    xid: int | None
    oids: tuple[int, ...]
    cascade: bool
    restart_identity: bool


class LogicalMessage(NamedTuple):
    """What ``pg_logical_emit_message`` wrote."""

    xid: int | None
    transactional: bool
    lsn: int
    prefix: str
    content: bytes


class StreamStart(NamedTuple):
    """A block of rows of the top-level transaction ``xid``, which is still in progress."""

    xid: int
    first_segment: bool


class StreamStop(NamedTuple):
    """The block ends."""


class StreamCommit(NamedTuple):
    """A streamed transaction committed."""

    xid: int
    flags: int
    commit_lsn: int
    end_lsn: int
    ts_us: int


class StreamAbort(NamedTuple):
    """A streamed transaction, or its sub-transaction ``subxid``, was rolled back (F24, F25).

    ``lsn`` and ``ts_us`` come with ``streaming = 'parallel'`` (protocol version 4) only.
    """

    xid: int
    subxid: int
    lsn: int | None
    ts_us: int | None


Message = (
    Begin
    | Commit
    | Origin
    | Relation
    | TypeMessage
    | Insert
    | Update
    | Delete
    | Truncate
    | LogicalMessage
    | StreamStart
    | StreamStop
    | StreamCommit
    | StreamAbort
)

_U16 = struct.Struct(">H").unpack_from
_U32 = struct.Struct(">I").unpack_from
_U64 = struct.Struct(">Q").unpack_from
_U32_U32 = struct.Struct(">II").unpack_from
_KIND_AND_LENGTH = struct.Struct(">BI").unpack_from
_BEGIN = struct.Struct(">QqI").unpack_from
_COMMIT = struct.Struct(">BQQq").unpack_from
_TYPE_AND_TYPMOD = struct.Struct(">Ii").unpack_from

_NULL, _UNCHANGED = b"nu"
_EMPTY, _SIZED = b"nu", b"tb"  # kinds of columns: NULL and unchanged TOAST; text and binary, which carry a length
_NEW, _KEY, _OLD = b"NKO"

_HINT: Final = "The position does not move. Is something between the connector and the server that changes bytes?"


def parse(data: bytes, *, streaming: bool) -> Message:
    """One message.

    Args:
        data: The payload of one XLogData message.
        streaming: We are between Stream Start and Stream Stop, where messages about rows carry an xid.

    Raises:
        Failed: ``unknown_event`` for a message that is not known here, two-phase ones among them (rule S13);
            ``protocol`` for bytes that are no message of their kind.
    """
    kind = data[:1]
    parser = _PARSERS.get(kind)
    if parser is None:
        raise _unknown(kind) if kind else garbage("an empty message")
    try:
        return parser(data, streaming)
    except (struct.error, IndexError, ValueError) as error:
        raise garbage(f"a message {kind!r} of {len(data)} bytes that ends early or holds no valid text") from error


def split_tuple(data: bytes) -> list[bytes | Unavailable | None]:
    """Tuple data → one cell per column: bytes, None for NULL, UNAVAILABLE for unchanged TOAST (invariant 5, F22).

    Raises:
        Failed: ``protocol`` for bytes that are no tuple.
    """
    cells: list[bytes | Unavailable | None] = []
    append = cells.append
    padded = data + b"\0\0\0\0"  # so that a kind and a length can always be read as one
    at = 2
    try:
        for _ in range(_U16(data)[0]):
            kind, length = _KIND_AND_LENGTH(padded, at)
            if kind in _SIZED:
                start = at + 5
                at = start + length
                append(data[start:at])
            elif kind == _NULL:
                at += 1
                append(None)
            elif kind == _UNCHANGED:
                at += 1
                append(UNAVAILABLE)
            else:
                raise garbage(f"a column of unknown kind {kind}")
    except struct.error as error:
        raise garbage(f"a row of {len(data)} bytes that ends early") from error
    if at != len(data):
        raise garbage(f"a row of {len(data)} bytes whose columns end at {at}")
    return cells


_COPY_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_COPY_CHARACTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


def tuple_of_copy_text(line: bytes) -> list[bytes | None]:
    r"""One line of ``COPY … TO STDOUT`` in text format, with or without its newline → one cell per column.

    ``\N`` is NULL; the other escapes that the server writes are undone.
    """
    if line[-1:] == b"\n":
        line = line[:-1]
    cells = line.split(b"\t")
    if b"\\" not in line:
        return cast("list[bytes | None]", cells)
    return [
        cell if b"\\" not in cell else None if cell == b"\\N" else _COPY_ESCAPE.sub(_copy_character, cell)
        for cell in cells
    ]


def _copy_character(escape: re.Match[bytes]) -> bytes:
    character = escape[1]
    return _COPY_CHARACTERS.get(character, character)


def garbage(what: str) -> Failed:
    """``protocol``: bytes that are no message."""
    return Failed("protocol", f"the replication stream carries {what}", hint=_HINT)


def _unknown(kind: bytes) -> Failed:
    two_phase = kind in _TWO_PHASE
    hint = (
        "The slot decodes prepared transactions: drop it and create it without two_phase."
        if two_phase
        else "The server speaks a newer protocol: update Connect; nothing is skipped meanwhile."
    )
    what = "a two-phase message" if two_phase else "a message that is not understood"
    # Invariant 6: it may carry rows, so nothing after it is read.
    return Failed("unknown_event", f"the replication stream carries {what}: {kind!r}", hint=hint)


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1


def _schema(data: bytes, at: int) -> tuple[str, int]:
    name, at = _text(data, at)
    return name or "pg_catalog", at  # the server leaves its own namespace out


def _ends(data: bytes, at: int) -> None:
    if at != len(data):
        raise garbage(f"a message {data[:1]!r} of {len(data)} bytes whose fields end at {at}")


def _xid(data: bytes, *, streaming: bool) -> tuple[int | None, int]:
    return (_U32(data, 1)[0], 5) if streaming else (None, 1)


def _begin(data: bytes, _: bool) -> Begin:  # noqa: FBT001 - every parser has one signature
    _ends(data, 21)
    lsn, ts, xid = _BEGIN(data, 1)
    return Begin(lsn, ts + POSTGRES_EPOCH_US, xid)


def _commit(data: bytes, _: bool) -> Commit:  # noqa: FBT001 - every parser has one signature
    _ends(data, 26)
    flags, commit_lsn, end_lsn, ts = _COMMIT(data, 1)
    return Commit(flags, commit_lsn, end_lsn, ts + POSTGRES_EPOCH_US)


def _origin(data: bytes, _: bool) -> Origin:  # noqa: FBT001 - every parser has one signature
    name, at = _text(data, 9)
    _ends(data, at)
    return Origin(_U64(data, 1)[0], name)


def _relation(data: bytes, streaming: bool) -> Relation:  # noqa: FBT001 - every parser has one signature
    xid, at = _xid(data, streaming=streaming)
    (oid,) = _U32(data, at)
    schema, at = _schema(data, at + 4)
    name, at = _text(data, at)
    identity = chr(data[at])
    if identity not in "dnfi":
        raise garbage(f"a table with replica identity {identity!r}")
    (count,) = _U16(data, at + 1)
    at += 3
    columns = []
    for _ in range(count):
        flags = data[at]
        column, at = _text(data, at + 1)
        type_oid, typmod = _TYPE_AND_TYPMOD(data, at)
        at += 8
        columns.append(RelationColumn(bool(flags & 1), column, type_oid, typmod))
    _ends(data, at)
    return Relation(xid, oid, schema, name, cast("ReplicaIdentity", identity), tuple(columns))


def _type(data: bytes, streaming: bool) -> TypeMessage:  # noqa: FBT001 - every parser has one signature
    xid, at = _xid(data, streaming=streaming)
    (oid,) = _U32(data, at)
    schema, at = _schema(data, at + 4)
    name, at = _text(data, at)
    _ends(data, at)
    return TypeMessage(xid, oid, schema, name)


def _insert(data: bytes, streaming: bool) -> Insert:  # noqa: FBT001 - every parser has one signature
    if streaming:
        xid, oid = _U32_U32(data, 1)
        if data[9] == _NEW:
            return Insert(xid, oid, data[10:])
    elif data[5] == _NEW:
        return Insert(None, _U32(data, 1)[0], data[6:])
    raise garbage("an insert without a new row")


def _tuple_end(data: bytes, at: int) -> int:
    """Where the tuple data that starts at ``at`` ends."""
    (count,) = _U16(data, at)
    at += 2
    for _ in range(count):
        kind = data[at]
        if kind in _SIZED:
            at += 5 + _U32(data, at + 1)[0]
        elif kind in _EMPTY:
            at += 1
        else:
            raise garbage(f"a column of unknown kind {kind}")
    return at


def _update(data: bytes, streaming: bool) -> Update:  # noqa: FBT001 - every parser has one signature
    xid, at = _xid(data, streaming=streaming)
    (oid,) = _U32(data, at)
    at += 4
    kind = data[at]
    old_kind: OldKind | None = None
    old = None
    if kind != _NEW:
        old_kind, start = _old_kind(kind), at + 1
        at = _tuple_end(data, start)
        old = data[start:at]
    if data[at] != _NEW:
        raise garbage("an update without a new row")
    return Update(xid, oid, old_kind, old, data[at + 1 :])


def _delete(data: bytes, streaming: bool) -> Delete:  # noqa: FBT001 - every parser has one signature
    xid, at = _xid(data, streaming=streaming)
    (oid,) = _U32(data, at)
    return Delete(xid, oid, _old_kind(data[at + 4]), data[at + 5 :])


def _old_kind(kind: int) -> OldKind:
    if kind == _KEY:
        return "K"
    if kind == _OLD:
        return "O"
    raise garbage(f"an old row of unknown kind {kind}")


def _truncate(data: bytes, streaming: bool) -> Truncate:  # noqa: FBT001 - every parser has one signature
    xid, at = _xid(data, streaming=streaming)
    (count,) = _U32(data, at)
    flags = data[at + 4]
    at += 5
    _ends(data, at + 4 * count)
    return Truncate(xid, struct.unpack_from(f">{count}I", data, at), bool(flags & 1), bool(flags & 2))


def _logical_message(data: bytes, streaming: bool) -> LogicalMessage:  # noqa: FBT001 - every parser has one signature
    xid, at = _xid(data, streaming=streaming)
    flags = data[at]
    (lsn,) = _U64(data, at + 1)
    prefix, at = _text(data, at + 9)
    (length,) = _U32(data, at)
    _ends(data, at + 4 + length)
    return LogicalMessage(xid, bool(flags & 1), lsn, prefix, data[at + 4 :])


def _stream_start(data: bytes, _: bool) -> StreamStart:  # noqa: FBT001 - every parser has one signature
    _ends(data, 6)
    return StreamStart(_U32(data, 1)[0], bool(data[5]))


def _stream_stop(data: bytes, _: bool) -> StreamStop:  # noqa: FBT001 - every parser has one signature
    _ends(data, 1)
    return StreamStop()


def _stream_commit(data: bytes, _: bool) -> StreamCommit:  # noqa: FBT001 - every parser has one signature
    _ends(data, 30)
    flags, commit_lsn, end_lsn, ts = _COMMIT(data, 5)
    return StreamCommit(_U32(data, 1)[0], flags, commit_lsn, end_lsn, ts + POSTGRES_EPOCH_US)


def _stream_abort(data: bytes, _: bool) -> StreamAbort:  # noqa: FBT001 - every parser has one signature
    xid, subxid = _U32_U32(data, 1)
    if len(data) == 9:
        return StreamAbort(xid, subxid, None, None)
    _ends(data, 25)
    lsn, ts = struct.unpack_from(">Qq", data, 9)
    return StreamAbort(xid, subxid, lsn, ts + POSTGRES_EPOCH_US)


_PARSERS: Final[dict[bytes, Callable[[bytes, bool], Message]]] = {
    b"B": _begin,
    b"C": _commit,
    b"O": _origin,
    b"R": _relation,
    b"Y": _type,
    b"I": _insert,
    b"U": _update,
    b"D": _delete,
    b"T": _truncate,
    b"M": _logical_message,
    b"S": _stream_start,
    b"E": _stream_stop,
    b"c": _stream_commit,
    b"A": _stream_abort,
}
_TWO_PHASE: Final = frozenset((b"b", b"P", b"K", b"r", b"p"))
