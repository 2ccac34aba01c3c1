"""The parts of a plan that need no server."""

import pytest

from connect.api.tables import TableInfo, TableOptions
from connect.config.fields import Model
from connect.config.patterns import pattern
from connect.config.topics import TargetOptions
from connect.errors import Failed
from connect.runtime.plan import gone, planned_table, refusals, rendered, subjects_there, type_word, unread_events
from connect.schema.avro import Subject
from connect.schema.model import Field, Kind, TableId, TableSchema, Type, decimal_type


class FakeRegistry:
    """Has the subjects that it was told of; ``None``: its list is not shown. Remembers which it was asked for."""

    def __init__(self, subjects):
        self.names, self.asked = subjects, []

    def subjects(self):
        if self.names is None:
            raise Failed("registry_denied", "no")
        return frozenset(self.names)

    def incompatibilities(self, subject, _text):
        self.asked.append(subject)
        return ["too narrow"]


@pytest.mark.parametrize(
    ("known", "asked"), [([], []), (["a-value", "other"], ["a-value"]), (None, ["a-value", "a-key", "b-value"])]
)
def test_the_registry_is_asked_only_for_subjects_that_it_has_or_does_not_show(known, asked):
    registry = FakeRegistry(known)
    tables = [[Subject("a-value", "{}"), Subject("a-key", "{}")], [Subject("b-value", "{}")]]
    there = subjects_there(registry, tables)
    notes = [note for subjects in tables for note in refusals(registry, there, subjects)]
    assert (registry.asked, len(notes)) == (asked, len(asked))


def test_a_source_that_another_file_may_have_is_not_removed_without_a_second_look():
    change = gone("source", "shop")
    assert (change.sign, change.what) == ("-", "source shop")
    assert change.remedy.startswith("if no other file has it")


@pytest.mark.parametrize(("snapshot", "told"), [("initial", True), ("never", False)])
def test_a_table_without_a_key_is_said_to_be_read_at_once_only_where_it_is_read(snapshot, told):
    schema = TableSchema(TableId("public", "log"), (Field("what", Type(Kind.STRING)),), ())
    info = TableInfo(schema=schema, identity=None, rows=9, bytes=9)
    first, *_ = planned_table(info, TableOptions(snapshot=snapshot), schema, ()).notes
    assert first.startswith("no key: event view only")
    assert ("whatever window" in first) is told


class Target(Model):
    table: str = "{schema}_{table}"
    batch: int = 5


def as_filled(_options, _topic):
    """What a plugin says that makes nothing more of its options."""
    return {}


def test_a_plugin_says_what_it_makes_of_a_name():
    found = rendered("a.b.C", TargetOptions(Target(), None, {}), lambda target, _: {"table": target.table.upper()})
    assert found == {"table": "{SCHEMA}_{TABLE}", "batch": 5}


@pytest.mark.parametrize(
    ("topic", "table"),
    [
        ("shop.public.orders", "public_orders"),
        ("shop.public.orders.events", "public_orders"),
        ("a.b.public.orders", "public_orders"),
        ("orders", "_orders"),
    ],
)
def test_a_targets_placeholders_are_parts_of_the_topics_name(topic, table):
    assert rendered(topic, TargetOptions(Target(), None, {}), as_filled) == {"table": table, "batch": 5}


@pytest.mark.parametrize(
    ("template", "name"),
    [("{topic}", "a.b.c"), ("{prefix}-{table}", "a-c"), ("fixed", "fixed"), ("{other}", "{other}")],
)
def test_other_placeholders_stay(template, name):
    assert rendered("a.b.c", TargetOptions(Target(table=template), None, {}), as_filled)["table"] == name


def test_fields_are_shown_with_the_target():
    assert rendered("a.b.c", TargetOptions(None, ("id", "name"), {}), as_filled) == {"fields": ["id", "name"]}


@pytest.mark.parametrize(
    ("type_", "optional", "word"),
    [
        (Type(Kind.INT64), False, "int64"),
        (Type(Kind.STRING), True, "string?"),
        (decimal_type(10, 2), False, "decimal(10,2)"),
        (decimal_type(None, 2), True, "decimal(scale 2)?"),
        (Type(Kind.INT64, "io.debezium.time.MicroTimestamp", 1), True, "MicroTimestamp?"),
    ],
)
def test_types_are_shown_in_a_word(type_, optional, word):
    assert type_word(Field("x", type_, optional=optional)) == word


def test_a_keyless_table_whose_topic_a_pattern_just_misses_is_noticed():
    names = ["shop.public.log.events", "shop.public.t", "shop.public.t.events", "bill.public.log.events"]

    assert unread_events(names, [], pattern("shop.*.*").matches) == ["shop.public.log.events"]
    assert unread_events(names, ["shop.public.log.events"], pattern("shop.*.*").matches) == []
