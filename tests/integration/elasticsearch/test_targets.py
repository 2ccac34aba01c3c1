"""Indices, aliases, mappings and the state document on a real server (F147, F152, F154, rules E3 and E5)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connect.api import Severity
from connect.errors import Failed, Fenced, Retriable
from connect.schema.model import Field, Kind, Type
from connectors.elasticsearch import PLUGIN
from connectors.elasticsearch.config import ElasticsearchConfig, ElasticsearchTarget
from connectors.elasticsearch.state import STATE_INDEX

pytestmark = pytest.mark.stack


def refusal(call, *args):
    with pytest.raises(Failed) as error:
        call(*args)
    return error.value


def test_the_target_is_an_alias_over_a_dated_index_with_a_strict_mapping(world):
    world.write(world.sink(), world.row(0, 1, "a"))

    assert list(world.http("GET", f"/_alias/{world.alias}")) == [world.index]
    assert world.index.startswith(f"{world.alias}-2")
    mappings = world.http("GET", f"/{world.index}/_mapping")[world.index]["mappings"]
    assert mappings["dynamic"] == "strict"
    assert mappings["properties"]["id"]["type"] == "long"


def test_E3_the_index_remembers_deletes_and_open_sets_it_again(world):
    world.write(world.sink(), world.row(0, 1, "a"))
    world.http("PUT", f"/{world.index}/_settings", {"index.gc_deletes": "1s"})

    world.sink()

    settings = world.http("GET", f"/{world.index}/_settings?flat_settings=true")[world.index]["settings"]
    assert settings["index.gc_deletes"] == "3600000ms"


def test_a_new_column_is_added_before_the_batch(world):
    sink = world.sink()
    world.write(sink, world.row(0, 1, "a"))
    world.columns = (*world.columns, Field("extra", Type(Kind.INT32)))

    assert not world.write(sink, world.row(1, 1, "b", "c", 7)).failures
    assert world.documents()["1"]["extra"] == 7


def test_F147_a_changed_type_stops_at_its_position(world):
    sink = world.sink()
    world.write(sink, world.row(0, 1, "a"))
    world.columns = (*world.columns[:1], Field("note", Type(Kind.MAP, items=Type(Kind.STRING))))

    assert refusal(world.write, sink, world.row(1, 1, {"a": "b"})).code == "mapping_conflict"
    assert world.stored == {"0": 1}


def test_F152_an_index_of_somebody_else_is_refused(world):
    world.http("PUT", f"/{world.alias}")

    assert refusal(world.write, world.sink(), world.row(0, 1, "a")).code == "target_exists"
    assert world.documents() == {}


def test_F152_an_alias_of_somebody_else_is_refused(world):
    world.http("PUT", f"/{world.alias}-theirs", {"aliases": {world.alias: {}}})

    assert refusal(world.write, world.sink(), world.row(0, 1, "a")).code == "target_exists"


def test_an_index_of_the_days_name_is_stepped_over(world):
    sink = world.sink()
    world.write(sink, world.row(0, 1, "a"))
    taken = world.index
    PLUGIN.rebuild(ElasticsearchConfig(url=world.url), world.context)
    world.http("PUT", f"/{taken}")

    world.write(world.sink(), world.row(0, 1, "a"))

    assert world.index == f"{taken[:-1]}2"


def test_two_topics_in_one_index_are_refused(world):
    other = world.partition._replace(topic=f"copy.{world.table}")
    sink = world.sink(world.partition, other)
    world.write(sink, world.row(0, 1, "a"))
    record = world.row(0, 1, "a")
    record.topic = other.topic

    assert refusal(sink.write, [record], {}, frozenset()).code == "target_shared"


def test_F154_an_index_dropped_under_load_is_not_made_again(world):
    sink = world.sink()
    world.write(sink, world.row(0, 1, "a"))
    world.http("DELETE", f"/{world.index}")

    assert refusal(world.write, sink, world.row(1, 1, "b"), world.delete(2, 5)).code == "target_missing"
    assert refusal(world.sink).code == "target_missing"
    assert world.http("GET", f"/_resolve/index/{world.alias}*")["indices"] == []


def test_F154_an_index_made_anew_is_not_continued(world):
    sink = world.sink()
    world.write(sink, world.row(0, 1, "a"))
    index = world.index
    world.http("DELETE", f"/{index}")
    world.http("PUT", f"/{index}", {"aliases": {world.alias: {}}})

    assert refusal(world.write, sink, world.row(1, 1, "b")).code == "target_changed"
    assert world.documents() == {}


def test_F154_an_alias_that_was_moved_is_noticed(world):
    sink = world.sink()
    world.write(sink, world.row(0, 1, "a"))
    move = [
        {"remove": {"index": world.index, "alias": world.alias}},
        {"add": {"index": f"{world.alias}-theirs", "alias": world.alias}},
    ]
    world.http("PUT", f"/{world.alias}-theirs")
    world.http("POST", "/_aliases", {"actions": move})

    assert refusal(world.write, sink, world.row(1, 1, "b")).code == "target_changed"


def test_another_index_option_is_refused_with_what_to_do(world):
    world.write(world.sink(), world.row(0, 1, "a"))
    world.context = replace(world.context, target=lambda _: ElasticsearchTarget(index="{schema}_{table}"))

    error = refusal(world.sink)

    assert error.code == "target_changed"
    assert "connect rebuild" in error.hint


def test_a_name_that_no_index_can_have_is_refused(world):
    world.context = replace(world.context, target=lambda _: ElasticsearchTarget(index="a b"))

    assert refusal(world.write, world.sink(), world.row(0, 1, "a")).code == "index_name"


def test_a_topic_that_is_not_read_any_more_may_lose_its_index(world):
    world.write(world.sink(), world.row(0, 1, "a"))
    world.http("DELETE", f"/{world.index}")

    def target(topic):  # as the runtime does
        return {other.topic: ElasticsearchTarget()}[topic]

    other = world.partition._replace(topic=f"{world.topic}_other")
    world.context = replace(world.context, target=target)
    assert world.sink(other).open([other]) == {world.partition: 1, other: 0}


def test_the_index_has_the_name_of_its_topic_whatever_table_the_record_names(world):
    partition = world.partition._replace(topic=f"shop.sales.{world.alias}_Routed")
    record = world.row(0, 1, "a")
    record.topic = partition.topic
    world.sink(partition).write([record], {partition: 1}, frozenset())

    assert world.progress().targets[partition.topic].alias == f"{world.alias}_routed"


def test_deletes_before_any_row_make_no_index(world):
    world.write(world.sink(), world.delete(0, 1))

    assert world.stored == {"0": 1}
    assert world.progress().targets == {}


def test_E5_the_position_goes_on_where_it_was_stored(world):
    world.write(world.sink(), world.row(0, 1, "a"), world.row(1, 2, "b"))
    sink = world.sink()

    assert sink.open([world.partition]) == {world.partition: 2}


def test_E5_an_empty_batch_is_progress_too(world):
    sink = world.sink()
    sink.write([], {world.partition: 12}, frozenset())

    assert world.stored == {"0": 12}


def test_F112_an_older_owner_is_fenced_and_its_late_writes_are_harmless(world):
    zombie = world.sink()
    world.write(zombie, world.row(0, 1, "a"))
    sink = world.sink()
    world.write(sink, world.row(1, 1, "b"), world.row(2, 2, "c"))

    with pytest.raises(Fenced):
        world.write(zombie, world.row(1, 1, "b"))

    assert world.notes() == {"1": "b", "2": "c"}
    assert world.stored == {"0": 3}


def test_F112_an_older_owner_empties_nothing(world):
    zombie = world.sink()
    world.write(zombie, world.row(0, 1, "a"))
    world.write(world.sink(), world.row(1, 2, "b"))

    with pytest.raises(Fenced):
        zombie.write([world.truncate(5)], {}, frozenset())
    assert world.notes() == {"1": "a", "2": "b"}


def test_a_state_document_that_is_gone_stops_the_sink(world):
    sink = world.sink()
    world.write(sink, world.row(0, 1, "a"))
    world.http("DELETE", f"/{STATE_INDEX}/_doc/{world.context.group}%2F{world.context.connector}")

    assert refusal(world.write, sink, world.row(1, 1, "b")).code == "state_missing"


def test_F151_an_answer_lost_after_the_write_is_settled_by_versions(world, proxy):
    sink = world.sink(url=proxy.url)
    batch = [world.row(0, 1, "a"), world.row(1, 2, "b"), world.delete(2, 3)]
    proxy.lose = lambda _method, path: path.startswith("/_bulk")
    with pytest.raises(Retriable) as error:
        world.write(sink, *batch)
    assert error.value.code == "target_unreachable"
    assert world.notes() == {"1": "a", "2": "b"}

    proxy.lose = lambda _method, _path: False
    assert sink.open([world.partition]) == {world.partition: 0}
    assert world.write(sink, *batch).stale == 3
    assert world.stored == {"0": 3}


@pytest.mark.parametrize("part", [f"/{STATE_INDEX}/", "/h_", "/_pit", "/_search"])
def test_F151_any_answer_may_be_lost_once(world, proxy, part):
    sink = world.sink(url=proxy.url)
    lost = []

    def lose(_method, path):
        if path.startswith(part) and len(lost) < 9 and path not in lost:
            lost.append(path)
            return True
        return False

    proxy.lose = lose
    batch = [world.row(0, 1, "a"), world.truncate(1), world.row(2, 2, "b")]
    for _ in range(12):
        try:
            sink.open([world.partition])
            world.write(sink, *batch)
            break
        except Retriable:
            continue

    assert lost
    assert world.notes() == {"2": "b"}
    assert world.stored == {"0": 3}


def test_F153_a_blocked_index_is_waited_for_and_goes_on(world):
    sink = world.sink()
    world.write(sink, world.row(0, 1, "a"))
    block = "index.blocks.read_only_allow_delete"
    world.http("PUT", f"/{world.index}/_settings", {block: True})
    with pytest.raises(Retriable) as error:
        world.write(sink, world.row(1, 1, "b"))
    assert error.value.code == "target_blocked"

    world.http("PUT", f"/{world.index}/_settings", {block: None})
    world.write(sink, world.row(1, 1, "b"))

    assert world.notes() == {"1": "b"}


def test_rebuild_drops_what_the_sink_made_and_nothing_else(world):
    world.write(world.sink(), world.row(0, 1, "a"))
    world.http("PUT", f"/{world.alias}-theirs")

    done = PLUGIN.rebuild(ElasticsearchConfig(url=world.url), world.context)

    assert any("dropped the index" in line for line in done)
    left = [index["name"] for index in world.http("GET", f"/_resolve/index/{world.alias}*")["indices"]]
    assert left == [f"{world.alias}-theirs"]
    assert world.sink().open([world.partition]) == {world.partition: 0}


def test_rebuild_fences_a_worker_that_still_runs(world):
    sink = world.sink()
    world.write(sink, world.row(0, 1, "a"))
    PLUGIN.rebuild(ElasticsearchConfig(url=world.url), world.context)

    with pytest.raises(Fenced):
        sink.write([], {world.partition: 5}, frozenset())


def findings(world, **options):
    config = ElasticsearchConfig(url=options.pop("url", world.url), **options)
    return {finding.check: finding for finding in PLUGIN.preflight(config, world.context)}


def test_doctor_does_not_miss_the_index_of_a_topic_that_is_read_no_more(world):
    world.write(world.sink(), world.row(0, 1, "a"))
    [index] = world.http("GET", f"/{world.alias}")
    world.http("DELETE", f"/{index}")
    context = replace(world.context, target={}.__getitem__)

    assert "target" not in {finding.check for finding in PLUGIN.preflight(ElasticsearchConfig(url=world.url), context)}
    assert findings(world)["target"].severity is Severity.PROBLEM


def test_doctor_finds_a_healthy_cluster_and_its_version(world):
    world.write(world.sink(), world.row(0, 1, "a"))

    found = findings(world)

    assert found["version"].severity is Severity.OK
    assert "8." in found["version"].message
    assert found["target"].severity is Severity.OK


def test_doctor_names_a_block_and_what_lifts_it(world):
    world.write(world.sink(), world.row(0, 1, "a"))
    world.http("PUT", f"/{world.index}/_settings", {"index.blocks.write": True})

    found = findings(world)["target"]

    assert found.severity is Severity.PROBLEM
    assert '"index.blocks.write": null' in found.remedy


def test_doctor_says_that_nobody_listens(world):
    assert findings(world, url="http://127.0.0.1:1")["target_unreachable"].severity is Severity.PROBLEM


def test_F112_a_fenced_owner_is_fenced_again_by_the_same_batch(world):
    old = world.sink()
    batch = [world.row(0, 1, "a")]
    new = world.sink()
    for _ in range(2):
        with pytest.raises(Fenced):
            world.write(old, *batch)

    assert world.stored == {"0": 0}
    world.write(new, *batch)
    assert world.stored == {"0": 1}


def test_F3_a_topic_that_appears_does_not_make_a_fenced_sink_the_owner_again(world):
    old, new = world.sink(), world.sink()
    later = world.partition._replace(topic=f"{world.topic}_later")
    for _ in range(2):
        old.close()
        with pytest.raises(Fenced):
            old.open([world.partition, later])

    world.write(new, world.row(0, 1, "a"))
    assert world.stored == {"0": 1}
    assert later.topic not in world.progress().topics


def test_a_sink_whose_state_document_went_meanwhile_does_not_begin_anew(world):
    sink = world.sink()
    world.write(sink, world.row(0, 1, "a"))
    sink.close()
    world.http("DELETE", f"/{STATE_INDEX}/_doc/{world.context.group}%2F{world.context.connector}")

    assert refusal(sink.open, [world.partition]).code == "state_missing"
