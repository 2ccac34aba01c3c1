"""One write a document: the last of each key, filled from what came before (rule K3, invariant 5)."""

from __future__ import annotations

from connect.record import UNAVAILABLE, Op
from connectors.elasticsearch.collapse import collapse, draft, fill
from connectors.elasticsearch.document import DocumentWriter, Fields


def fields_of(row):
    return DocumentWriter(row.shape.schema).fields(row)


def drafted(*records):
    (write,), unusable = collapse(enumerate(records))
    assert not unusable
    return draft(write.record.after, write.earlier, fields_of)


def test_K3_the_last_write_of_a_key_wins(record):
    writes, _ = collapse(enumerate([record(0, 1, "a"), record(1, 2, "b"), record(2, 1, op=Op.DELETE)]))

    assert [(write.id.text, write.index) for write in writes] == [("1", 2), ("2", 1)]


def test_a_whole_row_keeps_nothing_of_the_earlier_ones(record):
    (write,), _ = collapse(enumerate([record(0, 1, "a"), record(1, 1, "b")]))

    assert write.earlier is None


def test_invariant_5_a_gap_is_filled_from_the_batch(record):
    filled = drafted(record(0, 1, "a", "long"), record(1, 1, "b", UNAVAILABLE), record(2, 1, "c", UNAVAILABLE))

    assert filled.fields == Fields({"id": 1, "note": "c", "body": "long"})
    assert not filled.needs_base


def test_invariant_5_gaps_are_filled_from_the_newest_that_has_them(record):
    filled = drafted(record(0, 1, "a", "old"), record(1, 1, UNAVAILABLE, "new"), record(2, 1, UNAVAILABLE, UNAVAILABLE))

    assert filled.fields.values == {"id": 1, "note": "a", "body": "new"}


def test_a_gap_that_the_batch_cannot_fill_needs_the_stored_document(record):
    filled = drafted(record(0, 1, "a", UNAVAILABLE))

    assert filled.fields.missing == ("body",)
    assert filled.needs_base


def test_a_row_before_a_delete_fills_nothing(record):
    filled = drafted(record(0, 1, "a", "gone"), record(1, 1, op=Op.DELETE), record(2, 1, "b", UNAVAILABLE))

    assert filled.fields.missing == ("body",)
    assert not filled.needs_base


def test_a_stored_document_fills_what_it_knows():
    filled = fill(Fields({"id": 1}, ("note", "body")), {"id": 1, "note": None, "body": 0, "__incomplete": ["body"]})

    assert filled == Fields({"id": 1, "note": None}, ("body",))


def test_a_delete_without_a_key_is_unusable(record):
    writes, unusable = collapse([(3, record(0, None, op=Op.DELETE))])

    assert not writes
    assert [index for index, _ in unusable] == [3]
