"""MySQL's literals, column types and errors: what needs no server."""

from __future__ import annotations

import socket
import threading
from decimal import Decimal
from typing import Any

import pymysql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connect.errors import Failed, Retriable
from connect.schema.model import Kind, Type, decimal_type, variable_scale_decimal_type
from connectors.sql.config import SqlConfig
from connectors.sql.database import BadRowsError
from connectors.sql.mysql import dialect
from connectors.sql.mysql_errors import refused_connection, translate
from connectors.sql.mysql_link import connect, server_of
from connectors.sql.mysql_text import literal, statements
from connectors.sql.mysql_types import MARIADB, MYSQL, accepts, column_type, key_types
from connectors.sql.preflight_mysql import missing_rights

TEXT = "longtext COLLATE utf8mb4_0900_bin"


def named(kind: Kind, name: str, **parameters: str) -> Type:
    return Type(kind, f"io.debezium.{name}", 1, tuple(parameters.items()))


@pytest.mark.parametrize(
    ("value", "sql"),
    [
        (None, b"NULL"),
        (True, b"1"),
        (-5, b"-5"),
        (-0.0, b"-0.0e0"),
        (5e-324, b"5e-324"),
        ("it's \\ here", b"'it''s \\\\ here'"),
        ("\0\n", b"'\0\n'"),
        (b"\x00'\\\xff", b"_binary'\x00''\\\\\xff'"),
    ],
)
def test_literals(value: Any, sql: bytes) -> None:
    assert literal(value) == sql


def test_a_lone_surrogate_is_no_text() -> None:
    with pytest.raises(UnicodeEncodeError):
        literal("\ud800")


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(150, 400))
def test_statements_hold_every_row_once_and_none_is_larger_than_the_packet(rows: list[bytes], packet: int) -> None:
    made = list(statements(b"INSERT ", b" END", ([row.hex()] for row in rows), packet))
    assert all(len(statement) < packet for statement in made)
    parts = [part for statement in made for part in statement[len(b"INSERT ") : -len(b" END")].split(b",")]
    assert parts == [f"('{row.hex()}')".encode() for row in rows]


def test_a_row_larger_than_a_packet_is_named_by_its_size_alone() -> None:
    with pytest.raises(BadRowsError, match=r"a row of 504 bytes .* max_allowed_packet of 400"):
        list(statements(b"INSERT ", b"", [["x" * 500]], 400))


@pytest.mark.parametrize(
    ("type_", "sql"),
    [
        (Type(Kind.STRING), TEXT),
        (Type(Kind.BYTES), "longblob"),
        (decimal_type(65, 30), "decimal(65,30)"),
        (decimal_type(66, 30), TEXT),
        (decimal_type(60, 31), TEXT),
        (decimal_type(3, -2), "decimal(5,0)"),
        (decimal_type(3, 5), "decimal(5,5)"),
        (decimal_type(None, 2), "decimal(65,2)"),
        (variable_scale_decimal_type(), TEXT),
        (named(Kind.BYTES, "data.Bits", length="64"), "bit(64)"),
        (named(Kind.BYTES, "data.Bits", length="65"), TEXT),
        (named(Kind.STRING, "data.Json"), TEXT),
        (named(Kind.STRING, "data.Uuid"), "char(36) COLLATE ascii_bin"),
        (named(Kind.STRING, "data.Enum", allowed="a,b"), TEXT),
        (named(Kind.STRING, "time.ZonedTimestamp"), "datetime(6)"),
        (named(Kind.INT64, "time.Timestamp"), "datetime(3)"),
        (Type(Kind.ARRAY, items=Type(Kind.INT32)), TEXT),
        (Type(Kind.INT64, "org.example.Unknown"), "bigint"),
    ],
)
def test_mysql_columns(type_: Type, sql: str) -> None:
    assert column_type(type_, MYSQL).sql == sql


def test_mariadb_has_a_uuid_and_another_name_for_the_collation() -> None:
    assert column_type(named(Kind.STRING, "data.Uuid"), MARIADB).sql == "uuid"
    assert column_type(Type(Kind.STRING), MARIADB).sql == "longtext COLLATE utf8mb4_nopad_bin"


@pytest.mark.parametrize(
    ("types", "sql"),
    [
        ([Type(Kind.STRING)], ["varchar(768) COLLATE utf8mb4_0900_bin"]),
        ([Type(Kind.BYTES)], ["varbinary(3072)"]),
        ([Type(Kind.INT64), Type(Kind.STRING)], ["bigint", "varchar(758) COLLATE utf8mb4_0900_bin"]),
        ([Type(Kind.STRING), Type(Kind.BYTES)], ["varchar(384) COLLATE utf8mb4_0900_bin", "varbinary(1536)"]),
        ([Type(Kind.INT64), Type(Kind.INT32)], ["bigint", "int"]),
        ([variable_scale_decimal_type()], ["varchar(768) COLLATE utf8mb4_0900_bin"]),
    ],
)
def test_texts_of_a_key_share_what_an_index_takes(types: list[Type], sql: list[str]) -> None:
    assert [kept.sql for kept in key_types(types, MYSQL)] == sql


def test_an_exponent_is_written_out() -> None:
    assert column_type(variable_scale_decimal_type(), MYSQL).write(Decimal("1E+3")) == "1000"


@pytest.mark.parametrize(
    ("name", "table", "taken"),
    [
        ("Orders", True, False),
        ("orders", True, True),
        ("Name", False, True),
        ("x" * 64, True, True),
        ("x" * 65, False, False),
        ("blank ", False, False),
        ("\U0001f986", False, False),
        ("ü", False, True),
    ],
)
def test_F137_names_that_a_server_of_lower_case_tables_takes(name: str, *, table: bool, taken: bool) -> None:
    assert (dialect(MYSQL, lower_case=True).name_fault(name, table) == "") is taken


@pytest.mark.parametrize(
    ("actual", "wanted", "accepted"),
    [
        ("bigint", "int", True),
        ("int", "bigint", False),
        ("bigint unsigned", "int", False),
        ("tinyint", "tinyint(1)", True),
        ("decimal(20,0)", "bigint", True),
        ("decimal(20,2)", "bigint", False),
        ("decimal(12,3)", "decimal(10,2)", True),
        ("decimal(10,3)", "decimal(10,2)", False),
        ("longtext COLLATE utf8mb4_general_ci", TEXT, True),
        ("longtext COLLATE latin1_swedish_ci", TEXT, False),
        ("text COLLATE utf8mb4_0900_bin", TEXT, False),
        ("varchar(100) COLLATE utf8mb4_0900_bin", TEXT, False),
        ("json", TEXT, True),
        ("enum('a','b') COLLATE utf8mb4_general_ci", TEXT, True),
        (TEXT, "date", True),
        (TEXT, "double", True),
        (TEXT, "int", False),
        (TEXT, "longblob", False),
        (TEXT, "varchar(768) COLLATE utf8mb4_0900_bin", False),
        ("varchar(900) COLLATE utf8mb4_0900_bin", "varchar(768) COLLATE utf8mb4_0900_bin", True),
        ("varchar(768) COLLATE utf8mb4_bin", "varchar(768) COLLATE utf8mb4_0900_bin", False),
        ("varchar(767) COLLATE utf8mb4_0900_bin", "varchar(768) COLLATE utf8mb4_0900_bin", False),
        ("varbinary(3072)", "varbinary(1000)", True),
        ("datetime(6)", "datetime(3)", True),
        ("datetime", "datetime(3)", False),
        ("timestamp(6)", "datetime(6)", False),
        ("date", "datetime(3)", False),
        ("double", "float", True),
        ("geometry", "point", True),
        ("point", "geometry", False),
    ],
)
def test_F136_columns_that_hold_the_topics_values(actual: str, wanted: str, *, accepted: bool) -> None:
    assert accepts(actual, wanted) is accepted


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (1406, "Data too long for column 'b' at row 1", "DataError (1406) at column b"),
        (1366, "Incorrect decimal value: 'NaN' for column `k`.`f`.`n` at row 1", "DataError (1366) at column n"),
        (1366, "Incorrect integer value: 'x for column 'no' at row 9' for column 'n' at row 1", "(1366) at column n"),
        (1062, "Duplicate entry 'secret' for key 'orders.PRIMARY'", "(1062) at key PRIMARY"),
        (1048, "Column 'name' cannot be null", "(1048) at column name"),
        (1364, "Field 'name' doesn't have a default value", "(1364) at column name"),
    ],
)
def test_F132_a_refused_row_is_told_by_number_and_column_and_without_its_value(
    number: int, words: str, text: str
) -> None:
    error = translate(pymysql.err.DataError(number, words))
    assert isinstance(error, BadRowsError)
    assert text in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (2013, Retriable, "target_unreachable"),
        (0, Retriable, "target_unreachable"),
        (4031, Retriable, "target_unreachable"),
        (1213, Retriable, "target_conflict"),
        (1205, Retriable, "target_conflict"),
        (1290, Retriable, "target_read_only"),
        (1142, Failed, "target_permission"),
        (1146, Failed, "target_missing"),
        (1054, Failed, "target_column"),
        (1665, Failed, "target_refused"),
        (1064, Failed, "target_refused"),
    ],
)
def test_W4_errors_by_their_number(number: int, kind: type[Exception], code: str) -> None:
    error = translate(pymysql.err.OperationalError(number, "row value 'secret'"))
    assert isinstance(error, kind)
    assert getattr(error, "code", "") == code
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("number", "code"),
    [(1045, "target_credentials"), (1049, "target_database"), (2026, "target_tls"), (2003, "target_unreachable")],
)
def test_a_refused_connection_is_told_by_its_number(number: int, code: str) -> None:
    error = refused_connection(pymysql.err.OperationalError(number, "words"), "db:3306", "app", "shop")
    assert error.code == code


@pytest.mark.parametrize(
    ("greeting", "server"),
    [
        ("9.7.4-2", ("mysql", (9, 7, 4))),
        ("8.0.36-0ubuntu0.22.04.1", ("mysql", (8, 0, 36))),
        ("11.4.5-MariaDB-log", ("mariadb", (11, 4, 5))),
        ("5.5.5-10.11.6-MariaDB-1", ("mariadb", (10, 11, 6))),
    ],
)
def test_the_server_says_which_it_is(greeting: str, server: tuple[str, tuple[int, ...]]) -> None:
    assert server_of(greeting) == server


@pytest.mark.parametrize(
    ("grants", "missing"),
    [
        (["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"], []),
        (["GRANT USAGE ON *.* TO `a`@`%`", "GRANT ALL PRIVILEGES ON `shop`.* TO `a`@`%`"], []),
        (["GRANT ALL PRIVILEGES ON `sh%`.* TO `a`@`%`"], []),
        (["GRANT ALL PRIVILEGES ON `my\\_shop`.* TO `a`@`%`"], ["SELECT"]),
        (['GRANT SELECT, INSERT ON "shop".* TO "a"@"%"'], ["UPDATE"]),
        (["GRANT SELECT ON `shop`.`orders` TO `a`@`%`"], ["SELECT"]),
    ],
)
def test_rights_are_read_from_the_grants(grants: list[str], missing: list[str]) -> None:
    assert missing_rights(grants, "shop")[:1] == missing


@pytest.fixture
def poor_server():
    """A server that takes a connection, says some bytes and no more; its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    held = []

    def serve(said, *, closes):
        def answer():
            accepted, _ = listening.accept()
            held.append(accepted)
            accepted.sendall(said)
            if closes:
                accepted.close()

        thread = threading.Thread(target=answer, name="poor-server")
        thread.start()
        held.append(thread)
        return listening.getsockname()[1]

    yield serve
    for one in held:
        one.join() if isinstance(one, threading.Thread) else one.close()
    listening.close()


@pytest.mark.parametrize(
    ("said", "closes"), [(b"", False), (b"", True), (b"\x4a\0\0\0\x0a9.7", False), (b"\x4a\0\0\0\x0a9.7", True)]
)
def test_a_handshake_that_stays_away_or_ends_halfway_is_not_waited_for_as_a_statement_is(
    monkeypatch, poor_server, said, closes
):
    monkeypatch.setattr("connectors.sql.mysql_link._CONNECT_SECONDS", 0.3)
    config = SqlConfig(url=f"mysql://app:S3CR3T@127.0.0.1:{poor_server(said, closes=closes)}/w")
    with pytest.raises(Retriable, match=r"127\.0\.0\.1:\d+ cannot be reached: Lost connection") as caught:
        connect(config, "connect")

    assert caught.value.code == "target_unreachable"
    assert "S3CR3T" not in str(caught.value)
