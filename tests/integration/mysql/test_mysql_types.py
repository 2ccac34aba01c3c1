"""Types on real servers: the log and the text protocol give one value, that of the vectors (F74, types.md A9-A13)."""

from __future__ import annotations

import contextlib
import itertools
import json
import uuid
from pathlib import Path

import pytest

from connect.api import TableOptions
from connect.api.source import SourceContext
from connect.errors import Failed
from connect.local.mariadb import VERSIONS
from connect.record import UNAVAILABLE, Op, Row
from connect.schema.model import TableId
from connectors.mysql.catalog import read_tables
from connectors.mysql.config import MysqlConfig
from connectors.mysql.connection import connect
from connectors.mysql.shapes import snapshot_shape
from connectors.mysql.source import MysqlSource
from connectors.mysql.text_values import select_list

pytestmark = pytest.mark.stack

LINES = (Path(__file__).parents[2] / "data" / "mysql_vectors.tsv").read_text(encoding="utf-8").splitlines()
VECTORS = [line.split("\t") for line in LINES if not line.startswith("#")]


class World:
    """A database of a test's own on one server, a source that follows it, and the same rows as text."""

    def __init__(self, server, spool) -> None:
        self.server = server
        self.database = f"v_types_{uuid.uuid4().hex[:10]}"
        self._spool = spool
        self._resources = contextlib.ExitStack()
        server.create_database(self.database)
        self._session = self._resources.enter_context(contextlib.closing(server.connect(self.database)))
        self.sql("SET sql_mode = '', time_zone = '+00:00', character_set_client = utf8mb4")

    def sql(self, *statements):
        """Run them in one session."""
        with self._session.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        self._session.commit()

    def follow(self, *tables, **types):
        """A source that starts here."""
        self._spool.mkdir(exist_ok=True)
        config = MysqlConfig(url=self.server.address, types=types)
        captured = {TableId(self.database, table): TableOptions() for table in tables}
        source = MysqlSource(config, SourceContext("v", "types", captured, self._spool))
        self._resources.callback(source.close)
        source.open(None)
        return source

    def texts(self, table, **types):
        """The table's rows by the text protocol."""
        config = MysqlConfig(url=self.server.address, types=types)
        with contextlib.closing(connect(config, "v")) as connection:
            name = TableId(self.database, table)
            definition = read_tables(connection, [name])[name]
            connection.undecoded()
            shape = snapshot_shape(definition, config.types)
            query = f"SELECT {', '.join(select_list(definition))} FROM {self.database}.`{table}` ORDER BY 1"
            return [Row(shape, packet) for packet in connection.select(query)]

    def close(self):
        self._resources.close()
        self.server.execute(f"DROP DATABASE {self.database}")


def changes(source, count):
    """So many changes of the stream."""
    found = []
    for _ in range(200):
        batch = source.read(0.1)
        found += batch.events if batch is not None else ()
        if len(found) >= count:
            return found
    raise AssertionError(f"{len(found)} changes of {count}")


@pytest.fixture(params=["mysql", "mariadb"])
def world(stack, request, tmp_path):
    made = World(getattr(stack, request.param), tmp_path / "spool")
    made.kind = request.param
    yield made
    made.close()


@pytest.fixture
def mysql(stack, tmp_path):
    made = World(stack.mysql, tmp_path / "spool")
    yield made
    made.close()


@pytest.fixture
def mariadb(stack, tmp_path):
    made = World(stack.mariadb, tmp_path / "spool")
    yield made
    made.close()


def vectors_of(kind):
    """Type → SQL of its values, those that this kind of server knows."""
    found = {}
    for type_name, server, *_, sql, _, _ in VECTORS:
        if server in {"both", kind}:
            found.setdefault(type_name, []).append(sql)
    return found


def test_F74_every_vector_is_one_value_in_the_log_and_in_a_snapshot(world):
    types = vectors_of(world.kind)
    tables = {f"t{n}": type_name for n, type_name in enumerate(types)}
    for table, type_name in tables.items():
        world.sql(f"CREATE TABLE {table} (id int PRIMARY KEY, v {type_name}) CHARACTER SET utf8mb4")
    source = world.follow(*tables, bigint_unsigned="precise")
    for table, type_name in tables.items():
        rows = ", ".join(f"({i}, {sql})" for i, sql in enumerate((*types[type_name], "NULL")))
        world.sql(f"INSERT INTO {table} VALUES {rows}")

    events = changes(source, sum(map(len, types.values())) + len(tables))

    for table, type_name in tables.items():
        streamed = [event.after for event in events if event.table.name == table]
        read = world.texts(table, bigint_unsigned="precise")
        assert [repr(row.to_dict()) for row in read] == [repr(row.to_dict()) for row in streamed], type_name
        assert {row.shape.schema for row in read} | {row.shape.schema for row in streamed} == {read[0].shape.schema}


def test_columns_of_every_type_side_by_side_are_told_apart(world):
    """Signs and character sets stand in the log as lists over some of the columns."""
    types = vectors_of(world.kind)
    rows = list(itertools.zip_longest(*types.values(), fillvalue="NULL"))
    columns = ", ".join(f"c{n} {type_name} NULL" for n, type_name in enumerate(types))
    world.sql("SET innodb_strict_mode = OFF", f"CREATE TABLE t (id int PRIMARY KEY, {columns}) CHARACTER SET utf8mb4")
    source = world.follow("t", bigint_unsigned="precise")
    world.sql(*(f"INSERT INTO t VALUES ({i}, {', '.join(row)})" for i, row in enumerate(rows)))

    events = changes(source, len(rows))

    assert [repr(event.after) for event in events] == [repr(row) for row in world.texts("t", bigint_unsigned="precise")]


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS[1:])
def test_F74_other_versions_of_mariadb_give_one_value_too(stack, version, tmp_path):
    server = stack.new_mariadb(f"v_types_{version.replace('.', '_')}", version=version)
    world = World(server, tmp_path / "spool")
    types = vectors_of("mariadb")
    if version == "11.8":
        types["vector(3)"] = ["VEC_FromText('[1,-2.5,3.25]')"]
        types["timestamp(6) null "] = ["'2106-02-07 06:28:15.999999'", "'2038-01-19 03:14:08'"]
    rows = list(itertools.zip_longest(*types.values(), fillvalue="NULL"))
    columns = ", ".join(f"c{n} {type_name} NULL" for n, type_name in enumerate(types))
    world.sql("SET innodb_strict_mode = OFF", f"CREATE TABLE t (id int PRIMARY KEY, {columns}) CHARACTER SET utf8mb4")
    source = world.follow("t", bigint_unsigned="precise")
    world.sql(*(f"INSERT INTO t VALUES ({i}, {', '.join(row)})" for i, row in enumerate(rows)))

    events = changes(source, len(rows))

    read = world.texts("t", bigint_unsigned="precise")
    world.close()
    server.stop()
    assert [repr(event.after) for event in events] == [repr(row) for row in read]


def test_the_vectors_are_what_the_server_writes(world):
    """Nothing is compared with itself: the bytes of the vectors are those in the log."""
    types = vectors_of(world.kind)
    tables = {f"t{n}": type_name for n, type_name in enumerate(types)}
    for table, type_name in tables.items():
        world.sql(f"CREATE TABLE {table} (v {type_name}) CHARACTER SET utf8mb4")
    source = world.follow(*tables)
    for table, type_name in tables.items():
        world.sql(*(f"INSERT INTO {table} VALUES ({sql})" for sql in types[type_name]))

    events = changes(source, sum(map(len, types.values())))

    written = {}
    for event in events:
        written.setdefault(tables[event.table.name], []).append(event.after.data[1:].hex())
    wanted = {}
    for type_name, server, *_, row_bytes, _ in VECTORS:
        if server in {"both", world.kind}:
            wanted.setdefault(type_name, []).append(row_bytes)
    assert written == wanted


def test_F78_every_character_set_of_the_server_decodes_or_is_refused_by_name(world):
    sets = [
        name for (name,) in world.server.execute("SELECT character_set_name FROM information_schema.character_sets")
    ]
    lacking = {"armscii8", "dec8", "eucjpms", "geostd8", "keybcs2", "swe7"}
    texts = ["plain", "é", "ÿ€", "žš", "Жя", "あア亜", "中文", "한글", "ωΩ", "שלום", "😀", "end  ", "a\0"]
    literals = [f"_utf8mb4 x'{text.encode().hex()}'" for text in texts]
    values = ", ".join(f"({i}, {literal}, {literal})" for i, literal in enumerate(literals))
    named = [name for name in sets if name != "binary"]
    for name in named:
        world.sql(f"CREATE TABLE {name}_t (id int PRIMARY KEY, v varchar(20), c char(9)) CHARACTER SET {name}")
    source = world.follow(*(f"{name}_t" for name in named))
    for name in named:
        world.sql(f"INSERT INTO {name}_t VALUES {values}")

    events = changes(source, len(named) * len(texts))

    for name in named:
        rows = [event.after for event in events if event.table.name == f"{name}_t"]
        if name in lacking:
            with pytest.raises(Failed, match=f"column v: its character set {name}"):
                rows[0]["v"]
            continue
        in_utf8 = "HEX(CONVERT({} USING utf8mb4))".format
        asked = f"SELECT {in_utf8('v')}, {in_utf8('c')} FROM {world.database}.{name}_t ORDER BY id"
        printed = [[bytes.fromhex(text).decode() for text in row] for row in world.server.execute(asked)]
        assert [row.values()[1:] for row in rows] == printed
        assert [row.values()[1:] for row in world.texts(f"{name}_t")] == printed


def test_F76_labels_are_in_their_columns_character_set(world):
    world.sql(
        "CREATE TABLE t (id int PRIMARY KEY, a enum('é','x') CHARACTER SET latin1, b enum('あ','x') CHARACTER SET sjis,"
        " c set('é','あ') CHARACTER SET utf8mb4, d enum('x','é') CHARACTER SET utf16,"
        " e enum('x','y') CHARACTER SET binary)"
    )
    source = world.follow("t")
    world.sql("INSERT INTO t VALUES (1, 'é', 'あ', 'é,あ', 'é', 'y'), (2, '', 'x', '', NULL, 1)")

    events = changes(source, 2)

    first, second = (event.after.values()[1:] for event in events)
    assert first == ["é", "あ", "é,あ", "é", "y"]
    assert second == ["", "x", "", None, "x"]
    assert world.texts("t") == [event.after for event in events]
    allowed = [field.type.parameter("allowed") for field in events[0].shape.schema.columns[1:]]
    assert allowed == ["é,x", "あ,x", "é,あ", "x,é", "x,y"]


def test_F47_a_minimal_row_image_leaves_values_unavailable_never_null(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY, a int, b varchar(10), c int DEFAULT 7)")
    world.sql("INSERT INTO t VALUES (1, 1, 'x', 1)")
    source = world.follow("t")
    world.sql(
        "SET binlog_row_image = MINIMAL",
        "UPDATE t SET a = NULL",
        "DELETE FROM t",
        "INSERT INTO t (id, a) VALUES (2, 3)",
    )

    update, delete, insert = changes(source, 3)

    assert update.before.to_dict() == {"id": 1, "a": UNAVAILABLE, "b": UNAVAILABLE, "c": UNAVAILABLE}
    assert update.after.to_dict() == {"id": 1, "a": None, "b": UNAVAILABLE, "c": UNAVAILABLE}
    assert delete.before.to_dict() == {"id": 1, "a": UNAVAILABLE, "b": UNAVAILABLE, "c": UNAVAILABLE}
    assert (insert.op, insert.after["id"], insert.after["a"]) == (Op.CREATE, 2, 3)
    assert insert.after["b"] is not None


def test_F47_an_image_without_blobs_keeps_the_old_value_where_the_log_has_it(world):
    world.sql("CREATE TABLE t (id int PRIMARY KEY, a int, b text)")
    world.sql("INSERT INTO t VALUES (1, 1, 'x')")
    source = world.follow("t")
    world.sql("SET binlog_row_image = NOBLOB", "UPDATE t SET a = 2", "UPDATE t SET b = 'y'")

    first, second = changes(source, 2)

    assert first.before.to_dict() == {"id": 1, "a": 1, "b": UNAVAILABLE}
    assert first.after.to_dict() == {"id": 1, "a": 2, "b": UNAVAILABLE}
    assert second.after.to_dict() == {"id": 1, "a": 2, "b": "y"}


def test_F47_images_without_repetitions_are_whole(mariadb):
    mariadb.sql("CREATE TABLE t (id int PRIMARY KEY, a int, b text)")
    mariadb.sql("INSERT INTO t VALUES (1, 1, 'x')")
    source = mariadb.follow("t")
    mariadb.sql("SET binlog_row_image = FULL_NODUP", "UPDATE t SET a = 2")

    (update,) = changes(source, 1)

    assert update.before.to_dict() == {"id": 1, "a": 1, "b": "x"}
    assert update.after.to_dict() == {"id": 1, "a": 2, "b": "x"}


def test_F47_a_key_that_the_image_lacks_stops_the_source(world):
    world.sql("CREATE TABLE t (id int, k int NOT NULL, a int, PRIMARY KEY (id))", "INSERT INTO t VALUES (1, 2, 3)")
    source = world.follow("t")
    source._context.tables[TableId(world.database, "t")] = TableOptions(key=("k",))
    world.sql("SET binlog_row_image = MINIMAL", "UPDATE t SET a = 4")

    with pytest.raises(Failed) as failure:
        changes(source, 1)

    assert failure.value.code == "partial_image"
    assert "key column k" in failure.value.message


DOCUMENT = json.dumps({"a": {"b": [1, 2, {"c": "x" * 100}]}, "name with blank": "y" * 100, "z": 3, "é": [1.5, None]})
# Each changes the document that the one before left.
PARTIAL = [
    "JSON_SET(j, '$.a.b[1]', 99)",
    "JSON_REMOVE(j, '$.z')",
    "JSON_SET(j, '$.\"name with blank\"', 'short')",
    "JSON_REPLACE(j, '$.a.b[2].c', CAST('2024-01-02' AS DATE))",
    "JSON_SET(j, '$.é[0]', 2.5, '$.a.b[0]', true)",
    "JSON_REMOVE(j, '$.a.b[0]')",
    "JSON_SET(j, '$.a.b[0]', JSON_OBJECT('k', 1))",
]


@pytest.mark.parametrize("image", ["FULL", "NOBLOB"])
def test_F54_partial_updates_of_json_give_the_whole_document(mysql, image):
    mysql.sql("CREATE TABLE t (id int PRIMARY KEY, pad json, j json)")
    mysql.sql(f"INSERT INTO t VALUES (1, '[]', _utf8mb4 x'{DOCUMENT.encode().hex()}')")
    source = mysql.follow("t")
    mysql.sql(f"SET binlog_row_image = {image}, binlog_row_value_options = PARTIAL_JSON")
    want = []
    for change in PARTIAL:
        mysql.sql(f"UPDATE t SET j = {change}")
        want.append(mysql.texts("t")[0]["j"])

    events = changes(source, len(PARTIAL))

    got = [event.after["j"] for event in events]
    assert all(one is UNAVAILABLE or one == other for one, other in zip(got, want, strict=True))
    if image == "FULL":
        assert got == want


def test_F54_a_partial_update_without_the_old_document_is_unavailable(mysql):
    mysql.sql("CREATE TABLE t (id int PRIMARY KEY, pad json, j json)")
    mysql.sql(f"INSERT INTO t VALUES (1, '[]', _utf8mb4 x'{DOCUMENT.encode().hex()}')")
    source = mysql.follow("t")
    mysql.sql("SET binlog_row_image = MINIMAL, binlog_row_value_options = PARTIAL_JSON")
    mysql.sql("UPDATE t SET j = JSON_SET(j, '$.z', 4)")

    (update,) = changes(source, 1)

    assert (update.after["id"], update.after["pad"], update.after["j"]) == (1, UNAVAILABLE, UNAVAILABLE)


JSON_TEXTS = [
    *(
        "1.0",
        "-0.0",
        "1e15",
        "1e16",
        "123456789012345.5",
        "1e-5",
        "1e-14",
        "1e-15",
        "1.5e300",
        "5e-324",
        "0.1",
        "100.0",
    ),
    *("1e14", "123456789012345678.0", "0.000123", "1.7976931348623157e308", "2.5e-310", "1e22", "-1.25e-7"),
    *("18446744073709551615", "-9223372036854775808", "65536", "-32769", "4294967296"),
    '"\\u0001\\t\\n\\b\\f\\r\\\\ \\/ \\" \\u007f é 😀"',
    json.dumps({f"key {i}": list(range(i)) for i in range(40)}),
    json.dumps(["x" * 200, "y" * 20_000, {"k" * 300: None}]),
    json.dumps(list(range(0, 4_000_000_000, 200_000))),  # a large array
    json.dumps({f"{i:05}": "v" * 30 for i in range(2_000)}),  # a large object
    "[[[[[[]]]]]]",
]
JSON_VALUES = [
    "CAST(CAST('2024-02-03' AS DATE) AS JSON)",
    "CAST(TIMESTAMP'1000-01-01 00:00:00.000001' AS JSON)",
    "CAST(CAST('-838:59:58.5' AS TIME(6)) AS JSON)",
    "CAST(CAST('100:00:01' AS TIME) AS JSON)",
    "CAST(CAST(-0.001 AS DECIMAL(30,10)) AS JSON)",
    "CAST(123456789012345678901234567890.5 AS JSON)",
    f"CAST(x'{'ab' * 300}' AS JSON)",
    f"CAST(x'{'cd' * 57}' AS JSON)",
    "CAST(b'101' AS JSON)",
    "JSON_ARRAY(CAST(YEAR('2024-01-01') AS YEAR), ST_GeomFromText('POINT(1 2)'))",
]


def test_F74_json_is_printed_as_the_server_prints_it(mysql):
    mysql.sql("CREATE TABLE t (id int PRIMARY KEY, j json)")
    source = mysql.follow("t")
    mysql.sql("SET sql_mode = ''")
    values = [f"CAST(_utf8mb4 x'{text.encode().hex()}' AS JSON)" for text in JSON_TEXTS] + JSON_VALUES
    mysql.sql(*(f"INSERT INTO t VALUES ({i}, {value})" for i, value in enumerate(values)))

    events = changes(source, len(values))

    assert [event.after["j"] for event in events] == [row["j"] for row in mysql.texts("t")]


def test_generated_and_invisible_columns_are_columns(world):
    world.sql(
        "CREATE TABLE t (id int PRIMARY KEY, a int, v int AS (a + 1) VIRTUAL, s int AS (a + 2) STORED, "
        "i int DEFAULT 5 INVISIBLE, f int AS (a * 2) VIRTUAL INVISIBLE)"
    )
    source = world.follow("t")
    world.sql("INSERT INTO t (id, a) VALUES (1, 10)")

    (insert,) = changes(source, 1)

    assert insert.after.to_dict() == {"id": 1, "a": 10, "v": 11, "s": 12, "i": 5, "f": 20}
    assert world.texts("t") == [insert.after]


def test_an_index_over_an_expression_adds_no_column(mysql):
    mysql.sql(
        "CREATE TABLE t (id int PRIMARY KEY, a int, j json, KEY e ((a + 1)), "
        "KEY m ((CAST(j->'$[*]' AS UNSIGNED ARRAY))))"
    )
    source = mysql.follow("t")
    mysql.sql("INSERT INTO t VALUES (1, 10, '[1, 2]')")

    (insert,) = changes(source, 1)

    assert insert.after.to_dict() == {"id": 1, "a": 10, "j": "[1, 2]"}
    assert mysql.texts("t") == [insert.after]


@pytest.mark.parametrize("shown", ["ON", "OFF"])
def test_a_generated_primary_key_is_a_column(mysql, shown):
    hide = "SET GLOBAL show_gipk_in_create_table_and_information_schema = "
    mysql.sql("SET sql_generate_invisible_primary_key = ON", "CREATE TABLE t (a int)", hide + shown)
    try:
        source = mysql.follow("t")
        mysql.sql("INSERT INTO t (a) VALUES (10)")

        (insert,) = changes(source, 1)

        assert insert.after.to_dict() == {"my_row_id": 1, "a": 10}
        assert insert.after.key == (1,)
        assert mysql.texts("t") == [insert.after]
    finally:
        mysql.sql(hide + "ON")


def test_A15_26_defaults_and_comments_are_those_of_the_catalogue_in_both(world):
    world.sql(
        "CREATE TABLE t (id int PRIMARY KEY, a int unsigned ZEROFILL DEFAULT 3, b bit(12) DEFAULT 5 COMMENT 'few', "
        "c varchar(9) DEFAULT 'it''s', d decimal(5,2) NOT NULL DEFAULT -1.5, e enum('x','y') DEFAULT 'y', "
        "f datetime(3) DEFAULT '2000-01-01 00:00:00.5', g int DEFAULT (1 + 2), h timestamp NULL DEFAULT now())"
    )
    source = world.follow("t")
    world.sql("INSERT INTO t (id) VALUES (1)")

    (insert,) = changes(source, 1)

    schema = insert.shape.schema
    assert world.texts("t")[0].shape.schema == schema
    defaults = {field.name: field.default for field in schema.columns[1:7]}
    assert list(map(str, defaults.values())) == ["3", str(b"\x05\x00"), "it's", "-1.50", "y", "946684800500"]
    assert schema.column("b").doc == "few"
