"""Which schema a column of each type gets, and what a catalog knows."""

import pytest

from connect.errors import Failed
from connect.record import text
from connect.schema.model import Kind, Type, decimal_type, variable_scale_decimal_type
from connectors.postgres.types import TypeCatalog, TypeInfo, TypeOptions, codec

CATALOG = TypeCatalog()
DEFAULTS = TypeOptions()


def oid(name):
    return next(oid for oid, info in CATALOG.items() if info.name == name)


def schema(name, typmod=-1, **options):
    return codec(oid(name), typmod, CATALOG, TypeOptions(**options)).type


def named(kind, name):
    return Type(kind, name, 1)


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("bool", Type(Kind.BOOLEAN)),
        ("int2", Type(Kind.INT16)),
        ("int4", Type(Kind.INT32)),
        ("int8", Type(Kind.INT64)),
        ("oid", Type(Kind.INT64)),
        ("float4", Type(Kind.FLOAT32)),
        ("float8", Type(Kind.FLOAT64)),
        ("numeric", variable_scale_decimal_type()),
        ("money", decimal_type(None, 2)),
        ("bytea", Type(Kind.BYTES)),
        ("date", named(Kind.INT32, "io.debezium.time.Date")),
        ("time", named(Kind.INT64, "io.debezium.time.MicroTime")),
        ("timestamp", named(Kind.INT64, "io.debezium.time.MicroTimestamp")),
        ("timestamptz", named(Kind.STRING, "io.debezium.time.ZonedTimestamp")),
        ("timetz", named(Kind.STRING, "io.debezium.time.ZonedTime")),
        ("interval", named(Kind.INT64, "io.debezium.time.MicroDuration")),
        ("uuid", named(Kind.STRING, "io.debezium.data.Uuid")),
        ("json", named(Kind.STRING, "io.debezium.data.Json")),
        ("jsonb", named(Kind.STRING, "io.debezium.data.Json")),
        ("xml", named(Kind.STRING, "io.debezium.data.Xml")),
        ("tsvector", named(Kind.STRING, "io.debezium.data.Tsvector")),
        ("_int4", Type(Kind.ARRAY, items=Type(Kind.INT32))),
        ("_text", Type(Kind.ARRAY, items=Type(Kind.STRING))),
        ("int2vector", Type(Kind.ARRAY, items=Type(Kind.INT16))),
        ("_tsquery", Type(Kind.ARRAY, items=Type(Kind.STRING))),
    ],
)
def test_a_type_has_debeziums_schema(name, want):
    assert schema(name) == want


@pytest.mark.parametrize("name", ["text", "varchar", "bpchar", "char", "name"])
def test_text_columns_pass_undecoded_through_encoders(name):
    assert codec(oid(name), -1, CATALOG, DEFAULTS).decode is text


@pytest.mark.parametrize("name", ["int2", "int4", "int8", "oid"])
def test_integer_columns_have_the_decoder_that_encoders_know(name):
    assert codec(oid(name), -1, CATALOG, DEFAULTS).decode is int


@pytest.mark.parametrize(
    "name",
    [
        "xid",
        "xid8",
        "tid",
        "pg_lsn",
        "pg_snapshot",
        "tsquery",
        "jsonpath",
        "regclass",
        "box",
        "lseg",
        "path",
        "polygon",
        "circle",
        "line",
        "cidr",
    ],
)
def test_a_type_without_a_mapping_is_published_as_its_text(name):
    column = codec(oid(name), -1, CATALOG, DEFAULTS)

    assert (column.type, column.decode) == (Type(Kind.STRING), text)


def test_a_type_that_nobody_knows_is_published_as_its_text():
    column = codec(99_999, -1, CATALOG, DEFAULTS)

    assert (column.type, column.decode, column.toastable) == (Type(Kind.STRING), text, True)


@pytest.mark.parametrize(
    ("typmod", "precision", "scale"),
    [(655366, 10, 2), (327684, 5, 0), (198658, 5, 0), (196617, 5, 5)],  # (10,2) (5) (3,-2) (3,5)
)
def test_a_numeric_has_a_scale_from_zero_to_its_precision(typmod, precision, scale):
    assert schema("numeric", typmod) == decimal_type(precision, scale)


@pytest.mark.parametrize(
    ("name", "typmod", "length"), [("bit", 12, "12"), ("varbit", 20, "20"), ("varbit", -1, "2147483647")]
)
def test_bit_strings_carry_their_length(name, typmod, length):
    assert schema(name, typmod) == Type(Kind.BYTES, "io.debezium.data.Bits", 1, (("length", length),))


def test_one_bit_is_a_boolean():
    assert schema("bit", 1) == schema("varbit", 1) == Type(Kind.BOOLEAN)


TEMPORAL = {
    "adaptive": ("Date", "MicroTime", "Time", "MicroTimestamp", "Timestamp"),
    "adaptive_time_microseconds": ("Date", "MicroTime", "MicroTime", "MicroTimestamp", "Timestamp"),
    "connect": ("Date", "Time", "Time", "Timestamp", "Timestamp"),
    "isostring": ("IsoDate", "IsoTime", "IsoTime", "IsoTimestamp", "IsoTimestamp"),
    "microseconds": ("Date", "MicroTime", "MicroTime", "MicroTimestamp", "MicroTimestamp"),
    "nanoseconds": ("Date", "NanoTime", "NanoTime", "NanoTimestamp", "NanoTimestamp"),
}


@pytest.mark.parametrize(("mode", "names"), TEMPORAL.items(), ids=TEMPORAL)
def test_temporal_schemas_follow_the_mode_and_the_precision(mode, names):
    columns = [("date", -1), ("time", 6), ("time", 3), ("timestamp", -1), ("timestamp", 0)]
    package = "org.apache.kafka.connect.data." if mode == "connect" else "io.debezium.time."

    assert [schema(name, typmod, time=mode).name for name, typmod in columns] == [package + name for name in names]


def test_F28_an_enum_carries_its_labels_and_lets_tomorrows_pass():
    catalog = CATALOG.with_types([TypeInfo(50_000, "public", "mood", "e", labels=("sad", "ok"), toastable=False)])
    column = codec(50_000, -1, catalog, DEFAULTS)

    assert column.type == Type(Kind.STRING, "io.debezium.data.Enum", 1, (("allowed", "sad,ok"),))
    assert column.decode(b"new") == "new"


def test_enums_of_one_name_in_two_schemas_are_two():
    types = [TypeInfo(50_000, "a", "mood", "e", labels=("x",)), TypeInfo(50_001, "b", "mood", "e", labels=("y",))]
    catalog = CATALOG.with_types(types)

    allowed = [codec(oid, -1, catalog, DEFAULTS).type.parameter("allowed") for oid in (50_000, 50_001)]
    assert allowed == ["x", "y"]


def test_a_domain_over_a_domain_has_the_scale_of_the_inner_one():
    inner = TypeInfo(50_000, "public", "d_num", "d", base_oid=1700, base_typmod=655366)
    outer = TypeInfo(50_001, "public", "d_d_num", "d", base_oid=50_000)
    catalog = CATALOG.with_types([inner, outer])

    assert codec(50_001, -1, catalog, DEFAULTS).type == decimal_type(10, 2)


def test_an_array_of_a_domain_has_elements_of_its_base():
    domain = TypeInfo(50_000, "public", "d_num", "d", base_oid=1700, base_typmod=655366)
    array = TypeInfo(50_001, "public", "_d_num", element_oid=50_000)

    column = codec(50_001, -1, CATALOG.with_types([domain, array]), DEFAULTS)
    assert column.type == Type(Kind.ARRAY, items=decimal_type(10, 2))


def test_domains_that_bite_their_tails_end_as_text():
    ring = [
        TypeInfo(50_000, "public", "a", "d", base_oid=50_001),
        TypeInfo(50_001, "public", "b", "d", base_oid=50_000),
    ]

    assert codec(50_000, -1, CATALOG.with_types(ring), DEFAULTS).type == Type(Kind.STRING)


def test_an_array_is_text_when_asked_for():
    column = codec(oid("_int4"), -1, CATALOG, TypeOptions(arrays="text"))

    assert column.type == Type(Kind.STRING)
    assert column.decode(b"[2:3][5:6]={{1,2},{3,4}}") == "[2:3][5:6]={{1,2},{3,4}}"


@pytest.mark.parametrize(
    ("name", "toastable"),
    [("int8", False), ("uuid", False), ("name", False), ("text", True), ("numeric", True), ("_int4", True)],
)
def test_F22_only_values_that_may_lie_out_of_line_can_be_unavailable(name, toastable):
    assert codec(oid(name), -1, CATALOG, DEFAULTS).toastable is toastable


def test_a_dropped_domain_is_known_from_the_type_message():
    catalog = CATALOG.with_type_message(50_000, "pg_catalog", "int4").with_type_message(50_001, "shop", "colour")

    assert codec(50_000, -1, catalog, DEFAULTS).type == Type(Kind.INT32)
    assert codec(50_001, -1, catalog, DEFAULTS).type == Type(Kind.STRING)
    assert catalog[50_001] == TypeInfo(50_001, "shop", "colour")


def test_a_type_message_says_nothing_new_of_a_known_type():
    catalog = CATALOG.with_types([TypeInfo(50_000, "public", "d_num", "d", base_oid=1700, base_typmod=655366)])

    assert catalog.with_type_message(50_000, "pg_catalog", "numeric") is catalog


def test_a_catalog_is_made_of_rows_and_replaced_type_by_type():
    row = (50_000, "public", "mood", "e", 0, 0, -1, ",", False, ["sad", "ok"])
    catalog = TypeCatalog.from_rows([row])
    newer = catalog.with_types([TypeInfo(50_000, "public", "mood", "e", labels=("sad", "ok", "new"))])

    assert catalog[50_000].labels == ("sad", "ok")
    assert newer[50_000].labels == ("sad", "ok", "new")
    assert len(newer) == len(CATALOG) + 1


@pytest.mark.parametrize(
    ("name", "typmod", "cell"),
    [
        ("bool", -1, b"true"),
        ("numeric", -1, b""),
        ("numeric", -1, b"1x"),
        ("numeric", 655366, b"1.0z"),
        ("money", -1, b"$"),
        ("bytea", -1, rb"\000\001"),
        ("bytea", -1, rb"\x0g"),
        ("date", -1, b"03/02/2024"),
        ("date", -1, b"2024-02-30"),
        ("time", -1, b"noon"),
        ("timestamp", -1, b"2024-01-01 00:00:00+02"),
        ("timestamp", -1, b"03/02/2024 09:35:06.7 IST"),
        ("timestamp", -1, b""),
        ("timestamptz", -1, b"2024-01-01 00:00:00+05:30"),
        ("timestamptz", -1, b"x"),
        ("timetz", -1, b"00:00:00"),
        ("interval", -1, b"P1Y2M3DT4H5M6S"),
        ("interval", -1, b""),
        ("bit", 3, b"1x1"),
        ("varbit", 1, b"x"),
        ("point", -1, b"(1)"),
        ("_int4", -1, b"1,2"),
        ("_int4", -1, b"{1,,2}"),
        ("_int4", -1, b"{1,{2}}"),
        ("_text", -1, b'{"a"b}'),
        ("_text", -1, b'{"a",}'),
        ("_text", -1, b'{"a}'),
    ],
)
def test_S13_text_that_is_not_of_its_type_stops_the_connector(name, typmod, cell):
    with pytest.raises(Failed) as failure:
        codec(oid(name), typmod, CATALOG, DEFAULTS).decode(cell)

    assert failure.value.code == "undecodable_value"
    assert "DateStyle" in failure.value.hint


def test_an_unrepresentable_value_becomes_null_when_asked_for():
    options = TypeOptions(unrepresentable="null")

    assert codec(oid("numeric"), -1, CATALOG, options).decode(b"NaN") is None
    assert codec(oid("_numeric"), -1, CATALOG, options).decode(b"{1.1,NaN}")[1] is None
    assert codec(oid("_int4"), -1, CATALOG, options).decode(b"{{1},{2}}") is None


def test_columns_whose_values_may_become_null_say_so():
    options = TypeOptions(unrepresentable="null")
    nullable = {
        name
        for name in ("numeric", "_int4", "timestamp", "varbit", "int4", "text", "timestamptz")
        if codec(oid(name), -1, CATALOG, options).nullable
    }

    assert nullable == {"numeric", "_int4", "timestamp", "varbit"}
    assert not codec(oid("numeric"), -1, CATALOG, DEFAULTS).nullable


def test_a_geometry_gives_its_srid_apart():
    catalog = CATALOG.with_types([TypeInfo(50_000, "public", "geometry")])
    decode = codec(50_000, -1, catalog, DEFAULTS).decode
    plain = "0101000000000000000000f03f0000000000000040"

    assert decode(plain.encode()) == {"wkb": bytes.fromhex(plain), "srid": None}
    assert decode(f"0101000020e6100000{plain[10:]}".encode()) == {"wkb": bytes.fromhex(plain), "srid": 4326}
