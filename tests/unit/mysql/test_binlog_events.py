"""Bodies of events as servers wrote them."""

import pytest

from connect.errors import Failed
from connectors.mysql.binlog import events
from connectors.mysql.binlog.events import Xid

A = bytes.fromhex("0cc7ab90e5bd11f18c4602fc00000001")
# Recorded from MySQL 9.7.
TAGGED = (
    b'\x02v\x00\x00\x00\x02\x18\x1d\x03\xad\x02A\x02\x95\x03\xf5\x02"\xc5\x031\x02\x8c\x04\xf1\x03\x00\x00\x00\x02\x04\x04'
    b"\x06\x06abc\x08\x89\x05\n\x91\x05\x0c\x7f\xab\xf3@\xd0\xca`\x06\x10\xb5\x06\x12\x83\x12\x0b"
)
QUERY = (
    b"\x0f\x00\x00\x00\x00\x00\x00\x00\x06\x00\x00\x1d\x00\x00\x00\x00\x00\x00\x01 \x00\xa0E\x00\x00\x00\x00\x06\x03std"
    b"\x04\xff\x00\xff\x00\xff\x00\x12\xff\x00b_look\x00BEGIN"
)
XA_PREPARE = b"\x00\x01\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00x1"
# Recorded from MariaDB 11.4.
MARIADB_XA = b"\x92\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00L\x01\x00\x00\x00\x02\x00x1\x01\xff"
MARIADB_TRUNCATE = b"\x95\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00)\x00\x00\x00\x00\x00\x00"


def test_F60_a_tagged_gtid_is_read():
    assert events.parse_tagged_gtid(TAGGED) == (A, "abc", 1, 1795274053841835)


def test_a_tagged_gtid_with_a_field_that_must_be_known_fails():
    newer = TAGGED[3:] + b"\x1a\x02"  # a field 13
    assert events.parse_tagged_gtid(b"\x02\x7a\x00" + newer)[2] == 1

    with pytest.raises(Failed) as failed:
        events.parse_tagged_gtid(b"\x02\x7a\x1a" + newer)
    assert failed.value.code == "unknown_event"


def test_a_gtid_that_was_replicated_has_the_time_of_its_first_commit():
    immediate, original = (7 | 1 << 55).to_bytes(7, "little"), (5).to_bytes(7, "little")
    body = b"\0" + A + (9).to_bytes(8, "little") + b"\2" + bytes(16)

    assert events.parse_gtid(body + immediate + original) == (A, "", 9, 5)
    assert events.parse_gtid(body + (7).to_bytes(7, "little")) == (A, "", 9, 7)
    assert events.parse_gtid(body[:25]) == (A, "", 9, 0)


def test_a_statement_has_its_session():
    assert events.parse_query(QUERY) == (15, "b_look", "BEGIN", 0x45A00020, ())


def test_a_statement_is_in_the_character_set_of_its_client():
    latin1 = QUERY.replace(b"\x04\xff\x00", b"\x04\x08\x00").replace(b"BEGIN", b"DROP TABLE \xe9")
    assert events.parse_query(latin1).sql == "DROP TABLE é"

    utf8 = QUERY.replace(b"BEGIN", b"DROP TABLE \xe9")
    assert events.parse_query(utf8).sql == "DROP TABLE \udce9"


def test_what_stands_before_the_character_set_is_passed_over():
    assert events.parse_query(MARIADB_LATIN1).sql == "ALTER TABLE t ADD é int"


def test_F46_a_statement_names_the_databases_that_it_uses():
    assert events.parse_query(MYSQL_DATABASES).databases == ("other", "shop")
    many = MYSQL_DATABASES.replace(b"\x0c\x02other\0shop\0", b"\x0c\xfe\xff\x15\0\xff\x15\0\xff\x15\0")
    assert events.parse_query(many).databases == ()


def _query(variables, sql):
    return b"\5\0\0\0\0\0\0\0\1\0\0" + len(variables).to_bytes(2, "little") + variables + b"d\0" + sql


# The variables recorded from MariaDB 11.4 and MySQL 9.7.
MARIADB_LATIN1 = _query(
    bytes.fromhex("0000000001010000205400000000060373746483020800")
    + bytes.fromhex("2f002d000009")
    + bytes.fromhex("040800080008000081461c000000000000"),
    b"ALTER TABLE t ADD \xe9 int",
)
MYSQL_DATABASES = _query(
    bytes.fromhex("0000000000012000a04500000000060373746404ff00ff00ff000503534554") + b"\x07\0\0\x0b\1u\1h"
    b"\x0c\x02other\0shop\0\x12\xff\0\x15\0",
    b"INSERT INTO a VALUES (5)",
)


def test_mariadb_says_whether_a_commit_follows():
    assert events.parse_mariadb_gtid(MARIADB_XA) == (0, 0x92, False, True, False)
    assert events.parse_mariadb_gtid(MARIADB_TRUNCATE) == (0, 0x95, True, False, False)


def test_an_alter_in_two_phases_counts_at_its_end():
    begins = b"\x89r\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00)\x02\x00\x00\x00\x00\x00"
    ends = b"\x8ar\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00)\x04\x89r\x00\x00\x00\x00\x00\x00"

    assert [events.parse_mariadb_gtid(body).void for body in (begins, ends)] == [True, False]


def test_S8_an_xa_transaction_has_the_same_id_in_all_its_events():
    assert events.parse_xa_prepare(XA_PREPARE) == (Xid(1, b"x1", b""), False)
    assert events.parse_xid(" X'7831',X'',1") == Xid(1, b"x1", b"")
    assert events.parse_xid("X'',X'00FF',-1") == Xid(0xFFFFFFFF, b"", b"\x00\xff")


def test_S13_an_xa_id_in_another_spelling_fails():
    with pytest.raises(Failed) as failed:
        events.parse_xid("'x1'")

    assert failed.value.code == "unknown_event"


def test_an_old_log_is_refused():
    with pytest.raises(Failed) as failed:
        events.parse_format(bytes(19) + b"\3\0" + bytes(100))

    assert failed.value.code == "protocol"
