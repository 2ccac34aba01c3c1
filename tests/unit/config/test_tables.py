"""Which tables are captured, with which options, and what is refused about them."""

import pytest

from connect.api import TableInfo, View
from connect.config.tables import resolve_tables
from connect.errors import ConfigError
from connect.schema.model import Field, Kind, TableId, TableSchema, Type


def table(
    name: str, *columns: str, key: tuple[str, ...] = ("id",), identity: tuple[str, ...] | None = ("id",)
) -> TableInfo:
    names = columns or ("id", "name", "email", "status")
    fields = tuple(Field(column, Type(Kind.INT64 if column == "id" else Kind.STRING)) for column in names)
    schema = TableSchema(TableId(*name.split(".")), fields, key)
    return TableInfo(schema=schema, identity=identity, rows=0, bytes=0)


@pytest.fixture
def resolve(load):
    """The lines below a source → its resolved tables by name."""

    def resolved(lines: str, *infos: TableInfo):
        text = "mask_key: 0123456789abcdef\nsources:\n  shop:\n    plugin: database\n    url: u\n" + lines
        found = resolve_tables(load(text).sources["shop"], infos)
        return {str(name): options for name, options in found.items()}

    return resolved


@pytest.fixture
def refused(resolve):
    """The same → (line, message, fix) of each problem."""

    def found(lines: str, *infos: TableInfo) -> list[tuple[str, str, str]]:
        with pytest.raises(ConfigError) as caught:
            resolve(lines, *infos)
        return [(p.where.rpartition(":")[2], p.message, p.fix) for p in caught.value.problems]

    return found


def test_patterns_choose_tables_and_exclude_wins(resolve):
    lines = '    tables: ["public.*"]\n    exclude: ["public.tmp_*"]\n'

    assert list(resolve(lines, table("public.a"), table("public.tmp_1"), table("other.a"))) == ["public.a"]


def test_an_exact_name_beats_a_pattern_and_a_pattern_beats_defaults(resolve):
    lines = (
        "    defaults: {partitions: 2, value: row, new_columns: fail}\n"
        "    tables:\n"
        '      "public.*": {partitions: 3, value: envelope}\n'
        "      public.a: {partitions: 4}\n"
    )

    options = resolve(lines, table("public.a"), table("public.b"))

    assert [(o.partitions, o.value, o.new_columns) for o in options.values()] == [
        (4, "envelope", "fail"),
        (3, "envelope", "fail"),
    ]


def test_the_origin_of_each_option_is_known(resolve):
    lines = "    defaults: {partitions: 2}\n    tables:\n      public.a: {value: row}\n"

    origin = resolve(lines, table("public.a"))["public.a"].origin

    assert {option: place.rpartition(":")[2] for option, place in origin.items()} == {"partitions": "8", "value": "10"}


def test_two_patterns_that_disagree_are_refused_naming_both_lines(refused):
    lines = '    tables:\n      "public.*": {partitions: 2}\n      "*.orders": {partitions: 3}\n'

    ((line, message, fix),) = refused(lines, table("public.orders"))

    assert line == "10"
    assert "'*.orders' here and 'public.*' at " in message
    assert ":9 set partitions differently for public.orders" in message
    assert fix == "give public.orders an entry of its own"


def test_two_patterns_that_agree_are_fine(resolve):
    lines = '    tables:\n      "public.*": {partitions: 2}\n      "*.orders": {partitions: 2}\n'

    assert resolve(lines, table("public.orders"))["public.orders"].partitions == 2


def test_an_exact_name_settles_what_two_patterns_disagree_on(resolve):
    lines = '    tables:\n      "p.*": {partitions: 2}\n      "*.o": {partitions: 3}\n      p.o: {partitions: 4}\n'

    assert resolve(lines, table("p.o"))["p.o"].partitions == 4


def test_a_name_that_matches_nothing_is_refused_with_the_nearest(refused):
    assert refused("    tables: [public.ordes]\n", table("public.orders")) == [
        ("8", "no table matches 'public.ordes'", "did you mean public.orders?")
    ]


def test_a_pattern_that_matches_nothing_is_refused(refused):
    ((line, message, _),) = refused('    tables: [public.orders, "billing.*"]\n', table("public.orders"))

    assert (line, message) == ("8", "no table matches 'billing.*'")


def test_a_pattern_all_of_whose_tables_are_excluded_is_refused(refused):
    ((_, message, _),) = refused('    tables: ["a.*", b.c]\n    exclude: ["a.*"]\n', table("a.x"), table("b.c"))

    assert message == "every table that 'a.*' matches is excluded"


def test_an_exact_name_under_exclude_that_is_no_table_is_refused(refused):
    ((line, message, fix),) = refused(
        '    tables: ["a.*"]\n    exclude: [a.sesions]\n', table("a.x"), table("a.sessions")
    )

    assert (line, message) == ("9", "exclude names 'a.sesions', but there is no such table")
    assert fix == "did you mean a.sessions?"


@pytest.mark.parametrize("option", ["columns: [id, emial]", "mask: {emial: nullify}", "key: [emial]"])
def test_an_unknown_column_is_refused_with_the_nearest(refused, option):
    ((line, message, fix),) = refused(f"    tables:\n      a.x: {{{option}}}\n", table("a.x"))

    assert (line, fix) == ("9", "did you mean email?")
    assert "a.x has no column 'emial'" in message


def test_a_mask_under_a_pattern_applies_where_the_column_is(resolve):
    lines = '    tables:\n      "a.*": {mask: {email: hash}}\n'

    options = resolve(lines, table("a.x"), table("a.y", "id", "name"))

    assert [o.mask for o in options.values()] == [{"email": "hash"}] * 2  # a row of the log may still have it


def test_a_mask_under_a_pattern_that_no_table_has_is_refused(refused):
    ((_, message, _),) = refused('    tables:\n      "a.*": {mask: {emial: hash}}\n', table("a.x"))

    assert message == "mask: no captured table has a column 'emial'"


def test_a_key_column_outside_the_replica_identity_is_refused_with_the_alter(refused):
    ((line, message, fix),) = refused("    tables:\n      a.x: {key: [email]}\n", table("a.x"))

    assert (line, message) == ("9", "a.x: the key column 'email' is not in the table's replica identity")
    assert "ALTER TABLE a.x REPLICA IDENTITY FULL" in fix


def test_any_column_can_be_the_key_when_the_log_carries_whole_rows(resolve):
    options = resolve("    tables:\n      a.x: {key: [email]}\n", table("a.x", identity=None))

    assert options["a.x"].key == ("email",)


def test_a_table_without_a_key_has_only_the_event_view(resolve):
    options = resolve('    tables: ["a.*"]\n    defaults: {views: [state]}\n', table("a.x", key=()))

    assert options["a.x"].views == (View.EVENTS,)


def test_a_state_view_asked_for_a_table_without_a_key_is_refused(refused):
    ((line, message, fix),) = refused("    tables:\n      a.x: {views: [state]}\n", table("a.x", key=()))

    assert (line, message) == ("9", "a.x has no primary key, so it cannot have a state view")
    assert fix == "write views: [events], or name key: [columns]"


def test_columns_that_leave_out_the_key_are_refused(refused):
    ((_, message, fix),) = refused("    tables:\n      a.x: {columns: [name]}\n", table("a.x"))

    assert (message, fix) == ("a.x: columns leaves out the key column 'id'", "add id to columns")


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        ("filter: {column: stauts, equals: x}", "a.x has no column 'stauts' here"),
        ("filter: {column: id, equals: x}", "cannot be compared with"),
        ("drop: {fields: [id]}", "the key column 'id' cannot be dropped or renamed"),
        ("rename: {fields: {id: key}}", "the key column 'id' cannot be dropped or renamed"),
        ("rename: {fields: {name: email}}", "two columns would be called 'email'"),
        ("mask: {fields: {id: nullify}}", "can only be masked by hash"),
        ('python: {call: "no_such_module_here:f"}', "cannot be loaded"),
        ("drop: {tables: [a.y], fields: [name]}", "no captured table matches 'a.y'"),
    ],
)
def test_a_transform_that_does_not_fit_is_refused_at_its_line(refused, transform, said):
    ((line, message, _),) = refused(f"    tables: [a.x]\n    transforms:\n      - {transform}\n", table("a.x"))

    assert line == "10"
    assert said in message


def test_a_filter_sees_what_an_earlier_rename_made(resolve):
    lines = (
        "    tables: [a.x]\n    transforms:\n"
        "      - rename: {fields: {status: state}}\n      - filter: {column: state, equals: x}\n"
    )

    assert resolve(lines, table("a.x"))


def test_a_filter_on_a_masked_column_is_refused(refused):
    lines = (
        "    tables:\n      a.x: {mask: {status: hash}}\n    transforms:\n      - filter: {column: status, equals: x}\n"
    )

    ((_, message, _),) = refused(lines, table("a.x"))

    assert message == "a.x: 'status' is masked, so it cannot be compared"


def test_every_problem_of_every_table_is_told(refused):
    lines = "    tables:\n      a.x: {columns: [id, q]}\n      a.y: {key: [q]}\n      a.z: {}\n"

    assert [line for line, _, _ in refused(lines, table("a.x"), table("a.y"))] == ["9", "10", "11"]
