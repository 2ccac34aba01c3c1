"""What two entries of a file would fight over is refused when it is loaded (F180)."""

import re


def sources(*entries: str) -> str:
    return "sources:\n" + "".join(f"  s{i}: {{plugin: database, tables: [a.b], {e}}}\n" for i, e in enumerate(entries))


def sinks(*entries: str) -> str:
    return "sinks:\n" + "".join(f"  s{i}: {{plugin: store, {e}}}\n" for i, e in enumerate(entries))


def test_F180_two_sources_with_one_slot_on_one_server(problems):
    found = problems(sources("url: 'p://u@h:1/d', slot: x", "url: 'p://v@h:1/d', slot: x"))

    assert found[0].where == "5"
    assert re.fullmatch(r"s1 and s0 \(at .*file\.yaml:4\) have one slot: x.*", found[0].message)


def test_F180_one_slots_name_on_two_servers_is_no_conflict(load):
    load(sources("url: 'p://h:1/d', slot: x", "url: 'p://h:2/d', slot: x"))


def test_F180_two_sources_with_one_topic_prefix(problems):
    found = problems(sources("url: u, topic_prefix: x", "url: v, topic_prefix: x"))

    assert "have one topic prefix: x" in found[0].message


def test_F180_two_sinks_with_one_entry_on_one_server(problems):
    found = problems(sinks("url: 'p://u@h/d', topics: ['a.*.*']", "url: 'p://v@h/d', topics: ['a.*.*']"))

    assert "have one target: that of a.*.*" in found[0].message


def test_F180_two_sinks_with_one_named_table(problems):
    found = problems(
        sinks("url: 'p://h/d', topics: {a.b.c: {table: x}}", "url: 'p://h/d', topics: {a.b.d: {table: x}}")
    )

    assert "have one table: x" in found[0].message


def test_F180_the_same_entry_on_two_servers_is_no_conflict(load):
    load(sinks("url: 'p://g/d', topics: ['a.*.*']", "url: 'p://h/d', topics: ['a.*.*']"))


def test_F160_a_conflict_prints_no_password(problems):
    found = problems(sources("url: 'p://u:S3CR3T@h:1/d', slot: x", "url: 'p://u:S3CR3T@h:1/d', slot: x"))

    assert "S3CR3T" not in str(found)


def test_a_source_and_a_sink_cannot_share_a_name(problems):
    found = problems(sources("url: u") + sinks("url: u, topics: [a.b.c]"))

    assert "is also a source" in found[0].message


def test_a_sink_cannot_read_dead_letters(problems):
    found = problems(sinks("url: u, topics: ['shop-cdc.*.*'], on_error: dead_letter"))

    assert found[0].message == "'shop-cdc.*.*' matches the dead-letter topic shop-cdc.s0.dead"


def test_a_hash_without_mask_key_is_refused_where_it_stands(problems):
    text = """\
        sources:
          a:
            plugin: database
            url: u
            defaults: {mask: {x: hash}}
            tables:
              a.b: {mask: {y: hash}}
            transforms:
              - mask: {fields: {z: hash}}
        """

    assert [(p.where, p.message) for p in problems(text)] == [
        (line, "hash needs mask_key") for line in ("7", "9", "11")
    ]
