"""Which topics a sink reads, with which options."""

import pytest

from connect.config.topics import resolve_topics
from connect.errors import ConfigError


@pytest.fixture
def sink(load):
    """The keys of a sink besides plugin and url → the sink."""
    return lambda keys: load(f"sinks: {{w: {{plugin: store, url: u, {keys}}}}}\n").sinks["w"]


def test_an_exact_topic_beats_a_pattern_and_defaults(sink):
    found = resolve_topics(
        sink('defaults: {table: d}, topics: {"a.*.*": {table: p}, a.b.c: {table: x, fields: [id]}}'), ["a.b.c", "a.b.d"]
    )

    assert {topic: (o.options.table, o.fields) for topic, o in found.items()} == {
        "a.b.c": ("x", ("id",)),
        "a.b.d": ("p", None),
    }


def test_defaults_apply_where_nothing_else_is_said(sink):
    found = resolve_topics(sink('defaults: {table: "{schema}_{table}"}, topics: ["a.*.*"]'), ["a.b.c"])

    assert found["a.b.c"].options.table == "{schema}_{table}"


def test_exclude_wins(sink):
    assert list(resolve_topics(sink('topics: ["a.*.*"], exclude: [a.b.c]'), ["a.b.c", "a.b.d"])) == ["a.b.d"]


def test_exclude_may_name_a_topic_that_was_deleted(sink):
    assert list(resolve_topics(sink('topics: ["a.*.*"], exclude: [a.b.c]'), ["a.b.d"])) == ["a.b.d"]


def test_internal_topics_are_never_read(sink):
    assert list(resolve_topics(sink('topics: ["/.*/"]'), ["__consumer_offsets", "_schemas", "a"])) == ["a"]


def test_a_pattern_that_matches_nothing_is_refused(sink):
    with pytest.raises(ConfigError, match=r"no topic matches 'a\.b\.x'; did you mean a\.b\.c"):
        resolve_topics(sink("topics: [a.b.x]"), ["a.b.c"])


def test_while_more_topics_may_come_a_pattern_may_match_nothing(sink):
    assert resolve_topics(sink("topics: [a.b.x]"), ["a.b.c"], all_there=False) == {}


def test_two_patterns_that_disagree_are_refused(sink):
    with pytest.raises(ConfigError, match=r"set table differently for a\.b\.c"):
        resolve_topics(sink('topics: {"a.*.*": {table: x}, "*.b.*": {table: y}}'), ["a.b.c"])


def test_a_transform_for_a_topic_that_is_not_read_is_refused(sink):
    keys = 'topics: ["a.*.*"], transforms: [{drop: {topics: [x.y.z], fields: [q]}}]'

    with pytest.raises(ConfigError, match="no captured topic matches"):
        resolve_topics(sink(keys), ["a.b.c"])


def test_what_a_faulty_source_may_still_make_is_not_missed(sink):
    keys = 'topics: ["shop.*.*", a.b.c], exclude: [shop.x.y], transforms: [{drop: {topics: [shop.x.z], fields: [q]}}]'

    assert list(resolve_topics(sink(keys), ["a.b.c"], untold=["shop."])) == ["a.b.c"]


def test_beside_a_faulty_source_other_patterns_are_checked(sink):
    with pytest.raises(ConfigError, match=r"no topic matches 'a\.b\.x'"):
        resolve_topics(sink("topics: [a.b.x]"), ["a.b.c"], untold=["shop."])
