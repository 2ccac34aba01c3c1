"""Tables as ``plan`` and pattern matching see them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg

from connect.api import TableInfo
from connectors.postgres.catalog import all_tables, read_types
from connectors.postgres.chunk_sql import sent_columns
from connectors.postgres.config import inserts_publication, publication_name
from connectors.postgres.connection import connect
from connectors.postgres.errors import translate
from connectors.postgres.pgoutput import split_tuple
from connectors.postgres.publication import add_table_sql, foreign_tables, publication_exists, published_tables
from connectors.postgres.relations import ShapeColumn, build_shape, catalog_key, quoted

if TYPE_CHECKING:
    from connect.schema.model import TableId
    from connectors.postgres.catalog import CatalogTable
    from connectors.postgres.config import PostgresConfig
    from connectors.postgres.types import TypeCatalog


def discover(config: PostgresConfig) -> list[TableInfo]:
    """Every table of the database that can be captured: permanent ones, partitioned ones as their roots.

    Raises:
        Retriable, Failed: As ``connection.connect``.
    """
    with contextlib.closing(connect(config, "")) as connection:
        try:
            types, version = read_types(connection), connection.info.server_version
            return [table_info(table, types, config, version) for table in all_tables(connection)]
        except psycopg.Error as error:
            raise translate(error, "reading the catalog") from None


def uncaptured(config: PostgresConfig, group: str, connector: str) -> dict[TableId, str]:
    """Tables that the source's publications leave out and that no start of it adds: the SQL that adds each.

    A start adds them where Connect manages the publications and its role owns the tables. Empty while there is no
    publication: the first start makes it, or says why not.

    Raises:
        Retriable, Failed: As ``connection.connect``.
    """
    main = publication_name(config, group, connector)
    with contextlib.closing(connect(config, connector)) as connection:
        try:
            if not publication_exists(connection, main):
                return {}
            inserts = publication_exists(connection, inserts_publication(main))
            every = published_tables(connection, [main, inserts_publication(main)])
            changing = published_tables(connection, [main])
            left_out = [t for t in all_tables(connection) if t.table not in (changing if t.can_change else every)]
            foreign = foreign_tables(connection, left_out) if config.publication.manage else left_out
        except psycopg.Error as error:
            raise translate(error, f"{connector}: reading the publication {main}") from None
    return {table.table: add_table_sql(main, table, inserts=inserts) for table in foreign}


def table_info(table: CatalogTable, types: TypeCatalog, config: PostgresConfig, server_version: int) -> TableInfo:
    """One table as the framework describes it."""
    columns = sent_columns(table, None, server_version)
    names = [column.name for column in columns]
    shape = build_shape(
        table.table,
        [ShapeColumn(c.name, c.type_oid, c.typmod) for c in columns],
        catalog_key(table, names, None),
        table,
        types,
        config.types,
        split_tuple,
    )
    return TableInfo(
        schema=shape.schema,
        identity=table.identity_columns,
        rows=table.rows,
        bytes=table.bytes,
        can_change=table.can_change,
        notes=tuple(_notes(table, names)),
        readable=table.readable,
    )


def _notes(table: CatalogTable, sent: list[str]) -> list[str]:
    notes = []
    if not table.can_change:
        mend = f"ALTER TABLE {quoted(table.table)} REPLICA IDENTITY FULL; lets them be."
        notes.append(f"It has no replica identity: its UPDATEs and DELETEs are NOT CAPTURED. {mend}")
    if table.toast_bytes and table.identity != "f":
        notes.append(
            "Big values are kept out of line (TOAST): an UPDATE that leaves one alone does not log it, so it is read "
            f"again by key. ALTER TABLE {quoted(table.table)} REPLICA IDENTITY FULL; spares that and writes more WAL."
        )
    if table.kind == "p":
        notes.append(
            "TRUNCATE of a single partition, rows of a detached one, and rows that a table has when it is attached are "
            "not in the log (F30): `connect snapshot SOURCE FILE --table T` reads the table anew."
        )
    left_out = [column.name for column in table.columns if column.name not in sent]
    if left_out:
        notes.append(f"Generated columns that the log does not carry: {', '.join(left_out)}.")
    return notes
