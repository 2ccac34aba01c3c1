"""Relation messages → row shapes: a table's shape at each position of the log (invariant 8, F27-F29)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connect.errors import Failed
from connect.record import Row, RowShape
from connect.schema.model import AS_DEFAULT, Field, TableId, TableSchema
from connectors.postgres.rows import LOG_ROW
from connectors.postgres.types import TypeCatalog, TypeOptions, codec, constant_default, missing_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connect.api.tables import TableOptions
    from connectors.postgres.catalog import CatalogTable
    from connectors.postgres.pgoutput import Relation, TypeMessage


class ShapeColumn(NamedTuple):
    """A column as the log or a snapshot names it."""

    name: str
    type_oid: int
    typmod: int


def build_shape(  # noqa: PLR0913, PLR0917 - one call builds a shape from all that it depends on
    table: TableId,
    columns: Sequence[ShapeColumn],
    key: tuple[str, ...],
    known: CatalogTable | None,
    types: TypeCatalog,
    options: TypeOptions,
    split: Callable[[Any], Sequence[Any]],
) -> RowShape:
    """The shape of rows with these columns.

    NOT NULL, defaults and comments come from the catalog for columns whose name and type are the same there; a column
    that the catalog no longer has, or has otherwise, is optional and has no default (F29). Key columns are required
    where the catalog says so or where they are the table's own identity.
    """
    described = {(c.name, c.type_oid, c.typmod): c for c in known.columns} if known else {}
    fields, decoders = [], []
    for column in columns:
        how = codec(column.type_oid, column.typmod, types, options)
        now = described.get(column)
        if now is None:
            fields.append(Field(column.name, how.type, optional=column.name not in key))
        else:
            default = constant_default(now.default, how)
            optional = not now.not_null or (how.nullable and column.name not in key)
            # A partitioned table itself keeps no such value, its partitions do.
            fill = AS_DEFAULT if known is not None and known.kind == "p" else missing_value(now.missing, how)
            fields.append(Field(column.name, how.type, optional, default, now.comment, fill))
        decoders.append(how.decode)
    return RowShape(TableSchema(table, tuple(fields), key), split, tuple(decoders))


def override_key(
    table: TableId, wanted: tuple[str, ...], columns: Sequence[str], identity: Sequence[str] | None
) -> tuple[str, ...]:
    """The topic key that the file asks for, if every change carries it (DESIGN §6).

    Args:
        table: For messages.
        wanted: ``key:`` of the table's options.
        columns: The table's columns.
        identity: Columns that the log carries of an old row; None for all.

    Raises:
        Failed: ``column_missing``, ``key_outside_identity``.
    """
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise Failed("column_missing", f"{table}: no column {missing[0]!r} for the topic key", hint="Mend `key:`.")
    outside = [] if identity is None else [name for name in wanted if name not in identity]
    if outside:
        raise Failed(
            "key_outside_identity",
            f"{table}: the topic key column {outside[0]!r} is not in the replica identity, so a change of it would "
            "leave the old key's record behind",
            hint=f"ALTER TABLE {quoted(table)} REPLICA IDENTITY FULL;",
        )
    return wanted


def quoted(table: TableId) -> str:
    """A table's name as SQL."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in table)


@dataclass(slots=True)
class Tracked:
    """A relation of the log as it is now.

    Attributes:
        relation: Its last Relation message.
        shape: None for a table that is not captured.
        key_flags: Which columns an old key carries.
        toastable: Whether an UPDATE may leave values out.
        enums: Index and known labels of enum columns: a label that is not known reloads the types (F28).
    """

    relation: Relation
    shape: RowShape | None
    key_flags: tuple[bool, ...]
    toastable: bool
    enums: tuple[tuple[int, set[bytes]], ...]

    @property
    def table(self) -> TableId:
        """The name under which it is captured."""
        return self.shape.schema.table if self.shape else TableId(self.relation.schema, self.relation.name)


class Catalog:
    """What ``Relations`` asks the server for, over the source's own connection."""

    def __init__(
        self, table: Callable[[int], CatalogTable | None], types: Callable[[], TypeCatalog], start: TypeCatalog
    ) -> None:
        self.table = table
        self.reload = types
        self.types = start


_NOT_CAPTURED: Final = None
_FULL: Final = "f"


class Relations:
    """The tables of the stream. An identical Relation message gives the same shape object again."""

    def __init__(
        self,
        captured: Mapping[TableId, TableOptions],
        oids: Mapping[int, TableId],
        catalog: Catalog,
        options: TypeOptions,
    ) -> None:
        """``oids`` are the captured tables as the catalog names them now."""
        self._captured = captured
        self._oids = dict(oids)
        self._catalog = catalog
        self._options = options
        self._now: dict[int, Tracked] = {}
        self._seen: dict[Relation, Tracked] = {}

    def __getitem__(self, oid: int) -> Tracked:
        """The relation of that OID at this position.

        Raises:
            Failed: ``unknown_relation``: a row came before its Relation (rule S13).
        """
        try:
            return self._now[oid]
        except KeyError:
            raise Failed(
                "unknown_relation",
                f"a row of relation {oid} came without its description",
                hint="The position does not move; restart the source, and report this if it lasts.",
            ) from None

    def __contains__(self, oid: int) -> bool:
        return oid in self._now

    def learn(self, message: Relation) -> None:
        """A table's shape from here on.

        Raises:
            Failed: ``table_renamed``, ``key_outside_identity``.
            Retriable: The catalog could not be asked.
        """
        relation = message._replace(xid=None)
        tracked = self._seen.get(relation)
        if tracked is None or relation.replica_identity == _FULL:  # then the key may have changed and it looks the same
            fresh = self._track(relation)
            if tracked is None or _schema(fresh) != _schema(tracked):
                tracked = self._seen[relation] = fresh
        self._now[relation.oid] = tracked  # Invariant 8: rows from here on have this shape, those before keep theirs

    def learn_type(self, message: TypeMessage) -> None:
        """A type that is not built in; asked of the catalog, else kept as the log describes it."""
        if message.oid in self._catalog.types:
            return
        self._catalog.types = self._catalog.reload().with_type_message(message.oid, message.schema, message.name)

    def _track(self, relation: Relation) -> Tracked:
        flags = tuple(column.key for column in relation.columns)
        known = self._catalog.table(relation.oid) if self._may_be_captured(relation) else None
        table = self._captured_as(relation, known)
        if table is None:
            return Tracked(relation, _NOT_CAPTURED, flags, toastable=False, enums=())
        self._oids[relation.oid] = table
        if any(column.type_oid not in self._catalog.types for column in relation.columns):
            self._catalog.types = self._catalog.reload()
        types = self._catalog.types
        columns = [ShapeColumn(c.name, c.type_oid, c.typmod) for c in relation.columns]
        key = relation_key(relation, known, table, self._captured[table].key)
        shape = build_shape(table, columns, key, known, types, self._options, LOG_ROW)
        toastable = any(codec(c.type_oid, c.typmod, types, self._options).toastable for c in columns)
        return Tracked(relation, shape, flags, toastable, _enums(columns, types))

    def _may_be_captured(self, relation: Relation) -> bool:
        return relation.oid in self._oids or TableId(relation.schema, relation.name) in self._captured

    def _captured_as(self, relation: Relation, known: CatalogTable | None) -> TableId | None:
        table = TableId(relation.schema, relation.name)
        if table in self._captured:
            return table
        captured = self._oids.get(relation.oid)
        if captured is None:
            return None
        if known is not None and known.table == captured:
            return captured  # an older name of a table that the file knows by its name of today
        raise Failed(
            "table_renamed",
            f"{captured} was renamed to {table}, which is not in the file; its changes would go unseen",
            hint=f"Name {table} in the file's `tables:` and restart, or rename the table back.",
        )

    def with_new_labels(self, tracked: Tracked, row: Row) -> Row:
        """The row, under a reloaded shape where it holds an enum label that the types do not know yet (F28)."""
        unknown = [i for i, labels in tracked.enums if isinstance(cell := row.cells[i], bytes) and cell not in labels]
        if not unknown:
            return row
        self._catalog.types = self._catalog.reload()
        fresh = self._track(tracked.relation)
        for (i, labels), (_, old) in zip(fresh.enums, tracked.enums, strict=True):
            labels |= old  # noqa: PLW2901 - grows in place
            if i in unknown:
                labels.add(row.cells[i])  # a label that was renamed since is not asked for again and again
        tracked.shape, tracked.enums = fresh.shape, fresh.enums
        return row.under(fresh.shape) if fresh.shape else row


def _schema(tracked: Tracked) -> TableSchema | None:
    return tracked.shape.schema if tracked.shape else None


def relation_key(
    relation: Relation, known: CatalogTable | None, table: TableId, wanted: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Names of the key's columns, in key order.

    By the Relation's flags under DEFAULT and INDEX, since the catalog may be newer than the row (F29); by the catalog's
    primary key under FULL, where every column is flagged.
    """
    names = [column.name for column in relation.columns]
    full = relation.replica_identity == _FULL
    flagged = [column.name for column in relation.columns if column.key]
    if wanted is not None:
        return override_key(table, wanted, names, None if full else flagged)
    if full:
        return known.primary_key if known and set(known.primary_key) <= set(names) else ()
    if known is not None:
        for ordered in (known.primary_key, known.identity_index):
            if set(ordered) == set(flagged):
                return ordered
    return tuple(flagged)


def catalog_key(table: CatalogTable, names: Sequence[str], wanted: tuple[str, ...] | None) -> tuple[str, ...]:
    """The key of a table as the catalog has it now, by the same rule as ``relation_key``.

    Args:
        table: The table.
        names: The columns that are published.
        wanted: ``key:`` of the table's options.
    """
    if wanted is not None:
        return override_key(table.table, wanted, names, table.identity_columns)
    key = table.primary_key if table.identity == "f" else table.identity_columns or ()
    return key if set(key) <= set(names) else ()


def _enums(columns: Sequence[ShapeColumn], types: TypeCatalog) -> tuple[tuple[int, set[bytes]], ...]:
    found = []
    for i, column in enumerate(columns):
        info, _ = types.root(column.type_oid, column.typmod)
        if info is not None and info.typtype == "e":
            found.append((i, {label.encode() for label in info.labels}))
    return tuple(found)
