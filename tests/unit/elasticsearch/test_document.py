"""Document ids and versions (F149, F145, rule E1)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connect.record import UNAVAILABLE, plain_row
from connect.schema.model import Field, Kind, TableId, TableSchema, Type
from connectors.elasticsearch.document import DocumentWriter, Fields, document_id, encode, version_of

TABLE = TableId("public", "t")


def key_of(*values):
    columns = tuple(Field(f"k{i}", Type(Kind.STRING)) for i in range(len(values)))
    return plain_row(TableSchema(TABLE, columns), values)


def id_of(record, *values):
    return document_id(replace(record(0, 1), key=key_of(*values)))


def test_a_key_of_one_column_is_its_text(record):
    assert document_id(record(0, 42)).text == "42"
    assert id_of(record, "a/b c").text == "a/b c"


def test_a_record_without_a_key_is_its_place_in_the_topic(record):
    assert document_id(record(7, None)).text == "shop.public.orders/0/7"


def test_F149_composite_keys_are_never_ambiguous(record):
    assert id_of(record, "a", "bc").text == "1:a,2:bc"
    assert id_of(record, "a", "bc") != id_of(record, "ab", "c")
    assert id_of(record, "a", None) != id_of(record, "a", "-")


def test_F149_a_long_key_becomes_a_hash_and_keeps_its_text(record):
    identity = id_of(record, "ü" * 300)

    assert identity.text.startswith("sha256:")
    assert len(identity.text.encode()) <= 512
    assert identity.original == "ü" * 300


def test_F149_an_empty_key_and_one_that_looks_hashed_are_hashed(record):
    hashed = id_of(record, "x" * 600).text

    assert id_of(record, "").text.startswith("sha256:")
    assert id_of(record, hashed).text != hashed
    assert id_of(record, None).text != id_of(record, "").text


@given(st.tuples(st.text(max_size=5), st.text(max_size=5)), st.tuples(st.text(max_size=5), st.text(max_size=5)))
def test_F149_two_keys_share_an_id_only_if_they_are_equal(one, other):
    class Holder:
        topic, partition, offset = "t", 0, 0

    a, b = Holder(), Holder()
    a.key, b.key = key_of(*one), key_of(*other)

    assert (document_id(a).text == document_id(b).text) == (one == other)


@pytest.mark.parametrize("incarnation", [1, 2, 2**16 - 1])
def test_E1_a_higher_incarnation_beats_every_offset_of_a_lower_one(incarnation):
    assert version_of(incarnation, 0) > version_of(incarnation - 1, 2**47 - 1)
    assert version_of(incarnation, 2**47 - 1) < 2**63


def test_an_unavailable_column_is_missing_and_null_is_null(record):
    row = record(0, 1, note=None, body=UNAVAILABLE).after

    assert DocumentWriter(row.shape.schema).fields(row) == Fields({"id": 1, "note": None}, ("body",))


def test_a_document_says_what_it_lacks_and_its_hashed_key():
    assert encode(Fields({"a": 1}, ("b",)), "k") == b'{"a":1,"__incomplete":["b"],"__key":"k"}'
    assert encode(Fields({"a": 1}), None) == b'{"a":1}'
