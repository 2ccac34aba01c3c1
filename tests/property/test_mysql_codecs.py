"""MySQL codecs: nothing but ``Failed`` on garbage; values equal to an independent computation, from log and text."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import struct
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from connect.errors import Failed
from connect.record import UNAVAILABLE
from connect.schema.model import TableId
from connectors.mysql import statements
from connectors.mysql.columns import Column
from connectors.mysql.ddl import parse
from connectors.mysql.decimals import decimal_decoder, decimal_size
from connectors.mysql.json_binary import patched_text, to_text
from connectors.mysql.row_image import ROWS_EVENTS, RowForm
from connectors.mysql.shapes import log_table
from connectors.mysql.shared_values import inet6_text
from connectors.mysql.table_map import LogColumn, TableMap, parse_table_map
from connectors.mysql.text_values import split_text_row, text_decoder
from connectors.mysql.type_options import TypeOptions
from connectors.mysql.values import log_decoder

OPTIONS = TypeOptions()
DIGIT_BYTES = (0, 1, 1, 2, 2, 3, 3, 4, 4)


# --- decimals ---------------------------------------------------------------------------------------------------------


@st.composite
def decimals(draw):
    """Precision, scale and a value that fits."""
    scale = draw(st.integers(0, 30))
    whole = draw(st.integers(0 if scale else 1, 35))
    unscaled = draw(st.integers(-(10 ** (whole + scale)) + 1, 10 ** (whole + scale) - 1))
    return whole + scale, scale, unscaled


def stored(precision, scale, unscaled):
    """The DECIMAL's bytes, group by group."""
    digits = str(abs(unscaled)).zfill(precision)
    whole, fraction = digits[: precision - scale], digits[precision - scale :]
    short = len(whole) % 9
    groups = [whole[:short]] + [whole[i : i + 9] for i in range(short, len(whole), 9)]
    groups += [fraction[i : i + 9] for i in range(0, len(fraction), 9)]
    data = bytearray(b"".join(int(g).to_bytes(DIGIT_BYTES[len(g)] if len(g) < 9 else 4, "big") for g in groups if g))
    if unscaled < 0:
        data = bytearray(byte ^ 0xFF for byte in data)
    data[0] ^= 0x80
    return bytes(data)


@given(decimals())
def test_a_decimal_is_exact_in_both_forms(given_decimal):
    precision, scale, unscaled = given_decimal
    data = stored(precision, scale, unscaled)
    value = Decimal((int(unscaled < 0), tuple(map(int, str(abs(unscaled)))), -scale))

    decoded = decimal_decoder(precision, scale)(data)

    assert len(data) == decimal_size(precision, scale)
    assert (decoded, decoded.as_tuple().exponent) == (value, -scale)
    column = Column("d", "decimal", length=precision, scale=scale)
    assert str(text_decoder(column, OPTIONS)(f"{value:f}".encode())) == str(decoded)


# --- temporal ---------------------------------------------------------------------------------------------------------

moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))  # noqa: DTZ001 - MySQL's have no zone


def cut(moment, digits):
    return moment.replace(microsecond=moment.microsecond // 10 ** (6 - digits) * 10 ** (6 - digits))


def fraction(microsecond, digits):
    size = (digits + 1) // 2
    return (microsecond // 100 ** (3 - size)).to_bytes(size, "big")


def printed(moment, digits):
    text = moment.isoformat(" ", "microseconds")
    return text[: 20 + digits if digits else 19].encode()


def both(column, log, data, text, **options):
    made = TypeOptions(**options)
    value = log_decoder(column, log, made)(data)
    assert text_decoder(column, made)(text) == value
    return value


@given(moments, st.integers(0, 6))
def test_a_datetime_is_its_moment_in_both_forms(moment, digits):
    moment = cut(moment, digits)
    packed = (moment.year * 13 + moment.month) << 5 | moment.day
    packed = packed << 17 | moment.hour << 12 | moment.minute << 6 | moment.second
    data = (packed + (1 << 39)).to_bytes(5, "big") + fraction(moment.microsecond, digits)
    column, log = Column("d", "datetime", fraction=digits), LogColumn(18, digits)

    value = both(column, log, data, printed(moment, digits), time="microseconds" if digits > 3 else "connect")

    since = moment - datetime(1970, 1, 1)  # noqa: DTZ001 - MySQL's have no zone
    unit = timedelta(microseconds=1) if digits > 3 else timedelta(milliseconds=1)
    assert value == since // unit
    as_text = both(column, log, data, printed(moment, digits), time="isostring")
    assert datetime.fromisoformat(as_text.rstrip("Z")) == moment


@given(st.datetimes(datetime(1970, 1, 1, 0, 0, 1), datetime(2106, 2, 7)), st.integers(0, 6))  # noqa: DTZ001
def test_a_timestamp_is_its_moment_in_both_forms(moment, digits):
    moment = cut(moment, digits)
    seconds = int(moment.replace(tzinfo=UTC, microsecond=0).timestamp())
    data = seconds.to_bytes(4, "big") + fraction(moment.microsecond, digits)

    value = both(Column("t", "timestamp", fraction=digits), LogColumn(17, digits), data, printed(moment, digits))

    assert value == printed(moment, digits).decode().replace(" ", "T") + "Z"


@given(st.integers(-3020399999999, 3020399999999), st.integers(0, 6))
def test_a_time_is_its_microseconds_in_both_forms(us, digits):
    us = (abs(us) // 10 ** (6 - digits) * 10 ** (6 - digits)) * (-1 if us < 0 else 1)
    seconds, rest = divmod(abs(us), 1_000_000)
    size = (digits + 1) // 2
    packed = (seconds // 3600 << 12 | seconds // 60 % 60 << 6 | seconds % 60) << size * 8
    packed |= rest // 100 ** (3 - size) if size else 0
    data = ((-packed if us < 0 else packed) + (1 << 23 + size * 8)).to_bytes(3 + size, "big")
    text = f"{'-' if us < 0 else ''}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    text += f".{rest:06}"[: 1 + digits] if digits else ""

    assert both(Column("t", "time", fraction=digits), LogColumn(19, digits), data, text.encode()) == us


# --- row images -------------------------------------------------------------------------------------------------------


@st.composite
def images(draw):
    """Widths of columns, and rows of cells that fit them."""
    widths = draw(st.lists(st.sampled_from([1, 2, 3, 4, 8, -1, -2, -3, -4]), min_size=1, max_size=20))
    cell = {width: st.binary(min_size=max(width, 0), max_size=width if width > 0 else 300) for width in set(widths)}
    row = st.tuples(*(st.none() | (cell[width] if width != -1 else st.binary(max_size=255)) for width in widths))
    return widths, draw(st.lists(row, min_size=1, max_size=4))


def image(widths, cells):
    """The bytes of an image of these columns."""
    nulls = sum(1 << i for i, cell in enumerate(cells) if cell is None)
    data = nulls.to_bytes((len(cells) + 7) // 8, "little")
    for width, cell in zip(widths, cells, strict=True):
        if cell is not None:
            data += (len(cell).to_bytes(-width, "little") if width < 0 else b"") + cell
    return data


@given(images(), st.data())
def test_images_are_cut_into_their_cells(given_images, data):
    widths, rows = given_images
    form = RowForm(widths)
    body = b"".join(image(widths, row) for row in rows)
    at = 0
    for row in rows:
        end = form.end(body, at)
        assert form.split(body[at:end]) == list(row)
        at = end
    assert at == len(body)

    there = data.draw(st.lists(st.booleans(), min_size=len(widths), max_size=len(widths)))
    present = sum(1 << i for i, is_there in enumerate(there) if is_there)
    kept = [(width, cell) for width, cell, is_there in zip(widths, rows[0], there, strict=True) if is_there]
    part = image([width for width, _ in kept], [cell for _, cell in kept])
    cells, end = form.cells(part + b"rest", 0, present)
    assert end == len(part)
    assert cells == [cell if is_there else UNAVAILABLE for cell, is_there in zip(rows[0], there, strict=True)]


@given(st.lists(st.none() | st.binary(max_size=300), max_size=20))
def test_a_row_packet_is_cut_into_its_cells(cells):
    packet = b"".join(
        b"\xfb"
        if cell is None
        else (bytes([len(cell)]) if len(cell) < 251 else b"\xfc" + struct.pack("<H", len(cell))) + cell
        for cell in cells
    )

    assert split_text_row(packet) == cells


# --- JSON -------------------------------------------------------------------------------------------------------------

scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
documents = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=20,
)


def encoded(value, *, large):
    """A document's type and bytes, its containers in one of the two sizes."""
    if value is None or isinstance(value, bool):
        return 4, bytes([{None: 0, True: 1, False: 2}[value]])
    if isinstance(value, int):
        kinds = ((5, "<h"), (6, "<H"), (7, "<i"), (8, "<I"), (9, "<q"), (10, "<Q"))
        for kind, form in kinds:
            with contextlib.suppress(struct.error):
                return kind, struct.pack(form, value)
    if isinstance(value, float):
        return 11, struct.pack("<d", value)
    if isinstance(value, str):
        data = value.encode()
        length, rest = b"", len(data)
        while rest > 127:
            length, rest = length + bytes([rest & 127 | 128]), rest >> 7
        return 12, length + bytes([rest]) + data
    return container(value, large=large)


def container(value, *, large):
    size, form, inline = (4, "<I", (4, 5, 6, 7, 8)) if large else (2, "<H", (4, 5, 6))
    pairs, is_object = [], isinstance(value, dict)
    if is_object:
        pairs = sorted(
            ((name.encode(), inner) for name, inner in value.items()), key=lambda pair: (len(pair[0]), pair[0])
        )
        value = [inner for _, inner in pairs]
    at = 2 * size + len(pairs) * (size + 2) + len(value) * (1 + size)
    keys, entries, tail = b"", b"", b""
    for name, _ in pairs:
        keys += struct.pack(form, at + len(tail)) + struct.pack("<H", len(name))
        tail += name
    for inner in value:
        kind, data = encoded(inner, large=large)
        if kind in inline:
            entries += bytes([kind]) + data.ljust(size, b"\0")
        else:
            entries += bytes([kind]) + struct.pack(form, at + len(tail))
            tail += data
    head = struct.pack(form, len(value)) + struct.pack(form, at + len(tail))
    return (0 if is_object else 2) + large, head + keys + entries + tail


def binary(value, *, large=False):
    kind, data = encoded(value, large=large)
    return bytes([kind]) + data


@given(documents, st.booleans())
def test_a_document_is_what_was_written(document, large):
    text = to_text(binary(document, large=large))

    assert json.loads(text) == document


@given(st.dictionaries(texts, scalars | st.lists(scalars, max_size=4), min_size=1, max_size=5), scalars, st.data())
def test_a_document_after_a_diff_is_the_document_changed(document, value, data):
    name = data.draw(st.sampled_from(sorted(document)))
    path = f"$.{json.dumps(name)}".encode()
    new = binary(value)

    replaced = patched_text(binary(document), b"\0" + lenenc(path) + lenenc(new))
    removed = patched_text(binary(document), b"\2" + lenenc(path))

    assert json.loads(replaced) == {**document, name: value}
    assert json.loads(removed) == {key: one for key, one in document.items() if key != name}


def lenenc(data):
    return bytes([len(data)]) + data if len(data) < 251 else b"\xfc" + struct.pack("<H", len(data)) + data


# --- addresses --------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([0, 0, 0, 1, 0xFFFF, 0x1234]), min_size=8, max_size=8))
def test_an_address_reads_back(words):
    data = struct.pack(">8H", *words)

    assert ipaddress.IPv6Address(inet6_text(data)).packed == data


# --- garbage ----------------------------------------------------------------------------------------------------------

CODES = [1, 2, 3, 4, 5, 8, 9, 10, 13, 15, 16, 17, 18, 19, 242, 245, 246, 252, 254, 255]


@given(st.binary(max_size=200), st.booleans())
def test_S13_garbage_is_no_table_map(body, mariadb):
    with contextlib.suppress(Failed):
        parse_table_map(b"\0" * 8 + body, mariadb=mariadb)


@given(st.sampled_from(sorted(ROWS_EVENTS)), st.binary(max_size=80))
def test_S13_garbage_is_no_rows_event(event_type, body):
    columns = (LogColumn(3, name="a"), LogColumn(15, 20, name="b"), LogColumn(245, 4, name="c"))
    table = log_table(None, TableMap(TableId("db", "t"), columns, (), named=True), OPTIONS)
    with contextlib.suppress(Failed, ValueError):
        for before, after in table.changes(event_type, b"\0" * 8 + body):
            for row in (before, after):
                if row is not None:
                    row.values()


@given(st.binary(max_size=60), st.binary(max_size=30))
def test_S13_garbage_is_no_document(cell, diffs):
    with contextlib.suppress(Failed):
        to_text(cell)
    with contextlib.suppress(Failed):
        patched_text(binary({"a": [1]}), diffs)


WORDS = [
    "ALTER",
    "TABLE",
    "t",
    "ADD",
    "(",
    ")",
    ",",
    "'x'",
    "`y`",
    "int",
    "DROP",
    "CREATE",
    "RENAME",
    "TO",
    "DEFAULT",
    "/*",
]
WORDS += [
    "*/",
    "KEY",
    "PRIMARY",
    "UNIQUE",
    "CHANGE",
    "ENUM",
    "AS",
    "COMMENT",
    "=",
    ".",
    "AFTER",
    "SET",
    "CHARACTER",
    "5",
    "INDEX",
]


@given(st.lists(st.sampled_from(WORDS), max_size=14) | st.lists(st.text(max_size=5), max_size=4))
def test_F52_any_statement_is_understood_or_said_not_to_be(words):
    done = parse(" ".join(words), "db")

    assert done is None or isinstance(done, statements.Statement)
