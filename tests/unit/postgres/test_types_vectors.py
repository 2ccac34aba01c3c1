"""Every vector of tests/data decodes to Debezium's value, but for the differences that are listed here with a reason.

The numbers are rows of the table "where live Debezium is wrong" (types.md A15).
"""

import json
import math
import struct
from decimal import Context, Decimal
from pathlib import Path

import pytest

from connect.errors import Failed
from connect.schema.model import DECIMAL, VARIABLE_SCALE_DECIMAL, Kind
from connectors.postgres.types import TypeCatalog, TypeInfo, TypeOptions, codec

DATA = Path(__file__).parents[2] / "data"
EXACT = Context(prec=1000)
REFUSED = object()  # decode raises Failed("unrepresentable_value")

NAMES = {"boolean": "bool", "smallint": "int2", "integer": "int4", "bigint": "int8", "real": "float4"}
NAMES |= {"double precision": "float8", "char": "bpchar", '"char"': "char", "interval year to month": "interval"}

EXTENSIONS = ["citext", "hstore", "ltree", "lquery", "ltxtquery", "isbn", "isbn13", "ean13", "cube", "seg"]
EXTENSIONS += ["vector", "halfvec", "sparsevec"]
OWN_TYPES = [
    *(TypeInfo(50_000 + i, "public", name) for i, name in enumerate(EXTENSIONS)),
    TypeInfo(50_030, "public", "mood", "e", labels=("sad", "ok", "happy")),
    TypeInfo(50_031, "public", "addr", "c"),
    TypeInfo(50_032, "public", "floatrange", "r"),
    TypeInfo(50_040, "public", "posint", "d", base_oid=23),
    TypeInfo(50_041, "public", "d_num", "d", base_oid=1700, base_typmod=(10 << 16 | 3) + 4),
    TypeInfo(50_042, "public", "d_d_num", "d", base_oid=50_041),
    TypeInfo(50_043, "public", "d_arr", "d", base_oid=1007),
    TypeInfo(50_044, "public", "d_vc", "d", base_oid=1043, base_typmod=9),
]
OWN_TYPES += [TypeInfo(60_000 + t.oid, "public", f"_{t.name}", element_oid=t.oid) for t in OWN_TYPES]
CATALOG = TypeCatalog().with_types(OWN_TYPES)
OIDS = {info.name: oid for oid, info in CATALOG.items()}

# (type, text form) → our value where it differs, or where Debezium leaves the column out.
DIFFERENCES = {
    # 2: one ordered pair
    ("date", "infinity"): 2**31 - 1,
    ("date", "-infinity"): -(2**31),
    ("date[]", "{2016-11-04,infinity,NULL}"): [17109, 2**31 - 1, None],
    # 9b: elements decode as the scalar does
    ("date[]", '{-infinity,"4713-01-01 BC"}'): [-(2**31), -2440550],
    ("timestamptz[]", "{infinity,-infinity}"): ["infinity", "-infinity"],
    ("time[]", "{24:00:00}"): [86_400_000_000],
    # 3: it wraps in INT64 microseconds
    ("timestamp", "294276-12-31 23:59:59.999999"): REFUSED,
    # 4: exact at scale 0
    ("numeric(3,-2)", "12300"): Decimal(12300),
    ("numeric(3,-2)", "-99900"): Decimal(-99900),
    # 15: no NaN in a decimal; `decimal: string` has a place for it
    ("numeric", "NaN"): REFUSED,
    ("numeric", "Infinity"): REFUSED,
    ("numeric", "-Infinity"): REFUSED,
    ("numeric(10,2)", "NaN"): REFUSED,
    ("numeric[]", "{1.1,2.22,NaN}"): REFUSED,
    # 5: nested arrays have no place in a one-dimensional schema
    ("int4[]", "{{1,2},{3,4}}"): REFUSED,
    ("int4[]", "[2:3][5:6]={{1,2},{3,4}}"): REFUSED,
    # 7: the values
    ("int2vector", "1 2"): [1, 2],
    ("oidvector", "1 2"): [1, 2],
    # 9: a NULL element is NULL
    ("mood[]", "{NULL}"): [None],
    ("vector(2)[]", '{"[1,2]",NULL}'): [[1.0, 2.0], None],
    # 10, 11: array of Bits; the full width
    ("bit(3)[]", "{101}"): [b"\x05"],
    ("bit(7)", "0000000"): b"\0",
    ("bit(8)", "00000000"): b"\0",
    ("bit(12)", "000000000000"): b"\0\0",
    ("bit(64)", "0" * 63 + "1"): b"\1" + b"\0" * 7,
    ("varbit(20)", "0" * 20): b"\0\0\0",
    ("varbit(1)", ""): REFUSED,
    # 12: saturates
    ("interval", "infinity"): 2**63 - 1,
    ("interval", "-infinity"): -(2**63),
    # 13: INT32 indices
    ("sparsevec(40000)", "{40000:1}/40000"): {"dimensions": 40000, "vector": [{"key": 40000, "value": 1.0}]},
    # 14: seconds in the offset
    ("timetz", "23:59:59.999999-15:59:59"): "15:59:58.999999Z",
    ("timetz", "00:00:00+15:59:59"): "08:00:01Z",
    # the pairs in Postgres's order
    ("hstore", '"key4"=>"val4", "key5"=>NULL'): '{"key4":"val4","key5":null}',
    # a column of its own where Debezium leaves it out
    ("interval[]", '{"1 day"}'): [86_400_000_000],
    ("xml[]", "{<a/>}"): ["<a/>"],
    ("varbit[]", "{101}"): [b"\x05"],
    ("money[]", "{$1.00}"): [Decimal("1.00")],
    ("point[]", '{"(1,2)"}'): [
        {"x": 1.0, "y": 2.0, "wkb": bytes.fromhex("0101000000000000000000f03f0000000000000040"), "srid": None}
    ],
    ("box[]", "{(1,1),(0,0);(3,3),(2,2)}"): ["(1,1),(0,0)", "(3,3),(2,2)"],
    ("posint[]", "{1}"): [1],
    ("addr[]", '{"(a,1,)"}'): ["(a,1,)"],
    ("int4multirange[]", '{"{[1,3)}"}'): ["{[1,3)}"],
    ("name[]", "{a}"): ["a"],
}


def rows(name):
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def oid_of(type_name):
    base, bracket, _ = type_name.partition("[]")
    base = base.split("(")[0]
    base = NAMES.get(base, base)
    return OIDS[f"_{base}" if bracket else base]


def expected(column, value):  # noqa: PLR0911 - one return for each kind
    """Debezium's JSON value → the Python value of our type."""
    if value is None:
        return None
    if column.kind is Kind.ARRAY:
        return [expected(column.items, element) for element in value]
    if column.name == DECIMAL:
        return Decimal(signed(value)).scaleb(-int(column.parameter("scale")), EXACT)
    if column.name == VARIABLE_SCALE_DECIMAL:
        return Decimal(signed(value["value"])).scaleb(-value["scale"], EXACT)
    if column.kind is Kind.STRUCT:
        return expected_struct(column, value)
    if column.kind is Kind.BYTES:
        return unhex(value)
    return float(value) if column.kind in (Kind.FLOAT32, Kind.FLOAT64) else value


def expected_struct(column, value):
    if "dimensions" in value:  # a map with integer keys is an array of entries here
        return {**value, "vector": [{"key": key, "value": number} for key, number in value["vector"]]}
    return {f.name: expected(f.type, value[f.name]) for f in column.fields}


def unhex(value):
    return bytes.fromhex(value.removeprefix("0x"))


def signed(value):
    return int.from_bytes(unhex(value), "big", signed=True)


def comparable(column, value):
    """Floats by their bits, as wide as the type is; the rest as it is."""
    if isinstance(value, list):
        return [comparable(column and column.items, element) for element in value]
    if isinstance(value, dict):
        return {key: comparable(None, part) for key, part in value.items()}
    if isinstance(value, float):
        return struct.pack("<f" if column and column.kind is Kind.FLOAT32 else "<d", value)
    return value


@pytest.mark.parametrize("row", rows("postgres_vectors.tsv"), ids=lambda row: f"{row[0]} {row[3][:40]}")
def test_a_text_form_decodes_to_the_value_that_debezium_gives_or_to_the_listed_better_one(row):
    type_name, oid, typmod, text_form, _, debezium = row
    text = json.loads(text_form)
    assert oid == "dyn" or int(oid) == oid_of(type_name)
    column = codec(oid_of(type_name), int(typmod), CATALOG, TypeOptions())
    want = DIFFERENCES.get((type_name, text))
    if want is REFUSED:
        with pytest.raises(Failed) as failure:
            column.decode(text.encode())
        assert failure.value.code == "unrepresentable_value"
        return
    if want is None:  # what Debezium leaves out or nulls is Postgres's text (A15, 8 and the unknown types)
        known = not debezium.startswith("(") and debezium != "null"
        want = expected(column.type, json.loads(debezium)) if known else text

    got = column.decode(text.encode())

    assert type(got) is type(want)
    assert comparable(column.type, got) == comparable(column.type, want)


def test_every_listed_difference_is_one_of_the_vectors():
    vectors = {(row[0], json.loads(row[3])) for row in rows("postgres_vectors.tsv")}

    assert set(DIFFERENCES) <= vectors


MODES = ["adaptive", "adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds"]
MODE_DIFFERENCES = {
    ("date", "infinity", "isostring"): "infinity",
    ("date", "-infinity", "isostring"): "-infinity",
    ("timestamp", "infinity", "isostring"): "infinity",
    ("timestamp", "-infinity", "isostring"): "-infinity",
    ("timestamp(3)", "infinity", "isostring"): "infinity",
    ("date[]", "{2016-11-04,infinity,NULL}", "isostring"): ["2016-11-04Z", "infinity", None],
    ("date[]", '{-infinity,"4713-01-01 BC"}', "isostring"): ["-infinity", "-4712-01-01Z"],
    ("timestamp[]", "{infinity,-infinity}", "isostring"): ["infinity", "-infinity"],
    ("time[]", "{24:00:00}", "connect"): [86_400_000],
    ("time[]", "{24:00:00}", "isostring"): ["00:00:00Z"],
    ("time[]", "{24:00:00}", "nanoseconds"): [86_400_000_000_000],
    ("timestamp", "294276-12-31 23:59:59.999999", "connect"): 9224318015999999,
    ("timestamp", "294276-12-31 23:59:59.999999", "isostring"): "+294276-12-31T23:59:59.999999Z",
}
TYPMODS = {"time(0)": 0, "time(3)": 3, "timestamp(0)": 0, "timestamp(3)": 3}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("row", rows("postgres_temporal_modes.tsv"), ids=lambda row: f"{row[0]} {row[1]}")
def test_a_temporal_value_has_the_precision_and_form_of_its_mode(row, mode):
    type_name, text = row[0], row[1]
    column = codec(
        oid_of(type_name), TYPMODS.get(type_name, -1), CATALOG, TypeOptions(time=mode, unrepresentable="null")
    )
    other = MODE_DIFFERENCES.get((type_name, text, mode), DIFFERENCES.get((type_name, text)))
    want = json.loads(row[2 + MODES.index(mode)]) if other is None else other

    assert column.decode(text.encode()) == (None if want is REFUSED else want)


@pytest.mark.parametrize(
    ("oid", "typmod", "cell", "string", "double"),
    [
        (1700, -1, b"0.00", "0.00", 0.0),
        (1700, -1, b"1.10", "1.10", 1.1),
        (1700, -1, b"NaN", "NAN", math.nan),
        (1700, -1, b"Infinity", "POSITIVE_INFINITY", math.inf),
        (1700, -1, b"-Infinity", "NEGATIVE_INFINITY", -math.inf),
        (1700, 655366, b"-99999999.99", "-99999999.99", -99999999.99),
        (790, -1, b"-$92,233,720,368,547,758.08", "-92233720368547758.08", -9.223372036854776e16),
        (790, -1, b"$0.00", "0.00", 0.0),
    ],
)
def test_decimals_are_strings_or_doubles_when_asked_for(oid, typmod, cell, string, double):
    as_string = codec(oid, typmod, CATALOG, TypeOptions(decimal="string"))
    as_double = codec(oid, typmod, CATALOG, TypeOptions(decimal="double"))

    assert (as_string.type.kind, as_string.decode(cell)) == (Kind.STRING, string)
    assert as_double.type.kind is Kind.FLOAT64
    assert as_double.decode(cell) == pytest.approx(double, nan_ok=True, rel=0)


@pytest.mark.parametrize(
    ("mode", "want"), [("bytes", b"\1\2\xff"), ("base64", "AQL/"), ("base64-url-safe", "AQL_"), ("hex", "0102ff")]
)
def test_bytea_has_the_form_of_its_mode_in_arrays_too(mode, want):
    options = TypeOptions(binary=mode)

    assert codec(17, -1, CATALOG, options).decode(rb"\x0102ff") == want
    assert codec(1001, -1, CATALOG, options).decode(rb'{"\\x0102ff",NULL}') == [want, None]


@pytest.mark.parametrize(
    ("cell", "want"),
    [
        (b"00:00:00", "P0Y0M0DT0H0M0S"),
        (b"1 year 2 mons 3 days 04:05:06.78", "P1Y2M3DT4H5M6.78S"),
        (b"-1 years -2 mons +3 days -04:05:06", "P-1Y-2M3DT-4H-5M-6S"),
        (b"-00:00:00.000001", "P0Y0M0DT0H0M-0.000001S"),
        (b"178000000 years", "P178000000Y0M0DT0H0M0S"),
        (b"-178956970 years -8 mons -2147483648 days", "P-178956970Y-8M-2147483648DT0H0M0S"),
        (b"24:00:00", "P0Y0M0DT24H0M0S"),
        (b"-infinity", "-infinity"),
    ],
)
def test_an_interval_as_string_has_all_seven_parts(cell, want):
    assert codec(1186, -1, CATALOG, TypeOptions(interval="string")).decode(cell) == want


def test_an_hstore_is_a_map_when_asked_for():
    column = codec(OIDS["hstore"], -1, CATALOG, TypeOptions(hstore="map"))

    assert column.type.kind is Kind.MAP
    assert column.decode(rb'"b"=>"", "c"=>"NULL", "k 1"=>"v\"q", "n"=>NULL') == {
        "b": "",
        "c": "NULL",
        "k 1": 'v"q',
        "n": None,
    }
