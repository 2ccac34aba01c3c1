"""Values that MySQL or MariaDB made: through the source's decoders into the sink and back, the server as judge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from connect.record import Op, SinkRecord, plain_row
from connect.schema.model import TableId, TableSchema
from connectors.mysql.catalog import read_tables
from connectors.mysql.config import MysqlConfig
from connectors.mysql.connection import connect
from connectors.mysql.shapes import snapshot_shape
from connectors.mysql.text_values import select_list
from connectors.mysql.type_options import TypeOptions

if TYPE_CHECKING:
    from connect.record import RowShape
    from tests.integration.sink_mysql.conftest import Target

LINES = (Path(__file__).parents[2] / "data" / "mysql_vectors.tsv").read_text(encoding="utf-8").splitlines()
VECTORS = [line.split("\t") for line in LINES if not line.startswith("#")]
# How the sunk text becomes the source's type again, where an assignment does not do.
BACK = {"vector(3)": "TO_VECTOR({0})"}
OPTIONS = TypeOptions(bigint_unsigned="precise")


def zero_date(type_name: str, value: str) -> bool:
    """What the source publishes as null (F77)."""
    dated = type_name.startswith(("date", "timestamp"))
    return dated and any(part in value for part in ("0000-00-00", "2024-00-", "2024-02-30"))


def vectors(kind: str) -> dict[str, list[str]]:
    """Type → the SQL of its values."""
    found: dict[str, list[str]] = {}
    for type_name, server, _, _, value, *_ in VECTORS:
        if server in {"both", kind}:
            sql = type_name.replace("point srid 4326", "point")
            found.setdefault(sql, []).append(value)
    return found


def source_rows(target: Target, name: str) -> tuple[RowShape, list[list[Any]]]:
    """The table's shape, and its rows as the source decodes them."""
    config = MysqlConfig(url=target.url)
    connection = connect(config, "k")
    try:
        definition = read_tables(connection, [TableId(target.name, name)])[TableId(target.name, name)]
    finally:
        connection.close()
    shape = snapshot_shape(definition, OPTIONS)
    cells = target.raw(f"SELECT {', '.join(select_list(definition))} FROM {name} ORDER BY id")
    return shape, [
        [None if cell is None else decode(cell) for cell, decode in zip(row, shape.decode, strict=True)]
        for row in cells
    ]


def write(target: Target, schema: TableSchema, rows: list[list[Any]]) -> None:
    key, topic = TableSchema(schema.table, schema.key_columns, ("id",)), target.partition.topic
    records = [
        SinkRecord(topic, 0, offset, 0, Op.READ, plain_row(key, row[:1]), None, plain_row(schema, row), schema.table)
        for offset, row in enumerate(rows)
    ]
    assert not target.write(target.open(table="sunk"), *records).failures


def differing(target: Target, column: str, name: str) -> list[tuple[Any, ...]]:
    """(row, born, sunk) where what came back is not what was born."""
    equal = f"HEX(s.{column}) <=> HEX(b.{column}) AND s.{column} <=> b.{column}"
    if name == "json":  # a date or a decimal inside is a string or a double once it has been text
        equal = f"CAST(s.{column} AS CHAR) <=> x.{column}"
    tables = "born s JOIN back b USING (id) JOIN sunk x USING (id)"
    return target.rows(f"SELECT id, s.{column}, x.{column} FROM {tables} WHERE NOT ({equal})")


def test_F74_every_vector_of_the_server_comes_back_equal(target: Target) -> None:
    by_type = vectors("mariadb" if target.mariadb else "mysql")
    columns = {f"c{number}": name for number, name in enumerate(by_type)}
    declared = ", ".join(f"{column} {name}" for column, name in columns.items())
    target.sql("SET sql_mode = '', time_zone = '+00:00'")
    target.sql(f"CREATE TABLE born (id int PRIMARY KEY, {declared})")
    for row in range(max(map(len, by_type.values()))):
        values = [values[row] if row < len(values) else "NULL" for values in by_type.values()]
        target.sql(f"INSERT INTO born VALUES ({row}, {', '.join(values)})")

    shape, rows = source_rows(target, "born")
    write(target, shape.schema, rows)
    target.sql("CREATE TABLE back LIKE born")
    back = ", ".join(BACK.get(name, "{0}").format(column) for column, name in columns.items())
    target.sql(f"INSERT INTO back SELECT id, {back} FROM sunk")

    different = {
        (name, by_type[name][row]): seen
        for column, name in columns.items()
        for row, *seen in differing(target, column, name)
    }
    assert {vector: seen for vector, seen in different.items() if not zero_date(*vector)} == {}
