"""Column defaults as ``pg_get_expr`` prints them."""

from decimal import Decimal

import pytest

from connect.schema.model import NO_DEFAULT
from connectors.postgres.types import TypeCatalog, TypeInfo, TypeOptions, codec, constant_default

CATALOG = TypeCatalog([TypeInfo(50_000, "shop", "mood", "e", labels=("sad", "ok"))])


def default(oid, expression, typmod=-1):
    return constant_default(expression, codec(oid, typmod, CATALOG, TypeOptions()))


@pytest.mark.parametrize(
    ("oid", "typmod", "expression", "want"),
    [
        (23, -1, "0", 0),
        (23, -1, "'-1'::integer", -1),
        (23, -1, "(-1)", -1),
        (20, -1, "'5000000000'::bigint", 5_000_000_000),
        (701, -1, "1.5", 1.5),
        (701, -1, "'NaN'::double precision", pytest.approx(float("nan"), nan_ok=True)),
        (1700, 655366, "1.5", Decimal("1.50")),
        (1700, 655366, "0", Decimal("0.00")),
        (1700, 655366, "1.005", Decimal("1.01")),
        (1700, -1, "'1.10'::numeric", Decimal("1.1")),
        (790, -1, "'$1,234.50'::money", Decimal("1234.50")),
        (16, -1, "true", True),
        (16, -1, "false", False),
        (25, -1, "'abc'::text", "abc"),
        (25, -1, "''::text", ""),
        (25, -1, "'it''s'::text", "it's"),
        (25, -1, "'now()'::text", "now()"),
        (1043, 54, "'abc'::character varying", "abc"),
        (1043, 54, "'abc'::character varying(50)", "abc"),
        (1042, 9, "'abc'::bpchar", "abc  "),
        (17, -1, r"'\x00ff'::bytea", b"\x00\xff"),
        (1082, -1, "'2020-01-01'::date", 18262),
        (1114, -1, "'2020-01-01 00:00:00'::timestamp without time zone", 1_577_836_800_000_000),
        (1184, -1, "'2020-01-01 00:00:00+00'::timestamp with time zone", "2020-01-01T00:00:00.000000Z"),
        (1186, -1, "'1 day'::interval", 86_400_000_000),
        (1186, 458751, "'1 year'::interval year to month", 31_557_600_000_000),
        (2950, -1, "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        (3802, -1, "'{\"a\": 1}'::jsonb", '{"a": 1}'),
        (1007, -1, "'{1,2}'::integer[]", [1, 2]),
        (1009, -1, "'{}'::text[]", []),
        (1560, 3, "'101'::\"bit\"", b"\x05"),
        (1560, 3, "B'101'::\"bit\"", b"\x05"),
        (50_000, -1, "'ok'::shop.mood", "ok"),
        (50_000, -1, "'ok'::\"Odd Shop\".mood", "ok"),
        (25, -1, "NULL::text", None),
        (23, -1, "NULL::integer", None),
    ],
)
def test_F107_a_constant_default_is_a_value_of_its_type(oid, typmod, expression, want):
    assert default(oid, expression, typmod) == want


@pytest.mark.parametrize(
    ("oid", "expression"),
    [
        (25, None),
        (25, ""),
        (1184, "now()"),
        (1184, "CURRENT_TIMESTAMP"),
        (23, "nextval('t_id_seq'::regclass)"),
        (2950, "gen_random_uuid()"),
        (25, "('a'::text || 'b'::text)"),
        (25, "'a'::text || 'b'::text"),
        (1082, "('now'::text)::date"),
        (1114, "'now'::text"),
        (1184, "'2020-01-01'::date"),
        (23, "1.5"),
        (23, "(a * 2)"),
        (1700, "'NaN'::numeric"),
        (1007, "ARRAY[1, 2]"),
        (16, "(1 = 1)"),
    ],
)
def test_F107_what_is_no_constant_of_the_columns_type_is_left_out(oid, expression):
    assert default(oid, expression) is NO_DEFAULT


@pytest.mark.parametrize(
    ("oid", "typmod", "expression"),
    [(790, -1, "1234.5"), (1083, 0, "'12:00:00.7'::time without time zone"), (1114, 2, "'2020-01-01 00:00:00.125'")],
)
def test_F107_what_the_server_rounds_or_converts_on_insert_is_left_out(oid, typmod, expression):
    assert default(oid, expression, typmod) is NO_DEFAULT
