"""Values of a peek are dates, times and texts, not wire numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connect.runtime.readable import readable
from connect.schema.model import Kind, Type

TEXT = Type(Kind.STRING)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("io.debezium.time.Date", 20_000, "2024-10-04"),
        ("io.debezium.time.MicroTimestamp", 1_700_000_000_123_456, "2023-11-14 22:13:20.123456"),
        ("io.debezium.time.MicroTime", 3_661_000_000, "1:01:01"),
        ("io.debezium.time.MicroTimestamp", 2**63 - 1, "9223372036854775807"),
        ("org.apache.kafka.connect.data.Timestamp", 0, "1970-01-01 00:00:00"),
    ],
)
def test_temporal_numbers_are_told_as_the_calendar_has_them(name: str, value: int, shown: str) -> None:
    assert readable(Type(Kind.INT64, name), value) == shown


def test_null_is_not_a_text() -> None:
    assert readable(TEXT, None) == "NULL"
    assert readable(TEXT, "NULL") == '"NULL"'


def test_json_needs_no_second_pair_of_quotes() -> None:
    assert readable(Type(Kind.STRING, "io.debezium.data.Json"), '{"a": 1}') == '{"a": 1}'


def test_decimals_keep_their_digits() -> None:
    assert readable(Type(Kind.BYTES), Decimal("0.00000010")) == "0.00000010"


def test_long_values_are_cut_and_say_so() -> None:
    assert readable(TEXT, "x" * 1_000).endswith("(1,002 characters)")
