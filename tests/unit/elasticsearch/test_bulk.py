"""Packing, judging and explaining bulk items, without a server."""

from __future__ import annotations

import pytest

from connectors.elasticsearch.bulk import Action, Verdict, judge, packs, reason


def action(number, size=10):
    return Action(number, "orders", str(number), 1, b"x" * size)


def test_a_request_stays_below_its_limit():
    limit = 3 * len(action(0).lines())

    assert [len(pack) for pack in packs(map(action, range(8)), limit)] == [3, 3, 2]


def test_F150_a_document_above_the_limit_travels_alone():
    sizes = [len(pack) for pack in packs([action(0), action(1, 10_000), action(2)], 500)]

    assert sizes == [1, 1, 1]


@pytest.mark.parametrize(
    ("item", "verdict"),
    [
        ({"status": 201}, Verdict.APPLIED),
        ({"status": 404}, Verdict.APPLIED),  # a delete of what is not there
        ({"status": 409, "error": {"type": "version_conflict_engine_exception"}}, Verdict.STALE),
        ({"status": 429, "error": {"type": "es_rejected_execution_exception"}}, Verdict.AGAIN),
        ({"status": 503, "error": {"type": "unavailable_shards_exception"}}, Verdict.AGAIN),
        ({"status": 429, "error": {"type": "cluster_block_exception"}}, Verdict.BLOCKED),
        ({"status": 403, "error": {"type": "cluster_block_exception"}}, Verdict.BLOCKED),
        ({"status": 403, "error": {"type": "security_exception"}}, Verdict.DENIED),
        ({"status": 404, "error": {"type": "index_not_found_exception"}}, Verdict.GONE),
        ({"status": 400, "error": {"type": "document_parsing_exception"}}, Verdict.FAILED),
    ],
)
def test_F142_every_item_is_judged_by_its_own_answer(item, verdict):
    assert judge(item) is verdict


def test_F160_a_reason_names_the_field_and_no_value():
    text = "[1:20] failed to parse field [price] of type [long] in document with id '7'. Preview of value: 'S3CR3T'"

    assert reason({"error": {"type": "document_parsing_exception", "reason": text}}) == (
        "document_parsing_exception: field price"
    )


def test_F160_an_unknown_reason_is_left_out():
    assert reason({"error": {"type": "odd_exception", "reason": "field [S3CR3T]"}}) == "odd_exception"
