"""Postgres codecs: nothing but ``Failed`` on garbage, and values equal to an independent computation."""

from __future__ import annotations

import contextlib
import json
import struct
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connect.errors import Failed
from connect.record import UNAVAILABLE
from connectors.postgres import pgoutput
from connectors.postgres.rows import COPY_ROW, LOG_ROW
from connectors.postgres.spool import TransactionSpool
from connectors.postgres.types import TypeCatalog, TypeOptions, codec

# The Python twin and, where it is built, the compiled one.
tuple_splits = pytest.mark.parametrize("split_tuple", dict.fromkeys([pgoutput.split_tuple, LOG_ROW]))
line_splits = pytest.mark.parametrize("split_line", dict.fromkeys([pgoutput.tuple_of_copy_text, COPY_ROW]))
CATALOG = TypeCatalog()
LINES = (Path(__file__).parents[1] / "data" / "postgres_vectors.tsv").read_text(encoding="utf-8").splitlines()
OIDS = sorted(oid for oid in CATALOG if oid not in (20, 21, 23, 26, 700, 701))  # their decoders are builtins


def decode(oid, text, typmod=-1, **options):
    return codec(oid, typmod, CATALOG, TypeOptions(**options)).decode(text.encode())


# --- pgoutput ---------------------------------------------------------------------------------------------------------

cells = st.lists(st.none() | st.just(UNAVAILABLE) | st.binary(max_size=40), max_size=12)
u32 = st.integers(0, 2**32 - 1)
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10)


def tuple_data(row):
    return struct.pack(">H", len(row)) + b"".join(
        b"n" if cell is None else b"u" if cell is UNAVAILABLE else b"t" + struct.pack(">I", len(cell)) + cell
        for cell in row
    )


def relation(oid, schema, name, columns):
    head = b"R" + struct.pack(">I", oid) + f"{schema}\0{name}\0d".encode() + struct.pack(">H", len(columns))
    return head + b"".join(b"\1" + f"{column}\0".encode() + struct.pack(">Ii", 25, -1) for column in columns)


messages = st.one_of(
    st.builds(lambda oid, row: b"I" + struct.pack(">I", oid) + b"N" + tuple_data(row), u32, cells),
    st.builds(
        lambda oid, old, new: b"U" + struct.pack(">I", oid) + b"O" + tuple_data(old) + b"N" + tuple_data(new),
        u32,
        cells,
        cells,
    ),
    st.builds(relation, u32, names, names, st.lists(names, max_size=5)),
    st.builds(lambda body: b"M\1" + bytes(8) + b"p\0" + struct.pack(">I", len(body)) + body, st.binary(max_size=20)),
    st.builds(lambda body: b"B" + body, st.binary(min_size=20, max_size=20)),
)


@tuple_splits
@given(row=cells)
def test_split_tuple_gives_back_the_cells_that_were_packed(split_tuple, row):
    assert split_tuple(tuple_data(row)) == row


@given(messages)
def test_a_well_formed_message_is_understood(data):
    assert pgoutput.parse(data, streaming=False) is not None


@given(st.data(), messages, st.booleans())
def test_a_mutated_message_is_understood_or_refused_and_nothing_else(data, message, streaming):
    at = data.draw(st.integers(0, len(message) - 1))
    how = data.draw(st.sampled_from(["cut", "flip", "insert"]))
    noise = data.draw(st.binary(min_size=1, max_size=4))
    mutated = {
        "cut": message[:at],
        "flip": message[:at] + noise + message[at + len(noise) :],
        "insert": message[:at] + noise + message[at:],
    }
    parse_or_fail(mutated[how], streaming=streaming)


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_are_understood_or_refused_and_nothing_else(data, streaming):
    parse_or_fail(data, streaming=streaming)


def parse_or_fail(data, *, streaming):
    with contextlib.suppress(Failed):
        message = pgoutput.parse(data, streaming=streaming)
        for row in (getattr(message, "old", None), getattr(message, "new", None)):
            if row is not None:
                LOG_ROW(row)


@tuple_splits
@given(cut=st.integers(0, 60), row=cells)
def test_a_row_that_ends_early_is_refused(split_tuple, cut, row):
    data = tuple_data(row)
    short = data[: -1 - cut % len(data)]
    with pytest.raises(Failed):
        split_tuple(short)


COPY_ESCAPES = {8: b"\\b", 12: b"\\f", 10: b"\\n", 13: b"\\r", 9: b"\\t", 11: b"\\v", 92: b"\\\\"}


@line_splits
@given(row=st.lists(st.none() | st.binary(max_size=20), min_size=1, max_size=8))
def test_a_copy_line_gives_back_the_cells_that_were_written(split_line, row):
    line = b"\t".join(
        b"\\N" if cell is None else b"".join(COPY_ESCAPES.get(byte, bytes([byte])) for byte in cell) for cell in row
    )

    assert split_line(line + b"\n") == row


# --- types ------------------------------------------------------------------------------------------------------------


@given(st.sampled_from(OIDS), st.binary(max_size=30), st.sampled_from([-1, 0, 1, 3, 655366]))
def test_S13_bytes_that_are_not_of_their_type_decode_or_are_refused_and_nothing_else(oid, cell, typmod):
    column = codec(oid, typmod, CATALOG, TypeOptions())
    with contextlib.suppress(Failed, ValueError):
        column.decode(cell)


@given(st.data(), st.sampled_from([line.split("\t") for line in LINES if not line.startswith("#")]))
def test_S13_a_damaged_text_form_decodes_or_is_refused_and_nothing_else(data, row):
    if row[1] == "dyn":
        return
    cell = json.loads(row[3]).encode()
    at = data.draw(st.integers(0, len(cell)))
    damaged = cell[:at] + data.draw(st.binary(max_size=2)) + cell[at + data.draw(st.integers(0, 2)) :]
    with contextlib.suppress(Failed, ValueError):
        codec(int(row[1]), int(row[2]), CATALOG, TypeOptions()).decode(damaged)


def array_text(elements, separator=","):
    """A writer after array_out's rules: quotes where the text would be misread."""

    def element(text):
        if text is None:
            return "NULL"
        odd = not text or text.upper() == "NULL" or any(c in '{}\\" \t\n\r\v\f' or c == separator for c in text)
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"' if odd else text

    return "{" + separator.join(map(element, elements)) + "}"


@given(st.lists(st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10)))
@example(["NULL", None, "null", "", ",", '"', "\\", "{}", "a b"])
def test_an_array_gives_back_the_elements_that_were_written(elements):
    assert decode(1009, array_text(elements)) == elements


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1), st.integers(-5, 5))
def test_an_array_of_numbers_loses_its_lower_bound_only(elements, lower):
    bounds = f"[{lower}:{lower + len(elements) - 1}]="
    written = array_text([None if number is None else str(number) for number in elements])

    assert decode(1016, bounds + written) == decode(1016, written) == elements


@given(st.integers(-2440588, 2145042905))
@example(-719163)
@example(2932897)
def test_a_date_is_its_day_number(day):
    assert decode(1082, date_text(day)) == day


def civil(day):
    """Year, month, day by counting Julian day numbers: another way than the decoder's."""
    a = day + 2440588 + 32044
    b = (4 * a + 3) // 146097
    c = a - 146097 * b // 4
    d = (4 * c + 3) // 1461
    e = c - 1461 * d // 4
    m = (5 * e + 2) // 153
    return 100 * b + d - 4800 + m // 10, m + 3 - 12 * (m // 10), e - (153 * m + 2) // 5 + 1


def date_text(day):
    year, month, day = civil(day)
    return f"{year:04}-{month:02}-{day:02}" if year > 0 else f"{1 - year:04}-{month:02}-{day:02} BC"


micros = st.integers(-(2440588 * 86_400_000_000), 9_223_372_036_825_199_999)


def timestamp_text(us, zone=""):
    day, rest = divmod(us, 86_400_000_000)
    time = (datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=rest)).time()
    clock = f"{time:%H:%M:%S}" + f".{time.microsecond:06}".rstrip("0").rstrip(".")
    date, _, era = date_text(day).partition(" ")
    return f"{date} {clock}{zone}{' BC' if era else ''}"


@given(micros)
@example(-1)
@example(-62167219200000001)
def test_a_timestamp_is_its_microseconds(us):
    assert decode(1114, timestamp_text(us)) == us
    assert decode(1114, timestamp_text(us), typmod=3) == us // 1000


@given(micros)
def test_zoned_and_iso_timestamps_name_the_same_instant(us):
    zoned = decode(1184, timestamp_text(us, "+00"))
    iso = decode(1114, timestamp_text(us), time="isostring")
    year, month, day = civil(us // 86_400_000_000)
    prefix = f"{'-' if year < 0 else '+' if year > 9999 else ''}{abs(year):04}-{month:02}-{day:02}T"

    assert zoned.startswith(prefix)
    assert iso.startswith(prefix)
    assert zoned == (iso[:-1] + ("" if "." in iso else ".")).ljust(len(prefix) + len("00:00:00.000000"), "0") + "Z"


@given(st.integers(0, 86_400_000_000 - 1), st.integers(-57599, 57599))
def test_a_time_with_zone_is_its_time_in_utc(local, offset):
    hours, rest = divmod(abs(offset), 3600)
    zone = f"{'-' if offset < 0 else '+'}{hours:02}:{rest // 60:02}:{rest % 60:02}"
    utc = (datetime(2000, 1, 2, tzinfo=UTC) + timedelta(microseconds=local, seconds=-offset)).time()
    clock = timestamp_text(local).partition(" ")[2]

    assert decode(1266, clock + zone) == f"{utc:%H:%M:%S}" + f".{utc.microsecond:06}".rstrip("0").rstrip(".") + "Z"
    assert decode(1083, clock) == local


@given(
    st.integers(-2_000_000_000, 2_000_000_000),
    st.integers(-2_000_000_000, 2_000_000_000),
    st.integers(-(2**63) + 1, 2**63 - 1),
)
def test_an_interval_counts_its_parts_and_saturates(months, days, us):
    want = Decimal(months) * Decimal("30.4375") * 86_400_000_000 + days * 86_400_000_000 + us

    assert decode(1186, interval_text(months, days, us)) == max(-(2**63), min(2**63 - 1, int(want)))


def interval_text(months, days, us):
    """A writer after EncodeInterval's rules for IntervalStyle postgres."""
    years, rest = abs(months) // 12 * (-1 if months < 0 else 1), abs(months) % 12 * (-1 if months < 0 else 1)
    parts, negative = [], False
    for number, unit in ((years, "year"), (rest, "mon"), (days, "day")):
        if number:
            parts.append(f"{'+' if negative and number > 0 else ''}{number} {unit}{'' if number == 1 else 's'}")
            negative = number < 0
    if us or not parts:
        seconds, fraction = divmod(abs(us), 1_000_000)
        sign = "-" if us < 0 else "+" if negative else ""
        clock = f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        parts.append(clock + f".{fraction:06}".rstrip("0").rstrip("."))
    return " ".join(parts)


@given(st.integers(-(10**40), 10**40), st.integers(0, 30))
def test_a_numeric_is_its_digits_without_trailing_zeros(unscaled, scale):
    digits = f"{abs(unscaled):0{scale + 1}}"
    text = ("-" if unscaled < 0 else "") + (f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits)
    value = decode(1700, text)

    assert value == Decimal(text)
    assert value.as_tuple().exponent <= 0
    assert value.as_tuple().exponent == 0 or value.as_tuple().digits[-1] != 0
    assert decode(1700, text, typmod=(1000 << 16 | scale) + 4).as_tuple().exponent == -scale


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from(["${}", "{} kr", "€ {}"]), st.sampled_from([",", ".", " "]))
def test_money_is_its_minor_units_in_any_locale(cents, pattern, group):
    whole, fraction = divmod(abs(cents), 100)
    text = pattern.format(f"{whole:,}".replace(",", group) + f"{'.' if group == ',' else ','}{fraction:02}")

    assert decode(790, f"-{text}" if cents < 0 else text) == Decimal(cents).scaleb(-2)


@given(st.text("01", max_size=80))
def test_bits_give_back_the_number_and_the_width(bits):
    value = decode(1562, bits)

    assert len(value) == -(-len(bits) // 8)
    assert int.from_bytes(value, "little") == int(bits or "0", 2)


# --- spool ------------------------------------------------------------------------------------------------------------

steps = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3), st.binary(max_size=30)), max_size=60)


@given(steps, st.integers(0, 400), st.sets(st.tuples(st.integers(1, 3), st.integers(0, 3)), max_size=4))
def test_F24_a_replay_is_what_was_appended_without_what_was_aborted(tmp_path_factory, steps, memory, aborted):
    spool = TransactionSpool(tmp_path_factory.mktemp("spool"), memory_bytes=memory, max_bytes=1 << 20)
    for lsn, (xid, sub, body) in enumerate(steps):
        spool.append(xid, xid * 10 + sub, lsn, b"I" + body)
    for xid, sub in aborted:
        spool.abort(xid, xid * 10 + sub)

    for xid in (1, 2, 3):
        kept = [(lsn, b"I" + body) for lsn, (x, sub, body) in enumerate(steps) if x == xid and (x, sub) not in aborted]
        payloads = [payload for burst in spool.replay(xid) for payload in burst]
        assert [(int.from_bytes(payload[1:9]), payload[25:]) for payload in payloads] == kept
    spool.close()
    assert spool.bytes == 0
