"""Tables as ``plan`` and pattern matching see them."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pymysql

from connect.api import TableInfo
from connectors.mysql.catalog import read_sizes, read_tables
from connectors.mysql.connection import connect
from connectors.mysql.errors import translate
from connectors.mysql.server import read_server
from connectors.mysql.shapes import snapshot_shape
from connectors.mysql.types import BLOB_TYPES, GEOMETRY_TYPES, TEXT_TYPES, logical

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.mysql.columns import Column, TableDefinition
    from connectors.mysql.config import MysqlConfig
    from connectors.mysql.server import Server


def discover(config: MysqlConfig) -> list[TableInfo]:
    """Every base table that the account may read, of all databases but the server's own.

    Raises:
        Retriable, Failed: As ``connection.connect``.
    """
    with contextlib.closing(connect(config, "")) as connection:
        try:
            server = read_server(connection)
            found = read_tables(connection)
            sizes = read_sizes(connection, list(found))
        except pymysql.Error as error:
            raise translate(error, "reading the catalogue") from None
    return [table_info(table, config, server, sizes.get(table.table, (0, 0))) for table in found.values()]


def table_info(table: TableDefinition, config: MysqlConfig, server: Server, size: tuple[int, int]) -> TableInfo:
    """One table as the framework describes it."""
    known = [column for column in table.columns if logical(column, config.types) is not None]
    return TableInfo(
        schema=snapshot_shape(replace(table, columns=tuple(known)), config.types).schema,
        identity=_identity(table, server.row_image),
        rows=size[0],
        bytes=size[1],
        notes=tuple(_notes(table, [column for column in table.columns if column not in known])),
    )


def _identity(table: TableDefinition, row_image: str) -> tuple[str, ...] | None:
    """The columns that the log has of an old row; a session may have it otherwise (F47)."""
    if row_image == "MINIMAL":
        return table.primary_key or None
    if row_image == "NOBLOB":
        return tuple(
            column.name for column in table.columns if not _is_blob(column) or column.name in table.primary_key
        )
    return None


def _is_blob(column: Column) -> bool:
    kinds = (TEXT_TYPES - {"char", "varchar"}) | (BLOB_TYPES - {"binary", "varbinary"}) | {*GEOMETRY_TYPES, "json"}
    return column.data_type in kinds


def _notes(table: TableDefinition, unknown: Sequence[Column]) -> Iterator[str]:
    for column in unknown:
        yield f"The type of column {column.name}, {column.data_type}, is not known: captured, it stops the source."
    if (table.engine or "").lower() != "innodb":
        yield f"Its engine is {table.engine}: changes show before they are in the log, and rollbacks keep them (F71)."
    if not table.unique_keys and not table.primary_key:
        yield "It has no key: it is read whole under one database snapshot while the stream waits."
