"""Every vector of every type through the whole chain: snapshot, stream, and what each target gives back."""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from connect.record import Op

pytestmark = pytest.mark.stack

LINES = (Path(__file__).parents[2] / "data" / "postgres_vectors.tsv").read_text(encoding="utf-8").splitlines()
VECTORS = [(line.split("\t")[0], json.loads(line.split("\t")[3])) for line in LINES if not line.startswith("#")]
OWN_TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
ALTER TYPE mood ADD VALUE 'happy';
ALTER TYPE mood ADD VALUE 'glum' BEFORE 'ok';
CREATE TYPE addr AS (street text, zip int, place point);
CREATE TYPE floatrange AS RANGE (subtype = float8);
CREATE DOMAIN posint AS int CHECK (value > 0);
CREATE DOMAIN d_num AS numeric(10,3);
CREATE DOMAIN d_d_num AS d_num;
CREATE DOMAIN d_arr AS int[];
CREATE DOMAIN d_vc AS varchar(5);
"""
EXTENSIONS = ("citext", "hstore", "ltree", "isn", "cube", "seg", "vector")
PINNED: Final = "-c DateStyle=ISO -c IntervalStyle=postgres -c TimeZone=UTC -c bytea_output=hex -c extra_float_digits=3"
STREAMED: Final = 1000  # ids from here on are written after the snapshot
# What the source refuses by name (`unrepresentable_value`) under the options of this test: nothing on the wire stands
# for it. tests/unit/postgres/test_types_vectors.py has the refusals themselves.
REFUSED: Final = {
    ("timestamp", "294276-12-31 23:59:59.999999"),  # microseconds beyond 64 bits
    ("numeric", "NaN"),
    ("numeric", "Infinity"),
    ("numeric", "-Infinity"),
    ("numeric(10,2)", "NaN"),
    ("numeric[]", "{1.1,2.22,NaN}"),
    ("int4[]", "{{1,2},{3,4}}"),  # the schema of an array has no dimensions
    ("int4[]", "[2:3][5:6]={{1,2},{3,4}}"),
    ("varbit(1)", ""),
}


EVERY: Final = frozenset({"postgres", "sqlite", "search"})
ISO: Final = frozenset({"search"})  # ISO 8601 with a sign for years before 0000 and after 9999, as `date` takes them

# (why a value is not the source's own, in which targets, of which types or single vectors). The first seven are what
# Debezium's default schemas cannot say (types.md A3, A15); its readers get the same.
DIFFERENT: Final = [
    ("a numeric without a scale has no trailing zeros", EVERY, {("numeric", "0.00"), ("numeric", "1.10")}),
    ("a time with a zone is told in UTC, where 24:00 is 00:00", EVERY, {"timetz", "timetz[]"}),
    ("an interval is microseconds", EVERY, {"interval", "interval year to month", "interval[]"}),
    ("bits come as whole bytes without their count", EVERY, {"varbit", "varbit[]"}),
    ("nothing tells varbit(n) from bit(n)", EVERY - {"search"}, {("varbit(20)", "")}),
    ("an array begins at 1", EVERY, {("int4[]", "[0:2]={1,2,3}")}),
    ("hstore is a JSON text, which an array of it is not read back from", EVERY, {("hstore", ""), "hstore[]"}),
    ("items of a list of boxes are parted by a semicolon, in a text[] by a comma", {"postgres"}, {"box[]"}),
    ("SQLite's REAL has no negative zero", {"sqlite"}, {("real", "-0"), ("double precision", "-0")}),
    ("years before 0000 and after 9999 have a sign in ISO 8601", {"sqlite", "search"}, {"timestamptz"}),
    ("years before 0000 and after 9999 have a sign in ISO 8601", ISO, {"date", "date[]", "timestamp"}),
    ("bytes in a JSON list are base64", {"sqlite", "search"}, {"bytea[]"}),
    ("bits in a JSON list are base64", {"search"}, {"bit(3)[]"}),
    ("JSON texts in a JSON list are strings in it", {"sqlite"}, {"jsonb[]"}),
]


class Vectors:
    """One table with a column a type; row n holds the n-th vector of each type."""

    def __init__(self, chain) -> None:
        self.chain = chain
        self.connection = psycopg.connect(chain.url, autocommit=True, options=PINNED)
        self._make_types()
        self.values: dict[str, list[str]] = {}
        for type_name, text in VECTORS:
            if (type_name, text) not in REFUSED and self.cast(type_name, text) is not None:
                self.values.setdefault(type_name, []).append(text)
        self.columns = {f"c{number}": name for number, name in enumerate(self.values)}
        declared = ", ".join(f"{column} {name}" for column, name in self.columns.items())
        self.connection.execute(f"CREATE TABLE vectors (id int PRIMARY KEY, {declared})")

    def _make_types(self) -> None:
        for extension in EXTENSIONS:
            if self.connection.execute(
                "SELECT 1 FROM pg_available_extensions WHERE name = %s", (extension,)
            ).fetchone():
                self.connection.execute(f"CREATE EXTENSION {extension}")
        for statement in OWN_TYPES.split(";"):
            self.connection.execute(statement)

    def cast(self, type_name: str, text: str | None) -> str | None:
        """A text as the source prints it as a value of the type; None where it is none."""
        try:
            found = self.connection.execute(f"SELECT format('%%s', %s::text::{type_name})", (text,)).fetchone()
        except psycopg.Error:
            return None
        return None if found is None else found[0]

    def write(self, first: int) -> None:
        """A row for each index, with ids from ``first`` on."""
        for number in range(max(map(len, self.values.values()))):
            cells = [values[number] if number < len(values) else None for values in self.values.values()]
            places = ", ".join(f"%s::text::{name}" for name in self.columns.values())
            self.connection.execute(f"INSERT INTO vectors VALUES ({first + number}, {places})", cells)

    def expected(self) -> dict[tuple[str, str], str]:
        """(type, text) → the text, for each vector written."""
        return {(name, text): text for name, texts in self.values.items() for text in texts}

    def read_back(self, rows: dict[int, dict[str, Any]], first: int) -> dict[tuple[str, str], Any]:
        """(type, text) → the value of a target, as the source reads and prints it; itself where it cannot."""
        found = {}
        for column, name in self.columns.items():
            for number, text in enumerate(self.values[name]):
                value = rows[first + number][column]
                found[name, text] = self.cast(name, as_text(name, value)) or value
        return found


def as_text(name: str, value: Any) -> str | None:  # noqa: C901, PLR0911 - a case for each way to be kept
    """A target's value as a text for the source's type ``name``: how a person would read each back."""
    if value is None or name == "jsonb[]":
        return value if value is None or isinstance(value, str) else "{" + ",".join(map(as_item, value)) + "}"
    if name.startswith(("vector(3)", "halfvec")):
        return value.replace("{", "[").replace("}", "]") if isinstance(value, str) else json.dumps(value)
    if isinstance(value, str) and value[:1] in {"[", "{"} and name.partition("(")[0] in READ_AS_JSON:
        return as_text(name, json.loads(value))
    if isinstance(value, str) and value[:1] == "[" and name.endswith(("[]", "d_arr", "int2vector", "oidvector")):
        return as_text(name, json.loads(value))
    if name in {"int2vector", "oidvector"}:
        return " ".join(map(str, value)) if isinstance(value, list) else value.strip("{}").replace(",", " ")
    if name.startswith("interval") and isinstance(value, int):
        return f"{value} microseconds"
    if name.startswith(("bit(", "varbit(")) and isinstance(value, bool | int):
        return str(int(value))
    if name in {"bit(1)", "varbit(1)"}:
        return "1" if value == "t" else "0"
    if isinstance(value, dict):
        return READ_AS_JSON[name.partition("(")[0].removesuffix("[]")](value)
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, list):
        return "{" + (";" if name == "box[]" else ",").join(map(as_item, value)) + "}"
    return value if isinstance(value, str) else json.dumps(value)


def as_item(value: Any) -> str:
    """One element of an array literal."""
    if value is None:
        return "NULL"
    text = READ_AS_JSON["point"](value) if isinstance(value, dict) else value
    return json.dumps(text if isinstance(text, str) else json.dumps(text), ensure_ascii=False)


def _pairs(value: dict[str, Any]) -> str:
    return ",".join(f"{json.dumps(k)}=>{'NULL' if v is None else json.dumps(v)}" for k, v in value.items())


def _sparse(value: dict[str, Any]) -> str:
    entries = value["vector"]  # Avro's readers take entries for a map, as Connect's converter does
    pairs = entries.items() if isinstance(entries, dict) else [(entry["key"], entry["value"]) for entry in entries]
    return "{" + ",".join(f"{key}:{number}" for key, number in pairs) + "}/" + str(value["dimensions"])


READ_AS_JSON: Final = {
    "point": lambda value: f"({value['x']},{value['y']})",
    "hstore": _pairs,
    "sparsevec": _sparse,
}


def from_search(name: str, value: Any) -> Any:
    """What Elasticsearch keeps as base64, which is how it takes binary fields."""
    if name == "bytea" and value is not None:
        return base64.b64decode(value)
    if name.startswith(("bit(", "varbit")) and isinstance(value, str):
        data = base64.b64decode(value)
        length = int(name.partition("(")[2].rstrip(")") or len(data) * 8)
        return f"{int.from_bytes(data, 'little'):0{length}b}" if data else ""
    return value


def differing(expected: dict[Any, Any], found: dict[Any, Any]) -> dict[Any, Any]:
    return {vector: found[vector] for vector in expected if found[vector] != expected[vector]}


def listed(target: str, vector: tuple[str, str]) -> bool:
    return any(target in targets and {vector, vector[0]} & names for _, targets, names in DIFFERENT)


def stale(target: str, vectors: set[tuple[str, str]], found: dict[tuple[str, str], Any]) -> set[Any]:
    """Listed differences of vectors that were written, which are none."""
    seen = {*found, *(name for name, _ in found)}
    names = {name for _, targets, names in DIFFERENT if target in targets for name in names}
    return {name for name in names - seen if name in vectors or name in {each for each, _ in vectors}}


@pytest.fixture(params=["avro", pytest.param("json", marks=pytest.mark.long)])
def moved(chain, request):
    """Every vector, moved twice: by the snapshot and by the stream, into three targets."""
    if request.param == "json":
        del chain.config["schema_registry"]
    vectors = Vectors(chain)
    vectors.write(0)
    vectors.targets = chain.warehouse(), chain.sqlite(), chain.search()
    chain.start()
    chain.streaming()
    vectors.write(STREAMED)
    chain.caught_up()
    yield vectors
    vectors.connection.close()


def rows_of(moved, chain) -> dict[str, dict[int, dict[str, Any]]]:
    """Target → id → column → value."""
    warehouse, lite, search = moved.targets
    columns = ", ".join(f"CASE WHEN {c} IS NOT NULL THEN format('%s', {c}) END" for c in moved.columns)
    with psycopg.connect(warehouse, options=PINNED) as target:
        in_postgres = target.execute(f"SELECT id, {columns} FROM vectors").fetchall()
    with contextlib.closing(sqlite3.connect(lite)) as target:
        in_sqlite = target.execute(f"SELECT id, {', '.join(moved.columns)} FROM vectors").fetchall()
    in_search = chain.documents(f"{search}vectors")
    return {
        "postgres": {row[0]: dict(zip(moved.columns, row[1:], strict=True)) for row in in_postgres},
        "sqlite": {row[0]: dict(zip(moved.columns, row[1:], strict=True)) for row in in_sqlite},
        "search": {d["id"]: {c: from_search(t, d.get(c)) for c, t in moved.columns.items()} for d in in_search},
    }


def test_F74_every_vector_is_one_value_by_snapshot_and_stream_and_in_each_target(moved):
    chain, expected = moved.chain, moved.expected()
    records = [record for record in chain.records(chain.topic("vectors")) if record.after is not None]
    rows = {r.after["id"]: (r.op, {c: r.after[c] for c in moved.columns}) for r in records}

    for number in range(max(map(len, moved.values.values()))):
        assert rows[number][0] is Op.READ
        assert rows[STREAMED + number][0] is Op.CREATE
        assert repr(rows[number][1]) == repr(rows[STREAMED + number][1])
    for target, there in rows_of(moved, chain).items():
        by_snapshot = differing(expected, moved.read_back(there, 0))
        by_stream = differing(expected, moved.read_back(there, STREAMED))
        assert repr(by_snapshot) == repr(by_stream)
        assert {vector: got for vector, got in by_stream.items() if not listed(target, vector)} == {}, target
        assert stale(target, set(expected), by_stream) == set(), target
