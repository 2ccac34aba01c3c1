"""Tables as the server's catalog describes them now; the log may be older (F29)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connect.schema.model import TableId
from connectors.postgres.types import CATALOG_SQL, TypeCatalog

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import psycopg


class CatalogColumn(NamedTuple):
    """One column.

    Attributes:
        name: Its name.
        type_oid: Of its type.
        typmod: Its modifier; -1 for none.
        type_name: As SQL has it.
        not_null: Whether it may not be null.
        default: An expression's text, or None.
        comment: Its comment.
        generated: "" or s (stored) or v (virtual).
        missing: Rows from before it was added have this value, as text; None for null.
    """

    name: str
    type_oid: int
    typmod: int
    type_name: str
    not_null: bool
    default: str | None
    comment: str | None
    generated: str
    missing: str | None = None


class CatalogTable(NamedTuple):
    """One table.

    Attributes:
        oid: Of the table, with its name in ``table``.
        kind: r table, p partitioned table.
        identity: Replica identity: d default, n nothing, f full, i index.
        columns: In table order, dropped ones left out.
        primary_key: Names in key order; empty without one.
        identity_index: Names of the replica identity index, in key order.
        unique_keys: Every unique, immediate, whole index over NOT NULL columns, the primary key first (rule N4).
        row_security: Whether row-level security is on (F31).
        rows: Estimate; -1 where the server never counted. Partitions included.
        bytes: Size without indexes, partitions included.
        toast_bytes: Of it, values kept out of line, which the log does not repeat while they stay unchanged.
        readable: Whether this role may read it, or some columns of it.
    """

    oid: int
    table: TableId
    kind: str
    identity: str
    columns: tuple[CatalogColumn, ...]
    primary_key: tuple[str, ...]
    identity_index: tuple[str, ...]
    unique_keys: tuple[tuple[str, ...], ...]
    row_security: bool
    rows: int
    bytes: int
    toast_bytes: int = 0
    readable: bool = True

    @property
    def identity_columns(self) -> tuple[str, ...] | None:
        """What the log carries of an old row: None for all columns, empty for nothing."""
        match self.identity:
            case "f":
                return None
            case "d":
                return self.primary_key
            case "i":
                return self.identity_index
            case _:
                return ()

    @property
    def can_change(self) -> bool:
        """Whether its UPDATEs and DELETEs may be published without failing in the application (F21)."""
        return self.identity_columns is None or bool(self.identity_columns)


_TABLES: Final = """
SELECT c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text, c.relreplident::text, c.relrowsecurity,
       CASE WHEN c.relkind = 'p'
            THEN (SELECT coalesce(sum(greatest(p.reltuples, 0)), 0) FROM pg_catalog.pg_partition_tree(c.oid) t
                    JOIN pg_catalog.pg_class p ON p.oid = t.relid WHERE t.isleaf)
            WHEN c.reltuples <= 0 AND c.relpages = 0  -- never counted; 0, not -1, before Postgres 14
            THEN CASE WHEN pg_catalog.pg_relation_size(c.oid) > 0 THEN -1 ELSE 0 END
            ELSE c.reltuples END::int8,
       CASE WHEN c.relkind = 'p'
            THEN (SELECT coalesce(sum(pg_catalog.pg_table_size(t.relid)), 0)
                    FROM pg_catalog.pg_partition_tree(c.oid) t WHERE t.isleaf)
            ELSE pg_catalog.pg_table_size(c.oid) END::int8,
       CASE WHEN c.relkind = 'p'
            THEN (SELECT coalesce(sum(pg_catalog.pg_relation_size(p.reltoastrelid)), 0)
                    FROM pg_catalog.pg_partition_tree(c.oid) t
                    JOIN pg_catalog.pg_class p ON p.oid = t.relid WHERE t.isleaf AND p.reltoastrelid <> 0)
            WHEN c.reltoastrelid <> 0 THEN pg_catalog.pg_relation_size(c.reltoastrelid)
            ELSE 0 END::int8,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT')
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
"""
_BY_OID: Final = " AND c.oid = ANY(%s::oid[])"
_BY_NAME: Final = " AND (n.nspname, c.relname) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"
_CAPTURABLE: Final = r"""
   AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
 ORDER BY n.nspname, c.relname
"""
_COLUMNS: Final = """
SELECT a.attrelid::int8, a.attname::text, a.atttypid::int8, a.atttypmod,
       pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
       CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
       pg_catalog.col_description(a.attrelid, a.attnum), a.attgenerated::text,
       CASE WHEN a.atthasmissing THEN (a.attmissingval::text::text[])[1] END
  FROM pg_catalog.pg_attribute a
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = ANY(%s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum
"""
_KEYS: Final = """
SELECT i.indrelid::int8, i.indisprimary, i.indisreplident, array_agg(a.attname::text ORDER BY k.ordinality),
       bool_and(a.attnotnull)
  FROM pg_catalog.pg_index i
  JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, ordinality) ON k.ordinality <= i.indnkeyatts
  JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
 WHERE i.indrelid = ANY(%s::oid[]) AND i.indisunique AND i.indimmediate AND i.indisvalid
   AND i.indpred IS NULL AND i.indexprs IS NULL
 GROUP BY i.indexrelid, i.indrelid, i.indisprimary, i.indisreplident
 ORDER BY i.indisprimary DESC, i.indisreplident DESC, count(*), i.indexrelid
"""


class Key(NamedTuple):
    """One unique index of a table."""

    primary: bool
    identity: bool
    names: tuple[str, ...]
    not_null: bool


def tables_by_name(connection: psycopg.Connection[Any], names: Iterable[TableId]) -> dict[TableId, CatalogTable]:
    """The tables of these names that exist; partitions and views are not among them unless named."""
    wanted = list(names)
    rows = connection.execute(_TABLES + _BY_NAME, ([t.schema for t in wanted], [t.name for t in wanted])).fetchall()
    return {table.table: table for table in _complete(connection, rows)}


def table_by_oid(connection: psycopg.Connection[Any], oid: int) -> CatalogTable | None:
    """The table of this OID, or None when it was dropped."""
    return next(iter(_complete(connection, connection.execute(_TABLES + _BY_OID, ([oid],)).fetchall())), None)


def all_tables(connection: psycopg.Connection[Any]) -> list[CatalogTable]:
    """Every table that can be captured, partitioned ones as their roots."""
    return _complete(connection, connection.execute(_TABLES + _CAPTURABLE).fetchall())


def read_types(connection: psycopg.Connection[Any]) -> TypeCatalog:
    """The database's types."""
    return TypeCatalog.from_rows(connection.execute(CATALOG_SQL).fetchall())


def _complete(connection: psycopg.Connection[Any], rows: Collection[tuple[Any, ...]]) -> list[CatalogTable]:
    oids = [row[0] for row in rows]
    columns: dict[int, list[CatalogColumn]] = {oid: [] for oid in oids}
    for oid, *column in connection.execute(_COLUMNS, (oids,)).fetchall():
        columns[oid].append(CatalogColumn(*column))
    keys: dict[int, list[Key]] = {oid: [] for oid in oids}
    for oid, primary, identity, names, not_null in connection.execute(_KEYS, (oids,)).fetchall():
        keys[oid].append(Key(primary, identity, tuple(names), not_null))
    return [_table(row, columns[row[0]], keys[row[0]]) for row in rows]


def _table(row: tuple[Any, ...], columns: list[CatalogColumn], keys: list[Key]) -> CatalogTable:
    oid, schema, name, kind, identity, row_security, tuples, size, toast, readable = row
    return CatalogTable(
        oid=oid,
        table=TableId(schema, name),
        kind=kind,
        identity=identity,
        columns=tuple(columns),
        primary_key=next((key.names for key in keys if key.primary), ()),
        identity_index=next((key.names for key in keys if key.identity), ()),
        unique_keys=tuple(key.names for key in keys if key.not_null),
        row_security=row_security,
        rows=tuples,
        bytes=size,
        toast_bytes=toast,
        readable=readable,
    )
