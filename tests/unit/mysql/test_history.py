"""What the history makes of statements and maps, where a catalogue's answers are given (V1, V2)."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from connect.api import TableOptions
from connect.errors import Failed, Retriable
from connect.schema.model import AS_DEFAULT, NO_DEFAULT, TableId
from connectors.mysql.columns import Column, TableDefinition
from connectors.mysql.definition_notes import from_note, note_name, table_of, to_note
from connectors.mysql.history import History
from connectors.mysql.type_options import TypeOptions

T, U = TableId("db", "t"), TableId("db", "u")
ONE = TableDefinition(
    T, (Column("id", "int", nullable=False), Column("a", "int")), ("id",), (("id",),), "utf8mb4", "InnoDB"
)
NOTE = note_name(T)


class Answers:
    """The catalogue as it is, where the log ends and where the stream stands."""

    mariadb = False
    lower_names = False

    def __init__(self, *definitions):
        self.now = {definition.table: definition for definition in definitions}
        self.at, self.last, self.asked = (1, 100), (1, 100), 0

    def tables(self, tables, *, settled=False):
        self.asked += 1
        return {table: self.now[table] for table in tables if table in self.now}

    def database_charset(self, _):
        return "latin1"

    def here(self):
        return self.at

    def end(self):
        return self.last


def history(catalog, notes=(), tables=(T,)):
    return History(dict.fromkeys(tables, TableOptions()), catalog, TypeOptions(), dict(notes))


def started(*definitions):
    """At its first start, and nothing follows in the log."""
    catalog = Answers(*definitions)
    made = history(catalog)
    made.first(lambda: "position")
    return made, catalog


def run(made, sql, database="db"):
    return made.statement(database, sql, 0, "file:1")


def table_map(columns, name=b"t", names=None):
    """INT columns; with names it is a map of FULL metadata."""
    body = (
        (9).to_bytes(6, "little")
        + b"\1\0\2db\0"
        + bytes([len(name)])
        + name
        + b"\0"
        + bytes([columns])
        + b"\3" * columns
    )
    body += b"\0" + b"\xff"
    if names:
        data = b"".join(bytes([len(one)]) + one for one in names)
        body += b"\4" + bytes([len(data)]) + data
    return body


def shape_of(made):
    """The table as an event without rows has it."""
    return run(made, "TRUNCATE t").truncated[0]


def names(table):
    return [column.name for column in table.shape.schema.columns]


def test_V2_the_first_position_lies_between_equal_readings_of_the_catalogue():
    readings = iter([{}, {T: ONE}, {T: ONE}])
    catalog = Answers()
    catalog.tables = lambda _, settled: next(readings)
    positions = iter([1, 2])

    position, notes = history(catalog).first(lambda: next(positions))

    assert (position, notes) == (2, {NOTE: to_note(ONE)})


def test_tables_that_are_altered_all_the_time_are_waited_for():
    catalog = Answers(ONE)
    versions = iter(range(100))
    catalog.tables = lambda _, settled: {T: replace(ONE, engine=str(next(versions)))}

    with pytest.raises(Retriable) as failure:
        history(catalog).first(lambda: 1)

    assert failure.value.code == "ddl_under_way"


def test_a_definition_comes_back_from_its_note():
    column = Column("e", "enum", False, None, None, 0, "utf8mb4", ("a", "b"), False, "a", "", True, "é")
    definition = replace(ONE, columns=(*ONE.columns, column))

    assert from_note(T, json.loads(json.dumps(to_note(definition)))) == definition


@pytest.mark.parametrize("table", [T, TableId("a/b", "c.d"), TableId("é %", "x/y")])
def test_a_note_names_its_table(table):
    assert table_of(note_name(table)) == table
    assert table_of("shape:db.t") is None


def test_F51_a_note_of_another_form_is_refused():
    with pytest.raises(Failed) as failure:
        history(Answers(), {NOTE: {"columns": [{"nom": "id"}]}})

    assert failure.value.code == "history_note"


def test_the_same_map_gives_the_same_shape_until_the_table_is_altered():
    made, _ = started(ONE)
    body = table_map(2)

    first = made.table_map(body, "file:1")

    assert made.table_map((10).to_bytes(6, "little") + body[6:], "file:1") is first
    run(made, "ALTER TABLE t CHANGE a b int")
    assert names(made.table_map(body, "file:1")) == ["id", "b"]


def test_a_map_of_another_table_is_none():
    made, catalog = started(ONE)
    asked = catalog.asked

    assert made.table_map(table_map(2, name=b"x"), "file:1") is None
    assert catalog.asked == asked


def test_a_map_with_names_needs_no_definition():
    made = history(Answers())

    table = made.table_map(table_map(2, names=[b"x", b"y"]), "file:1")

    assert (names(table), table.shape.schema.key) == (["x", "y"], ())


def test_F49_a_map_without_names_must_fit_and_the_message_says_where():
    made, _ = started(ONE)

    with pytest.raises(Failed, match="at file:1") as failure:
        made.table_map(table_map(3), "file:1")

    assert failure.value.code == "schema_mismatch"


def test_a_table_that_nobody_knows_is_refused():
    with pytest.raises(Failed) as failure:
        history(Answers()).table_map(table_map(2), "file:1")

    assert failure.value.code == "table_unknown"


def test_a_statement_changes_the_note_of_its_table_only():
    made, _ = started(ONE)

    effect = run(made, "ALTER TABLE t DROP a")

    assert list(effect.notes) == [NOTE]
    assert from_note(T, effect.notes[NOTE]).columns == ONE.columns[:1]
    assert run(made, "ALTER TABLE other.t DROP a").notes == {}


def test_the_catalogues_words_are_taken_for_the_same_columns():
    made, catalog = started(ONE)
    catalog.now[T] = replace(ONE, columns=(*ONE.columns, Column("b", "int", default="16")))

    effect = run(made, "ALTER TABLE t ADD b int DEFAULT 0x10")

    assert effect.notes[NOTE]["columns"][2]["default"] == "16"


def test_a_definition_of_a_later_position_is_asked_again_until_the_stream_has_passed_it():
    catalog = Answers(replace(ONE, columns=(*ONE.columns, Column("b", "int"))))
    catalog.last = (1, 500)
    made = history(catalog)
    assert names(made.table_map(table_map(3), "file:1")) == ["id", "a", "b"]

    run(made, "ALTER TABLE t ADD b int")  # it is in the catalogue's answer already
    assert names(made.table_map(table_map(3), "file:1")) == ["id", "a", "b"]

    catalog.at = catalog.last = (1, 600)
    run(made, "ALTER TABLE t DROP a")  # applied: the answer was of a place before
    assert names(made.table_map(table_map(2), "file:1")) == ["id", "b"]


def test_a_definition_ahead_of_the_stream_is_so_after_a_restart_too():
    catalog = Answers(ONE)
    catalog.last = (1, 500)
    made = history(catalog)
    made.table_map(table_map(2), "file:1")
    notes = run(made, "ALTER TABLE t CHANGE x a int").notes

    again = history(catalog, notes)

    assert run(again, "ALTER TABLE t CHANGE y a int").notes[NOTE]["ahead"]


def test_F52_a_statement_that_is_not_understood_is_remembered_through_a_restart():
    made, catalog = started(ONE)
    catalog.last = (1, 500)
    notes = run(made, "ALTER TABLE t FROBNICATE").notes

    with pytest.raises(Failed, match="FROBNICATE") as failure:
        history(catalog, json.loads(json.dumps(notes))).table_map(table_map(2), "file:1")

    assert failure.value.code == "ddl_not_understood"


def test_F52_one_that_names_no_captured_table_is_harmless():
    made, _ = started(ONE)

    assert run(made, "FROBNICATE TABLE x").notes == {}
    assert run(made, "ALTER TABLE x FROBNICATE").notes == {}


def test_F52_one_that_may_be_about_a_captured_table_puts_it_in_doubt():
    made, catalog = started(ONE)
    catalog.last = (1, 500)

    assert "statement" in run(made, "FROBNICATE TABLE `T`").notes[NOTE]


def test_F53_a_table_of_the_same_database_is_followed_since_it_may_be_swapped_in():
    made, _ = started(ONE)

    assert note_name(TableId("db", "_new")) in run(made, "CREATE TABLE _new (id int, x int)").notes
    assert run(made, "CREATE TABLE other._new (id int, x int)").notes == {}
    assert run(made, "RENAME TABLE other._new TO other.x").notes == {}


ODD = TableId("db", "é")


@pytest.mark.parametrize(
    ("sql", "doubted"),
    [
        (b"ALTER TABLE t ADD \xe9 int", T),
        (b"CREATE TABLE t (e enum('\xe9'))", T),
        (b"ALTER TABLE \xe9 ADD x int", ODD),
        (b"RENAME TABLE \xe9 TO x", ODD),
        (b"DROP TABLE t /* \xe9 */", None),
        (b"INSERT INTO x VALUES ('\xe9')", None),
    ],
)
def test_F52_a_statement_whose_names_cannot_be_read_puts_tables_in_doubt(sql, doubted):
    catalog = Answers(ONE, replace(ONE, table=ODD))
    made = history(catalog, tables=(T, ODD))
    made.first(lambda: 1)
    catalog.last = (1, 500)

    notes = run(made, sql.decode(errors="surrogateescape")).notes

    assert [table_of(name) for name, note in notes.items() if "statement" in note] == ([doubted] if doubted else [])
    assert json.dumps(notes).encode()


def test_names_are_read_in_small_letters_where_the_server_keeps_them_so():
    made, catalog = started(ONE)
    assert run(made, "ALTER TABLE DB.T DROP a").notes == {}

    catalog.lower_names = True

    assert list(run(made, "ALTER TABLE DB.T DROP a").notes) == [NOTE]


def test_F73_a_dropped_table_is_emptied_when_its_name_comes_back():
    made, _ = started(ONE)

    dropped = run(made, "DROP TABLE t")
    created = run(made, "CREATE TABLE t (x int)")

    assert (dropped.truncated, dropped.notes) == ((), {NOTE: {"dropped": True}})
    assert [shape.schema.table for shape in created.truncated] == [T]


def test_a_table_that_is_there_is_not_created_again():
    made, _ = started(ONE)

    effect = run(made, "CREATE TABLE IF NOT EXISTS t (x int)")

    assert (effect.notes, effect.truncated) == ({}, ())


def test_a_dropped_database_takes_its_tables_along():
    made, _ = started(ONE)

    assert run(made, "DROP DATABASE db").notes == {NOTE: {"dropped": True}}


def test_a_swap_of_two_captured_tables_stays_in_the_file():
    catalog = Answers(ONE, replace(ONE, table=U, columns=ONE.columns[:1]))
    made = history(catalog, tables=(T, U))
    made.first(lambda: 1)

    run(made, "RENAME TABLE t TO x, u TO t, x TO u")

    assert names(made.table_map(table_map(1), "file:1")) == ["id"]
    assert names(made.table_map(table_map(2, name=b"u"), "file:1")) == ["id", "a"]


RENAMES = ["RENAME TABLE t TO gone", "ALTER TABLE t RENAME TO gone", "RENAME TABLE t TO x, x TO gone"]


@pytest.mark.parametrize("sql", RENAMES)
@pytest.mark.parametrize("restarted", [False, True])
def test_a_captured_table_that_is_changed_under_a_name_outside_the_file_is_refused(sql, restarted):
    made, catalog = started(ONE)

    effect = run(made, sql)
    if restarted:
        made = history(catalog, json.loads(json.dumps({k: v for k, v in effect.notes.items() if v})))

    assert "renamed to db.gone" in effect.warning
    for change in (
        lambda: made.table_map(table_map(2, name=b"gone"), "file:1"),
        lambda: run(made, "TRUNCATE TABLE gone"),
    ):
        with pytest.raises(Failed, match=r"db\.t was renamed to db\.gone") as failure:
            change()
        assert failure.value.code == "table_renamed"


@pytest.mark.parametrize("sql", RENAMES)
def test_F53_a_captured_table_that_gets_its_name_back_goes_on(sql):
    made, _ = started(ONE)

    run(made, sql)
    run(made, "RENAME TABLE gone TO t")

    assert names(made.table_map(table_map(2), "file:1")) == ["id", "a"]
    assert made.table_map(table_map(2, name=b"gone"), "file:1") is None


def test_F53_a_copy_that_is_swapped_in_in_two_steps_goes_on():
    made, _ = started(ONE)
    for sql in ["CREATE TABLE _t_gho LIKE t", "ALTER TABLE _t_gho ADD b int", "ALTER TABLE t RENAME _t_del"]:
        run(made, sql)

    effect = run(made, "ALTER TABLE _t_gho RENAME t")

    assert (effect.truncated, effect.warning) == ((), "")
    assert names(made.table_map(table_map(3), "file:1")) == ["id", "a", "b"]
    assert made.table_map(table_map(2, name=b"_t_del"), "file:1") is None


@pytest.mark.parametrize("there", [["RENAME TABLE t TO gone", "DROP TABLE gone"], ["RENAME TABLE t TO gone"]])
def test_F73_a_table_that_is_made_anew_under_the_name_of_one_that_moved_is_empty(there):
    made, _ = started(ONE)
    for sql in there:
        run(made, sql)

    assert run(made, "CREATE TABLE t (k int PRIMARY KEY)").truncated
    assert made.table_map(table_map(2, name=b"gone"), "file:1") is None


@pytest.mark.parametrize(
    ("sql", "database", "data"),
    [
        ("INSERT INTO t VALUES (1)", "other", True),
        ("UPDATE `x` SET a = 1", "db", True),
        ("INSERT INTO mysql.rds_heartbeat2 VALUES (1)", "mysql", False),
        ("INSERT INTO mysql.rds_heartbeat2 VALUES (1)", "", False),
    ],
)
def test_F46_rows_changed_as_a_statement_matter_near_captured_tables(sql, database, data):
    made, _ = started(ONE)

    assert run(made, sql, database).data is data


def test_rows_that_come_or_go_unlogged_are_told():
    made, _ = started(ONE)

    assert run(made, "ALTER TABLE t DROP PARTITION p").warning.startswith("db.t: rows came or went")
    assert run(made, "ALTER TABLE x DROP PARTITION p").warning == ""


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE x EXCHANGE PARTITION p WITH TABLE t WITHOUT VALIDATION",
        "ALTER TABLE x CONVERT TABLE t TO PARTITION p VALUES LESS THAN (10)",
        "ALTER TABLE t CONVERT PARTITION p TO TABLE x",
        "ALTER TABLE x EXCHANGE PARTITION `TABLE` WITH TABLE db.t",
    ],
)
def test_rows_that_a_partition_gives_to_a_table_or_takes_are_told_of_either(sql):
    made, _ = started(ONE)

    assert run(made, sql).warning.startswith("db.t: rows came or went")
    assert shape_of(made)


def test_F46_a_statement_that_changes_captured_tables_by_a_trigger_matters():
    made, _ = started(ONE)

    assert made.statement("other", "INSERT INTO a VALUES (1)", 0, "file:1", ("other", "db")).data
    assert not made.statement("other", "INSERT INTO a VALUES (1)", 0, "file:1", ("other",)).data


def test_F46_a_temporary_table_in_front_of_a_captured_one_matters():
    made, _ = started(ONE)

    assert run(made, "CREATE TEMPORARY TABLE t (x int)").data
    assert not run(made, "CREATE TEMPORARY TABLE IF NOT EXISTS x LIKE t").data


@pytest.mark.parametrize(
    ("alters", "fill"),
    [
        (["ADD c int DEFAULT 1", "ALTER c SET DEFAULT 2"], 1),
        (["ADD c int", "ALTER c SET DEFAULT 2"], NO_DEFAULT),
        (["ADD c int NOT NULL DEFAULT 1", "ALTER c DROP DEFAULT"], 1),
        (
            ["ADD c int DEFAULT 1", "MODIFY c bigint DEFAULT 2", "CHANGE c d bigint DEFAULT 3", "RENAME COLUMN d TO c"],
            1,
        ),
        (["ADD c int DEFAULT 1", "DROP c", "ADD c int DEFAULT 2", "ALTER c SET DEFAULT 3"], 2),
        (["ADD c int NOT NULL", "ALTER c SET DEFAULT 2"], 0),
        (["ADD c int DEFAULT (1 + 1)", "ALTER c SET DEFAULT 2"], NO_DEFAULT),
        (["ADD c enum('a', 'b') NOT NULL", "ALTER c SET DEFAULT 'b'"], "a"),
        (["ADD c varchar(5) NOT NULL", "ALTER c SET DEFAULT 'b'"], ""),
        (["ADD c decimal(5, 2) DEFAULT 1.005", "ALTER c SET DEFAULT 2"], Decimal("1.01")),
        (["ADD c datetime DEFAULT '2000-01-02'", "ALTER c DROP DEFAULT"], 946_771_200_000),
    ],
)
@pytest.mark.parametrize("restarted", [False, True])
def test_F107_what_older_rows_got_in_an_added_column_stays_what_it_was(alters, fill, restarted):
    made, catalog = started(ONE)
    notes = {}
    for alter in alters:
        notes |= run(made, f"ALTER TABLE t {alter}").notes
    if restarted:
        made = history(catalog, json.loads(json.dumps(notes)))

    assert shape_of(made).schema.column("c").fill == fill


def test_F107_what_a_table_is_made_with_fills_nothing():
    made, catalog = started()
    catalog.now = {}
    run(made, "CREATE TABLE t (id int PRIMARY KEY, c int DEFAULT 1)")

    assert shape_of(made).schema.column("c").fill is AS_DEFAULT


def test_F107_a_tool_that_swaps_tables_keeps_what_older_rows_got():
    made, _ = started(ONE)
    for sql in [
        "CREATE TABLE _t_gho LIKE t",
        "ALTER TABLE _t_gho ADD c int DEFAULT 1",
        "RENAME TABLE t TO _t_del, _t_gho TO t",
        "ALTER TABLE t ALTER c SET DEFAULT 2",
    ]:
        run(made, sql)

    assert shape_of(made).schema.column("c").fill == 1
