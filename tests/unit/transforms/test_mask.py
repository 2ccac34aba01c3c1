"""Masked columns: values, old rows, keys, types and defaults."""

import hashlib
import hmac

import pytest

from connect.errors import Failed
from connect.record import UNAVAILABLE, RowShape, text
from connect.schema.model import NO_DEFAULT, Field, Kind, TableSchema, Type

KEY = b"k" * 16


def hashed(value: bytes) -> str:
    return hmac.new(KEY, value, hashlib.sha256).hexdigest()


def masks(**fields):
    return ("mask", {"fields": fields})


def test_a_hash_is_hmac_sha256_with_the_mask_key(chain, event):
    row = chain(masks(email="hash")).apply(event("c", None, "1,open,a@b")).after

    assert row["email"] == hashed(b"a@b")


def test_the_old_row_is_masked_too(chain, event):
    change = chain(masks(email="hash")).apply(event("u", "1,open,old@b", "1,open,new@b"))

    assert change.before["email"] == hashed(b"old@b")
    assert change.before.shape is change.after.shape is change.shape


def test_a_fixed_value_stands_in_every_row_that_has_one(chain, event):
    pipeline = chain(masks(email={"fixed": "x"}))

    assert pipeline.apply(event("c", None, "1,open,a@b")).after["email"] == "x"
    assert pipeline.apply(event("c", None, "1,open,-")).after["email"] is None


def test_nullify_gives_null(chain, event):
    assert chain(masks(email="nullify")).apply(event("c", None, "1,open,a@b")).after.values() == [1, "open", None]


@pytest.mark.parametrize("kind", ["hash", "nullify", {"fixed": "x"}])
def test_null_stays_null_and_unavailable_stays_unavailable(chain, event, kind):
    pipeline = chain(masks(email=kind))

    assert pipeline.apply(event("c", None, "1,open,-")).after["email"] is None
    assert pipeline.apply(event("u", None, "1,open,?")).after["email"] is UNAVAILABLE


@pytest.mark.parametrize("kind", ["hash", "nullify", {"fixed": "x"}])
def test_the_schemas_default_tells_nothing(chain, shape, kind):
    assert chain(masks(email=kind)).shape(shape).schema.column("email").default is NO_DEFAULT


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        ("hash", Type(Kind.STRING)),
        ({"fixed": "x"}, Type(Kind.STRING)),
        ({"fixed": 0}, Type(Kind.INT64)),
        ({"fixed": True}, Type(Kind.BOOLEAN)),
        ({"fixed": 0.5}, Type(Kind.FLOAT64)),
        ("nullify", Type(Kind.INT32)),
    ],
)
def test_the_masked_columns_type_is_that_of_the_mask(chain, kind, type_):
    fields = (Field("id", Type(Kind.INT64)), Field("email", Type(Kind.INT32)), Field("status", Type(Kind.STRING)))
    shape = RowShape(TableSchema(("a", "b"), fields, ("id",)), lambda data: data, (int, int, text))

    assert chain(masks(email=kind)).shape(shape).schema.column("email").type == type_


def test_a_key_column_can_be_hashed(chain, event, shape):
    pipeline = chain(masks(id="hash"))

    assert pipeline.apply(event("c", None, "12,open,x")).after.key == (hashed(b"12"),)
    assert pipeline.shape(shape).schema.key == ("id",)


@pytest.mark.parametrize("kind", ["nullify", {"fixed": "x"}])
def test_a_key_column_cannot_be_masked_otherwise(chain, shape, kind):
    with pytest.raises(Failed, match="can only be masked by hash"):
        chain(masks(id=kind)).shape(shape)


def test_a_sinks_record_key_is_masked_with_its_row(chain, record):
    masked = chain(masks(id="hash")).apply(record("u", 12, "12,open,x"))

    assert masked.key.key == masked.after.key == (hashed(b"12"),)


def test_a_tombstones_key_is_masked(chain, record):
    assert chain(masks(id="hash")).apply(record("d", 12, None)).key.key == (hashed(b"12"),)


def test_a_renamed_masked_column_stops_the_connector(chain, shape):
    fields = (*shape.schema.columns[:2], Field("mail", Type(Kind.STRING)))
    renamed = RowShape(TableSchema(shape.schema.table, fields, ("id",)), shape.split, shape.decode)

    with pytest.raises(Failed, match="'email' is gone and new columns came: mail") as caught:
        chain(masks(email="hash")).shape(renamed)
    assert caught.value.code == "mask_column_gone"


def test_rows_from_before_the_masked_column_came_pass(chain, shape):
    older = RowShape(TableSchema(shape.schema.table, shape.schema.columns[:2], ("id",)), shape.split, shape.decode[:2])

    assert chain(masks(email="hash")).shape(older) is older
