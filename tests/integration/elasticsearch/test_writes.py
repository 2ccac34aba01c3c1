"""What batches do to an index of a real server."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest

from connect.errors import Failed, Fenced
from connect.record import UNAVAILABLE
from connect.schema.model import Field, Kind, Type, decimal_type
from connectors.elasticsearch import PLUGIN
from connectors.elasticsearch.config import ElasticsearchConfig
from connectors.elasticsearch.document import version_of

pytestmark = pytest.mark.stack


def test_rows_are_documents_and_deletes_remove_them(world):
    sink = world.sink()

    result = world.write(sink, world.row(0, 1, "a"), world.row(1, 2, "b"), world.row(2, 1, "c"), world.delete(3, 2))

    assert (result.applied, result.stale, result.failures) == (2, 0, [])
    assert world.documents() == {"1": {"id": 1, "note": "c", "body": None}}


def test_E1_a_documents_version_is_incarnation_and_offset(world):
    world.write(world.sink(), world.row(41, 1, "a"))

    assert world.hits()["1"]["_version"] == version_of(1, 41)


def test_F144_a_replay_is_stale_and_changes_nothing(world):
    sink = world.sink()
    batch = [world.row(0, 1, "a"), world.row(1, 2, "b"), world.delete(2, 3)]
    sink.write(batch, {}, frozenset())  # as if killed before the position was stored

    result = world.write(world.sink(), *batch)

    assert (result.applied, result.stale) == (0, 3)
    assert world.notes() == {"1": "a", "2": "b"}


def test_a_record_below_the_stored_position_is_not_sent_again(world):
    sink = world.sink()
    world.write(sink, world.row(0, 1, "a"))

    assert world.write(sink, world.row(0, 1, "other")).stale == 1
    assert world.notes() == {"1": "a"}


def test_F146_a_late_write_does_not_bring_a_deleted_document_back(world):
    zombie = world.sink()
    zombie.write([world.row(5, 1, "early")], {}, frozenset())
    sink = world.sink()
    sink.write([world.row(5, 1, "early"), world.delete(9, 1)], {}, frozenset())

    zombie.write([world.row(5, 1, "late")], {}, frozenset())

    assert world.notes() == {}


def test_F145_after_a_rebuild_the_topic_made_anew_wins_over_late_writes_of_the_old_one(world):
    zombie = world.sink()
    world.write(zombie, world.row(900, 1, "old"))
    PLUGIN.rebuild(ElasticsearchConfig(url=world.url), world.context)
    world.partition = world.partition._replace(topic_id="topic-id-2")
    world.write(world.sink(), world.row(0, 1, "new"))

    with suppress(Failed, Fenced):
        zombie.write([world.row(901, 1, "late")], {}, frozenset())

    assert world.notes() == {"1": "new"}
    assert world.hits()["1"]["_version"] == version_of(3, 0)


def test_records_without_a_key_are_appended_once(world):
    sink = world.sink()
    batch = [world.append(0, "a"), world.append(1, "a")]
    sink.write(batch, {}, frozenset())
    world.write(sink, *batch)

    assert world.notes() == {f"{world.topic}/0/0": "a", f"{world.topic}/0/1": "a"}


def test_F149_a_long_key_is_a_hash_and_stays_readable(world):
    world.columns = (Field("id", Type(Kind.STRING)), *world.columns[1:])
    sink = world.sink()
    world.write(sink, world.row(0, "k" * 600, "a"), world.row(1, "k" * 601, "b"))
    world.write(sink, world.delete(2, "k" * 600))

    (document,) = world.documents().values()
    assert document["__key"] == "k" * 601


def test_a_refused_document_is_a_failure_and_holds_the_position_back(world):
    world.columns = (*world.columns[:2], Field("body", Type(Kind.BOOLEAN)))
    sink = world.sink()
    batch = [world.row(0, 1, "a", True), world.row(1, 2, "b", "S3CR3T"), world.row(2, 3, "c", False)]

    result = world.write(sink, *batch)

    assert [(failure.index, failure.error) for failure in result.failures] == [
        (1, "document_parsing_exception: field body")
    ]
    assert world.stored == {"0": 0}


def test_K5_with_the_failure_skipped_the_rest_is_written_and_the_position_stored(world):
    world.columns = (*world.columns[:2], Field("body", Type(Kind.BOOLEAN)))
    sink = world.sink()
    batch = [world.row(0, 1, "a", True), world.row(1, 1, "b", "maybe"), world.row(2, 3, "c", False)]
    world.write(sink, *batch)

    result = world.write(sink, *batch, skip=frozenset({1}))

    assert not result.failures
    assert world.notes() == {"1": "a", "3": "c"}
    assert world.stored == {"0": 3}


def test_invariant_5_an_unavailable_column_keeps_the_stored_value(world):
    sink = world.sink()
    world.write(sink, world.row(0, 1, "a", "long text"))

    world.write(sink, world.row(1, 1, "b", UNAVAILABLE))

    assert world.documents() == {"1": {"id": 1, "note": "b", "body": "long text"}}


def test_invariant_5_a_document_without_its_old_row_says_what_it_lacks_until_a_whole_row_comes(world):
    sink = world.sink()
    world.write(sink, world.row(0, 1, "a", UNAVAILABLE))
    assert world.write(sink, world.row(1, 1, "b", UNAVAILABLE)).incomplete == 1
    assert world.documents() == {"1": {"id": 1, "note": "b", "__incomplete": ["body"]}}

    world.write(sink, world.row(2, 1, "c", "text"))

    assert world.documents() == {"1": {"id": 1, "note": "c", "body": "text"}}


def test_K4_a_replayed_merge_takes_nothing_from_the_future(world):
    sink = world.sink()
    batch = [world.row(0, 1, "a", "old"), world.row(1, 1, "b", UNAVAILABLE), world.row(2, 1, "c", "new")]
    for record in batch:
        sink.write([record], {}, frozenset())

    assert world.write(sink, batch[1]).stale == 1
    assert world.documents() == {"1": {"id": 1, "note": "c", "body": "new"}}


def test_a_truncate_empties_the_index_and_what_follows_stays(world):
    sink = world.sink()
    world.write(sink, world.row(0, 1, "a"), world.row(1, 2, "b"))

    world.write(sink, world.row(2, 3, "c"), world.truncate(3), world.row(4, 1, "d"))

    assert world.notes() == {"1": "d"}
    assert world.stored == {"0": 5}


def test_a_replayed_truncate_takes_nothing_that_came_later(world):
    sink = world.sink()
    batch = [world.row(0, 1, "a"), world.truncate(1), world.row(2, 2, "b")]
    sink.write(batch, {}, frozenset())

    world.write(world.sink(), *batch)

    assert world.notes() == {"2": "b"}


def test_a_truncate_empties_rows_of_other_partitions_too(world):
    other = world.partition._replace(partition=1)
    sink = world.sink(world.partition, other)
    world.write(sink, world.row(700, 1, "a", partition=1))
    world.write(sink, world.truncate(3), world.row(701, 2, "b", partition=1))

    assert world.notes() == {"2": "b"}
    assert world.stored == {"0": 4, "1": 702}


def test_F187_extremes_are_exact_in_the_source(world):
    world.columns = (
        world.columns[0],
        Field("note", Type(Kind.INT64)),
        Field("body", decimal_type(20, 0)),
        Field("real", Type(Kind.FLOAT64)),
        Field("day", Type(Kind.INT32, "io.debezium.time.Date")),
        Field("json", Type(Kind.STRING, "io.debezium.data.Json")),
    )
    values = [-(2**63), Decimal(2**64 - 1), float("nan"), 2145042905, '{"n": 9007199254740993, "n": 1.10}']

    result = world.write(world.sink(), world.row(0, 2**63 - 1, *values))

    assert not result.failures
    assert world.documents() == {
        str(2**63 - 1): {
            "id": 2**63 - 1,
            "note": -(2**63),
            "body": "18446744073709551615",
            "real": "NaN",
            "day": "+5874897-12-31",
            "json": '{"n": 9007199254740993, "n": 1.10}',
        }
    }


def test_decimals_and_dates_are_found_by_range(world):
    world.columns = (
        world.columns[0],
        Field("note", decimal_type(10, 2)),
        Field("body", Type(Kind.INT64, "io.debezium.time.MicroTimestamp")),
    )
    world.write(world.sink(), world.row(0, 1, Decimal("9.50"), 0), world.row(1, 2, Decimal("10.50"), 86_400_000_000))
    world.http("POST", f"/{world.alias}/_refresh")

    for query in ({"note": {"gt": 9.75}}, {"body": {"gte": "1970-01-02"}}):
        found = world.http("POST", f"/{world.alias}/_search", {"query": {"range": query}})
        assert [hit["_id"] for hit in found["hits"]["hits"]] == ["2"]


def test_a_batch_larger_than_a_request_is_written_whole(world):
    sink = world.sink(batch_bytes=10_000, in_flight=4)

    result = world.write(sink, *(world.row(number, number, "x" * 1_000) for number in range(100)))

    assert result.applied == 100
    assert len(world.documents()) == 100


def test_incomplete_documents_are_still_counted_by_the_next_owner(world):
    sink = world.sink()
    world.write(sink, world.row(0, 1, "a", UNAVAILABLE), world.row(1, 2, "a", UNAVAILABLE), world.row(2, 3, "a", "b"))

    assert world.sink().write([], {world.partition: 3}, frozenset()).incomplete == 2


def test_no_document_is_counted_incomplete_once_all_are_whole(world):
    world.write(world.sink(), world.row(0, 1, "a", UNAVAILABLE))
    world.write(world.sink(), world.row(1, 1, "a", "b"))

    assert world.sink().write([], {}, frozenset()).incomplete == 0
