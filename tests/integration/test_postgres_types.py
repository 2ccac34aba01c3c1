"""Types on real servers, of every version that the machine has: the log and COPY give one value (F74)."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from connect.errors import Failed
from connect.local.postgres import BUNDLED_VERSION, postgres_versions
from connect.schema.model import NO_DEFAULT
from connectors.postgres import pgoutput
from connectors.postgres.types import CATALOG_SQL, TypeCatalog, TypeInfo, TypeOptions, codec, constant_default

pytestmark = pytest.mark.stack

LINES = (Path(__file__).parents[1] / "data" / "postgres_vectors.tsv").read_text(encoding="utf-8").splitlines()
VECTORS = [(line.split("\t")[0], json.loads(line.split("\t")[3])) for line in LINES if not line.startswith("#")]
EXTENSIONS = ["citext", "hstore", "ltree", "isn", "cube", "seg", "vector"]
OWN_TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
ALTER TYPE mood ADD VALUE 'happy';
ALTER TYPE mood ADD VALUE 'glum' BEFORE 'ok';
CREATE TYPE addr AS (street text, zip int, place point);
CREATE TYPE floatrange AS RANGE (subtype = float8);
CREATE DOMAIN posint AS int CHECK (value > 0);
CREATE DOMAIN d_num AS numeric(10,3);
CREATE DOMAIN d_d_num AS d_num;
CREATE DOMAIN d_arr AS int[];
CREATE DOMAIN d_vc AS varchar(5);
CREATE TABLE loner (id int);
CREATE TABLE of_table (id int, t loner, ts loner[]);
"""
# Settings that would change the text of values if the session did not pin them (types.md A2; A15, 27).
HOSTILE = {"DateStyle": "'SQL, DMY'", "IntervalStyle": "iso_8601", "bytea_output": "escape"}
HOSTILE |= {"extra_float_digits": "'-15'", "TimeZone": "'Asia/Kolkata'"}
PINNED = "-c DateStyle=ISO -c IntervalStyle=postgres -c TimeZone=UTC -c bytea_output=hex -c extra_float_digits=3"


class Database:
    """One database in which every vector was written, read from the log and by COPY."""

    def __init__(self, connection) -> None:
        self.connection = connection
        self.version = self.connection.info.server_version // 10_000
        self.run = self.connection.execute
        for extension in self.available():
            self.run(f"CREATE EXTENSION {extension}")
        self.run(OWN_TYPES)
        self.run("CREATE PUBLICATION p FOR ALL TABLES")
        self.run("SELECT pg_create_logical_replication_slot('c_types', 'pgoutput')")
        self.tables = self._write()
        self.catalog = TypeCatalog.from_rows(self.run(CATALOG_SQL).fetchall())
        self.streamed, self.columns = self._stream()
        self.copied = self._copy()

    def available(self):
        """Those of our extensions that the server has."""
        names = [row[0] for row in self.run("SELECT name FROM pg_available_extensions").fetchall()]
        return [extension for extension in EXTENSIONS if extension in names]

    def _write(self):
        """Table → [(type, text form)] of the vectors that this server takes."""
        written, self.refused = {}, set()
        for type_name, text in VECTORS:
            try:
                self._insert(written, type_name, text)
            except psycopg.Error:
                self.refused.add((type_name, text))
        return written

    def _insert(self, written, type_name, text):
        table = f"t_{type_name}".replace('"', "'")
        if table not in written:
            self.run(f'CREATE TABLE "{table}" (n int PRIMARY KEY, v {type_name})')
            written[table] = []
        literal = text.replace("'", "''")
        self.run(f"""INSERT INTO "{table}" VALUES ({len(written[table])}, '{literal}'::{type_name})""")
        written[table].append((type_name, text))

    def _stream(self):
        """(type, text form) → cell, and table → the column as the Relation message describes it."""
        cells, columns, names = {}, {}, {}
        changes = (
            "pg_logical_slot_get_binary_changes('c_types', NULL, NULL, 'proto_version', '1', 'publication_names', 'p')"
        )
        for (data,) in self.run(f"SELECT data FROM {changes}").fetchall():
            match pgoutput.parse(data, streaming=False):
                case pgoutput.Relation() as relation:
                    names[relation.oid] = relation.name
                    columns[relation.name] = relation.columns[1]
                case pgoutput.Insert() as insert:
                    number, cell = pgoutput.split_tuple(insert.new)
                    cells[self.tables[names[insert.oid]][int(number)]] = cell
        return cells, columns

    def _copy(self):
        cells = {}
        for table, rows in self.tables.items():
            with self.connection.cursor().copy(f'COPY (SELECT n, v FROM "{table}") TO STDOUT') as copy:
                data = b"".join(bytes(part) for part in copy)
            for line in data.splitlines(keepends=True):
                number, cell = pgoutput.tuple_of_copy_text(line)
                cells[rows[int(number)]] = cell
        return cells

    def codec(self, type_name, options=None):
        column = self.columns[f"t_{type_name}".replace('"', "'")]
        return codec(column.type_oid, column.typmod, self.catalog, options or TypeOptions())

    def decoded(self, cells):
        return {(name, text): repr(decode(self.codec(name), cell)) for (name, text), cell in cells.items()}


def decode(column, cell):
    try:
        return column.decode(cell)
    except Failed as failure:
        return failure.code


@pytest.fixture(scope="module", params=postgres_versions())
def database(stack, request):
    version = request.param
    server = stack.postgres if version == BUNDLED_VERSION else stack.new_postgres(f"types-{version}", version=version)
    url = server.create_database("c_types")
    for name, value in HOSTILE.items():
        server.execute(f"ALTER DATABASE c_types SET {name} = {value}")
    with psycopg.connect(url, options=PINNED, client_encoding="UTF8", autocommit=True) as connection:
        yield Database(connection)
        connection.execute("SELECT pg_drop_replication_slot('c_types')")


def test_F74_the_log_and_copy_give_one_value_for_every_vector(database):
    assert database.decoded(database.streamed) == database.decoded(database.copied)


def test_the_server_prints_the_text_forms_of_the_vectors_whatever_its_settings(database):
    assert database.streamed == {(name, text): text.encode() for name, text in database.streamed}


def test_only_what_the_version_lacks_is_missing(database):
    (built,) = database.run("SELECT setting FROM pg_config WHERE name = 'CONFIGURE'").fetchone()
    lacking = set() if "libxml" in built else {"xml"}
    lacking |= set() if "vector" in database.available() else {"vector", "halfvec", "sparsevec"}
    expected = {(name, text) for name, text in VECTORS if name.partition("[")[0].partition("(")[0] in lacking}
    if database.version < 17:
        expected |= {("interval", "infinity"), ("interval", "-infinity")}

    assert database.refused == expected
    assert len(database.streamed) == len(set(VECTORS) - expected)


def test_no_value_of_any_type_is_taken_for_broken(database):
    broken = [row for row, value in database.decoded(database.streamed).items() if value == "'undecodable_value'"]

    assert broken == []


def test_the_built_in_types_are_those_of_the_server(database):
    rows = database.run(
        "SELECT oid::int8, typname, typtype::text, typlen = -1 AND typstorage <> 'p', typelem::int8, typdelim::text"
        " FROM pg_type WHERE oid < 10000 AND typtype IN ('b', 'r', 'm') AND typname NOT LIKE '\\_pg\\_%'"
        " AND typname <> '_cstring'"
    ).fetchall()
    known = TypeCatalog()

    assert [row for row in rows if row[0] not in known] == []
    for oid, name, typtype, toastable, element, delimiter in rows:
        info = known[oid]
        assert (info.name, info.typtype, info.toastable) == (name, typtype, toastable)
        assert info.element_oid == (element if name.startswith("_") else 0)
        assert info.delimiter == delimiter or name == "_box"


def test_the_catalog_knows_enums_in_sort_order_and_what_domains_are_made_of(database):
    by_name = {info.name: info for info in database.catalog.values()}

    assert by_name["mood"].labels == ("sad", "glum", "ok", "happy")
    assert database.catalog.root(by_name["d_d_num"].oid, -1)[1] == (10 << 16 | 3) + 4
    assert by_name["addr"].typtype == "c"
    assert by_name["_addr"].element_oid == by_name["addr"].oid


def test_the_catalog_leaves_out_the_types_of_tables_that_no_column_uses(database):
    names = {info.name for info in database.catalog.values()}

    assert {"loner", "_loner"} <= names
    assert "of_table" not in names


def test_a_domain_is_told_by_its_type_message_as_by_the_catalog(database):
    posint = next(info for info in database.catalog.values() if info.name == "posint")
    told = TypeCatalog().with_type_message(posint.oid, "pg_catalog", "int4")

    assert told[posint.oid] == TypeInfo(posint.oid, "pg_catalog", "int4", "d", base_oid=23)
    assert codec(posint.oid, -1, told, TypeOptions()).type == codec(23, -1, told, TypeOptions()).type


CONSTANTS = {
    "boolean": "true",
    "smallint": "7",
    "integer": "-1",
    "bigint": "5000000000",
    "real": "1.5",
    "double precision": "'NaN'",
    "numeric": "1.10",
    "numeric(10,2)": "1.005",
    "money": "1234.5",
    "text": "'it''s \\ \"quoted\"'",
    "varchar(9)": "'abc'",
    "char(5)": "'abc'",
    "bytea": "'\\x00ff'",
    "date": "'0044-03-15 BC'",
    "time(3)": "'13:51:30.123'",
    "time(0)": "'13:51:30.7'",
    "timestamp": "'infinity'",
    "timestamptz(3)": "'2020-01-01 00:00:00+01'",
    "timetz": "'24:00:00+00'",
    "interval": "'1 year 2 mons 3 days 04:05:06.78'",
    "bit(3)": "B'101'",
    "varbit": "B'0101'",
    "uuid": "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
    "json": """'{"a":  1}'""",
    "jsonb": """'{"a":  1}'""",
    "inet": "'10.0.0.1'",
    "point": "'(1,2)'",
    "int[]": "'{1,NULL,3}'",
    "text[]": """'{"a,b",NULL,"q\\"q"}'""",
    "mood": "'ok'",
    "mood[]": "'{sad,ok}'",
    "d_d_num": "1.5",
    "hstore": "'a=>1'",
    "int4range": "'[1,3)'",
}


def test_F107_a_constant_default_is_what_the_server_writes(database):
    wrong = {}
    for type_name, expression in CONSTANTS.items():
        database.run(f"CREATE TEMPORARY TABLE d (n int, v {type_name} DEFAULT {expression})")
        database.run("INSERT INTO d VALUES (1)")
        with database.connection.cursor().copy("COPY d (v) TO STDOUT") as copy:
            (cell,) = pgoutput.tuple_of_copy_text(b"".join(bytes(part) for part in copy))
        oid, typmod, default = database.run(
            "SELECT atttypid::int8, atttypmod, pg_get_expr(adbin, adrelid) FROM pg_attribute"
            " JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = 'd'::regclass"
        ).fetchone()
        database.run("DROP TABLE d")
        column = codec(oid, typmod, database.catalog, TypeOptions())
        value = constant_default(default, column)
        if repr(value) != repr(column.decode(cell)):
            wrong[type_name] = (default, value)

    # Postgres converts these literals on insert; no guess is made.
    assert wrong == {
        "money": ("1234.5", NO_DEFAULT),
        "time(0)": ("'13:51:30.7'::time without time zone", NO_DEFAULT),
    }
