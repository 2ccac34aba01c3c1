"""Each logical type: its mapping and its JSON value."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connect.schema.model import Field, Kind, Type, decimal_type, variable_scale_decimal_type
from connectors.elasticsearch.fields import field_type

STRING = Type(Kind.STRING)


def convert(kind, value):
    field = field_type(kind)
    return value if field.convert is None else field.convert(value)


@pytest.mark.parametrize(
    ("kind", "value", "json"),
    [
        (Type(Kind.BOOLEAN), True, True),
        (Type(Kind.INT64), 2**63 - 1, 2**63 - 1),
        (Type(Kind.FLOAT64), 1.5, 1.5),
        (Type(Kind.FLOAT64), float("nan"), "NaN"),
        (Type(Kind.FLOAT32), float("-inf"), "-Infinity"),
        (Type(Kind.BYTES), b"\x00\xff", "AP8="),
        (decimal_type(20, 0), Decimal(2**64 - 1), "18446744073709551615"),
        (decimal_type(10, 2), Decimal("1.10"), "1.10"),
        (decimal_type(10, 2), Decimal("NaN"), "NaN"),
        (variable_scale_decimal_type(), Decimal("1E-20"), "0.00000000000000000001"),
        (Type(Kind.INT32, "io.debezium.time.Date"), 10957, "2000-01-01"),
        (Type(Kind.INT64, "io.debezium.time.MicroTime"), 1, "00:00:00.000001"),
        (Type(Kind.INT64, "io.debezium.time.Timestamp"), -1, "1969-12-31T23:59:59.999"),
        (Type(Kind.STRING, "io.debezium.data.Json"), '{"n": 1.10}', '{"n": 1.10}'),
        (Type(Kind.ARRAY, items=decimal_type(4, 1)), [Decimal("0.5"), None], ["0.5", None]),
        (Type(Kind.MAP, items=Type(Kind.BYTES)), {1: b"a", "": None}, {"1": "YQ==", "": None}),
    ],
)
def test_F187_values_reach_json_exactly(kind, value, json):
    assert convert(kind, value) == json


def test_a_struct_is_an_object_of_its_fields():
    kind = Type(Kind.STRUCT, fields=(Field("x", Type(Kind.FLOAT64)), Field("wkb", Type(Kind.BYTES))))

    assert convert(kind, {"x": 1.0, "wkb": b"a"}) == {"x": 1.0, "wkb": "YQ=="}
    assert set(field_type(kind).mapping["properties"]) == {"x", "wkb"}


@pytest.mark.parametrize("kind", [Kind.INT8, Kind.INT16, Kind.INT32, Kind.INT64])
def test_every_integer_is_long_so_that_a_column_may_widen(kind):
    assert field_type(Type(kind)).mapping["type"] == "long"


def test_an_array_is_mapped_as_its_items():
    assert field_type(Type(Kind.ARRAY, items=STRING)).mapping == field_type(STRING).mapping


def test_F148_json_is_text_whatever_its_keys():
    assert field_type(Type(Kind.STRING, "io.debezium.data.Json")).mapping == {"type": "text"}


def test_an_unknown_semantic_name_is_indexed_by_its_kind():
    assert field_type(Type(Kind.STRING, "com.example.Colour")) == field_type(STRING)
