"""The assembler against events as servers write them: what is in the log comes out once, in commit order."""

import struct
import zlib
from dataclasses import replace
from types import SimpleNamespace
from uuid import UUID

import pytest

from connect.compiled import COMPILED
from connect.errors import Failed, Retriable
from connect.record import Op
from connect.schema.model import TableId, TableSchema
from connectors.mysql.assembler import Assembler
from connectors.mysql.binlog.nested import zstd
from connectors.mysql.gtid import Gtid, GtidSet, GtidState
from connectors.mysql.position import LogPosition, MysqlPosition
from connectors.mysql.prepared import Prepared

A = "0cc7ab90-e5bd-11f1-8c46-02fc00000001"
T, OTHER = 7, 8  # table ids; the second is not captured
FILE = "binlog.000001"
TS = 1_795_274_053_000_001
SHAPE = SimpleNamespace(schema=TableSchema(TableId("shop", "t"), ()), split=None)


class Log:
    """Events with places in a file, as the dump command sends them."""

    def __init__(self, file=FILE, pos=4, *, checksum=True, begin=True):
        self.file, self.pos, self.checksum, self.events = file, pos, True, []
        if begin:
            self.add(4, struct.pack("<Q", pos) + file.encode(), flags=0x20, place=False)
            described = struct.pack("<H50sIB", 4, b"9.7.4", 0, 19) + bytes(40) + bytes([checksum])
            self.add(15, described, place=False)
        self.checksum = checksum

    def add(self, kind, body, *, flags=0, place=True, server=1):
        size = 19 + len(body) + 4 * (self.checksum or kind == 15)
        self.pos += size if place else 0
        event = struct.pack("<IBIIIH", 1_795_274_053, kind, server, size, self.pos % 2**32 * place, flags) + body
        if self.checksum or kind == 15:
            event += struct.pack("<I", zlib.crc32(event))
        self.events.append(event)
        return self

    def gtid(self, number):
        times = TS.to_bytes(7, "little")
        return self.add(33, b"\0" + UUID(A).bytes + struct.pack("<QBQQ", number, 2, 0, 0) + times)

    def anonymous(self):
        return self.add(34, bytes(42) + TS.to_bytes(7, "little"))

    def mariadb(self, number, flags=12):
        return self.add(162, struct.pack("<QIB", number, 0, flags) + bytes(6))

    def query(self, sql, thread=5):
        return self.add(2, query_body(sql, thread))

    def begin(self, number):
        return self.gtid(number).query("BEGIN")

    def rows(self, *names, table=T, kind=30):
        """One event with a row for each name."""
        return self.add(19, map_body(table)).add(kind, rows_body(names, table))

    def xid(self):
        return self.add(16, bytes(8))

    def insert(self, number, *names, table=T):
        return self.begin(number).rows(*names, table=table).xid()

    def xa(self, number, name, *names):
        """Started, filled and prepared."""
        self.gtid(number).query(f"XA START {xid_text(name)}").rows(*names).query(f"XA END {xid_text(name)}")
        return self.add(38, b"\0" + struct.pack("<III", 1, len(name), 0) + name)


def query_body(sql, thread=5):
    return struct.pack("<IIBHH", thread, 0, 4, 0, 0) + b"shop\0" + sql.encode()


def map_body(table):
    return struct.pack("<IHH", table, 0, 1)


def rows_body(names, table):
    return struct.pack("<IHH", table, 0, 1) + b"\x02\x00\x01\xff" + b"".join(name.encode() + b"," for name in names)


def xid_text(name):
    return f"X'{name.hex()}',X'',1"


class Table:
    """A captured table: a row is a name."""

    shape = SHAPE

    def changes(self, kind, body):
        for name in body[12:].decode().split(",")[:-1]:
            yield (None, name) if kind in {23, 30} else (name, None) if kind in {25, 32} else (name, name)


class History:
    """One captured table; TRUNCATE and ``CREATE`` are understood."""

    def statement(self, _database, sql, _mode, _where, _databases):
        notes = {"definition": {"sql": sql}} if sql.startswith("CREATE") else {}
        truncated = (SHAPE,) * sql.count("t") if sql.startswith("TRUNCATE") else ()
        return SimpleNamespace(notes=notes, truncated=truncated, data=sql.startswith("INSERT"), warning="")

    def table_map(self, body, _where):
        return Table() if body[0] == T else None


def at(pos, file=FILE):
    return LogPosition(file, pos)


START = MysqlPosition(A, at(4), GtidSet.parse(""))
FILES = MysqlPosition(A, at(4))


@pytest.fixture(params=[False, COMPILED], ids=["python", "compiled"])
def build(tmp_path, request):
    def made(start=START, **more):
        by_gtid = isinstance(start.gtids, GtidSet)
        return Assembler(History(), Prepared(tmp_path, **more), start, "c", by_gtid=by_gtid, compiled=request.param)

    return made


def fed(assembler, log, rows=100, size=2**20):
    """Feed all events of a log; handed-on events are gone through as the source does."""
    at = 0
    while at < len(log.events):
        at = assembler.feed_plain(log.events, at, rows, size)
        if at < len(log.events):
            assembler.feed(log.events[at])
            at += 1
        while assembler.replaying:
            assembler.replay(rows, size)
    return assembler


def names(delivery):
    return [(event.op.value, event.after or event.before) for event in delivery.events]


def resumed(position, log):
    """What the server sends from a position of files on."""
    again = Log(begin=True, pos=position.log.pos)
    sizes = [len(event) for event in log.events]
    place, kept = 4, []
    for event, size in zip(log.events[2:], sizes[2:], strict=True):
        if place >= position.log.pos:
            kept.append(event)
        place += size
    again.events += kept
    return again


def test_a_transaction_is_delivered_with_its_place_and_the_position_after_it(build):
    log = Log().insert(1, "a", "b").begin(2).rows("c", kind=31).rows("d", kind=32).xid()
    given = fed(build(), log).take()

    assert names(given) == [("c", "a"), ("c", "b"), ("u", "c"), ("d", "d")]
    assert [(e.transaction, e.ordinal, e.ts_us) for e in given.events] == [
        (Gtid(A, 1), 0, TS),
        (Gtid(A, 1), 1, TS),
        (Gtid(A, 2), 0, TS),
        (Gtid(A, 2), 1, TS),
    ]
    assert given.events[1].source == ("t", 1, f"{A}:1", FILE, 153, 1, 5, None)
    assert given.position == MysqlPosition(A, at(log.pos), GtidSet.parse(f"{A}:1-2"), ts_us=TS)
    assert given.boundary


def test_F59_a_gtid_is_in_the_position_only_when_its_transaction_is_whole(build):
    assembler = fed(build(), Log().insert(1, "a").begin(2).rows("b"))
    given = assembler.take()

    assert names(given) == [("c", "a")]
    assert str(given.position.gtids) == f"{A}:1"
    assert assembler.rows == 1


def test_tables_that_are_not_captured_move_the_position_only(build):
    log = Log().insert(1, "x", table=OTHER)
    given = fed(build(), log).take()

    assert (given.events, given.position.log, str(given.position.gtids)) == ([], at(log.pos), f"{A}:1")


def test_without_gtids_a_transaction_is_named_by_where_it_begins(build):
    log = Log().anonymous().query("BEGIN").rows("a").xid()
    given = fed(build(FILES), log).take()

    assert given.events[0].transaction == at(4)
    assert given.events[0].source[2] is None
    assert given.position == MysqlPosition(A, at(log.pos), ts_us=TS)


def test_an_anonymous_transaction_after_gtids_fails(build):
    with pytest.raises(Failed) as failed:
        fed(build(), Log().anonymous())

    assert failed.value.code == "gtids_off"


def test_S4_a_part_of_a_transaction_is_resumed_behind_its_last_row(build):
    log = Log().insert(1, "a").begin(2).rows("b", "c").rows("x", table=OTHER).rows("d").rows("e").xid().insert(3, "f")
    whole = names(fed(build(), log).take())

    assembler, got = build(), []
    for event in log.events:
        assembler.feed(event)
        if assembler.rows and not assembler.whole:
            part = assembler.take(split=True)
            got += names(part)
            rest = fed(build(part.position), resumed(part.position, log))
            assert got + names(rest.take()) == whole
            assert rest.position.gtids == GtidSet.parse(f"{A}:1-3")
        else:
            got += names(assembler.take())
    assert got == whole


def test_S4_on_another_server_rows_of_a_split_transaction_are_skipped_by_number(build):
    part = MysqlPosition(
        "other", LogPosition("", 0), GtidSet.parse(f"{A}:1"), transaction=Gtid(A, 2), event=9, ordinal=3
    )
    log = Log(file="other.000007").begin(2).rows("b", "c", "d", "e").rows("f").xid()
    assembler = fed(build(part), log)

    assert [(e.after, e.ordinal) for e in assembler.take().events] == [("e", 3), ("f", 4)]
    assert assembler.skipped == 3


def test_a_log_without_the_split_transaction_is_another_one(build):
    part = MysqlPosition(A, at(4), GtidSet.parse(""), transaction=Gtid(A, 9), event=1, ordinal=1)

    with pytest.raises(Failed) as failed:
        fed(build(part), Log().insert(1, "a"))
    assert failed.value.code == "replay_mismatch"


def test_a_transaction_that_became_shorter_than_what_was_delivered_is_another_one(build):
    part = MysqlPosition(A, at(4), GtidSet.parse(""), transaction=Gtid(A, 1), event=5, ordinal=5)

    with pytest.raises(Failed) as failed:
        fed(build(part), Log().insert(1, "a"))
    assert failed.value.code == "replay_mismatch"


def test_a_big_event_is_handed_on_in_parts_and_resumed_inside(build):
    log = Log().begin(1).rows(*(f"{number:08}" for number in range(130_000))).xid()
    assembler = build()
    for event in log.events[:-1]:
        assembler.feed(event)
    assembler.replay(1_000, 2**30)
    part = assembler.take(split=True)

    assert (len(part.events), part.position.event, part.position.row) == (1_000, 0, 1_000)
    rest = fed(build(part.position), resumed(part.position, log), rows=10**6, size=2**30)
    assert (rest.rows, rest.take().events[0].after) == (129_000, "00001000")


def test_a_truncate_is_a_transaction_of_its_own(build):
    log = Log().gtid(1).query("TRUNCATE t").insert(2, "a")
    given = fed(build(), log).take()

    assert [(e.op, e.transaction, e.ordinal) for e in given.events] == [
        (Op.TRUNCATE, Gtid(A, 1), 0),
        (Op.CREATE, Gtid(A, 2), 0),
    ]
    assert given.cuts == {0: START}


def test_S4_of_two_tables_that_a_statement_empties_the_second_may_be_left_for_the_next_start(build):
    log = Log().insert(1, "a").gtid(2).query("TRUNCATE t, t")
    given = fed(build(), log).take()
    assert list(given.cuts) == [1, 2]

    again = fed(build(given.cuts[2]), resumed(given.cuts[2], log)).take()
    assert [(e.op, e.ordinal) for e in again.events] == [(Op.TRUNCATE, 1)]
    assert again.position == given.position


def test_V2_notes_of_a_statement_ride_with_the_position_after_it(build):
    log = Log().begin(1).query("CREATE TABLE t START TRANSACTION").rows("a")
    assembler = fed(build(), log)
    assert not assembler.take().notes

    given = fed(assembler, Log(begin=False, pos=log.pos).xid()).take()
    assert list(given.notes) == ["definition"]
    assert str(given.position.gtids) == f"{A}:1"


def test_F46_a_statement_that_changes_rows_fails(build):
    with pytest.raises(Failed) as failed:
        fed(build(), Log().begin(1).query("INSERT INTO t VALUES (1)"))

    assert failed.value.code == "statement_dml"


def test_F71_what_is_rolled_back_to_a_savepoint_is_not_delivered(build):
    log = Log().begin(1).rows("a").query("SAVEPOINT `s`").rows("b").query("ROLLBACK TO `s`").rows("c").xid()
    given = fed(build(), log).take()

    assert [(e.after, e.ordinal) for e in given.events] == [("a", 0), ("c", 1)]


def test_F71_a_transaction_that_ends_with_rollback_leaves_nothing(build):
    given = fed(build(), Log().insert(1, "a").begin(2).rows("b").query("ROLLBACK")).take()

    assert names(given) == [("c", "a")]
    assert str(given.position.gtids) == f"{A}:1-2"


def test_F71_rows_that_were_delivered_in_part_cannot_be_rolled_back(build):
    assembler = fed(build(), Log().begin(1).query("SAVEPOINT `s`").rows("a"))
    assembler.take(split=True)

    with pytest.raises(Failed) as failed:
        fed(assembler, Log(begin=False).query("ROLLBACK TO `s`"))
    assert failed.value.code == "rolled_back_rows"


def test_F71_a_savepoint_at_which_a_part_was_taken_holds(build):
    assembler = fed(build(), Log().begin(1).rows("a").query("SAVEPOINT `s`"))
    assembler.take(split=True)

    given = fed(assembler, Log(begin=False).rows("b").query("ROLLBACK TO `s`").rows("c").xid()).take()
    assert [(e.after, e.ordinal) for e in given.events] == [("c", 1)]


def test_F71_what_was_rolled_back_before_a_part_is_skipped_at_the_next_start(build):
    log = Log().begin(1).rows("a").query("SAVEPOINT `s`").rows("b").query("ROLLBACK TO `s`").rows("c").rows("d")
    assembler = fed(build(), log)
    part = assembler.take(split=True)
    assert names(part) == [("c", "a"), ("c", "c"), ("c", "d")]

    again = fed(build(part.position), log.rows("e").xid()).take()
    assert [(e.after, e.ordinal) for e in again.events] == [("e", 3)]


def test_a_transaction_that_the_file_breaks_off_never_was(build):
    log = Log().begin(1).rows("a")
    again = Log(file="binlog.000002").insert(1, "b")
    given = fed(fed(build(), log), again).take()

    assert names(given) == [("c", "b")]
    assert given.position.log == at(again.pos, "binlog.000002")


def test_a_transaction_that_breaks_off_after_a_part_was_delivered_fails(build):
    assembler = fed(build(), Log().begin(1).rows("a"))
    assembler.take(split=True)

    with pytest.raises(Failed) as failed:
        fed(assembler, Log(file="binlog.000002"))
    assert failed.value.code == "transaction_torn"


def test_F62_a_log_that_was_begun_anew_with_the_same_gtids_is_followed_from_its_own_begin(build):
    for start in (GtidSet.parse(f"{A}:1"), GtidState.parse("0-1-1")):
        log = Log()
        log = log.insert(2, "a") if isinstance(start, GtidSet) else log.mariadb(2).rows("a").xid()
        given = fed(build(MysqlPosition(A, at(9_000, "binlog.000008"), start)), log).take()

        assert names(given) == [("c", "a")]
        assert given.position.log == at(log.pos)


def test_F62_a_file_that_was_made_anew_under_its_old_name_is_refused(build):
    with pytest.raises(Failed) as failed:
        fed(build(replace(START, file_id="1795274052@")), Log().insert(1, "a"))

    assert failed.value.code == "log_reset"
    assert "c: binlog" in failed.value.message


@pytest.mark.parametrize("file_id", ["@h:3306", "1795274053@h:3306"])
def test_F62_a_position_tells_its_file_from_another_of_its_name(build, file_id):
    given = fed(build(replace(START, file_id=file_id)), Log().insert(1, "a")).take()

    assert given.position.file_id == "1795274053@h:3306"


def test_rows_carry_the_text_of_their_statement_where_that_is_asked_for(build):
    log = Log().begin(1).add(29, b"\3one").rows("a").rows("b").add(29, b"\3two").rows("c").xid().insert(2, "d")
    assembler = build()
    assembler.keep_queries()

    assert [event.source[-1] for event in fed(assembler, log).take().events] == ["one", "one", "two", None]
    assert {event.source[-1] for event in fed(build(), log).take().events} == {None}


# XA (rule S8).


def test_S8_rows_of_a_prepared_transaction_come_with_its_commit(build):
    log = Log().xa(1, b"x", "a", "b").insert(2, "c")
    assembler = fed(build(), log)
    given = assembler.take()
    assert names(given) == [("c", "c")]
    assert str(given.position.gtids) == f"{A}:2"

    end = Log(begin=False, pos=log.pos).gtid(3).query(f"XA COMMIT {xid_text(b'x')}")
    given = fed(assembler, end).take()
    assert [(e.after, e.transaction, e.ordinal) for e in given.events] == [("a", Gtid(A, 3), 0), ("b", Gtid(A, 3), 1)]
    assert str(given.position.gtids) == f"{A}:1-3"


def test_S8_a_prepared_transaction_that_is_rolled_back_leaves_nothing(build):
    given = fed(build(), Log().xa(1, b"x", "a").gtid(2).query(f"XA ROLLBACK {xid_text(b'x')}")).take()

    assert (given.events, str(given.position.gtids)) == ([], f"{A}:1-2")


def test_S8_one_phase_is_an_ordinary_transaction(build):
    log = Log().gtid(1).query(f"XA START {xid_text(b'x')}").rows("a").query(f"XA END {xid_text(b'x')}")
    given = fed(build(), log.add(38, b"\1" + struct.pack("<III", 1, 1, 0) + b"x")).take()

    assert (names(given), str(given.position.gtids)) == ([("c", "a")], f"{A}:1")


def test_S8_the_commit_of_a_transaction_that_was_prepared_before_the_start_fails(build):
    with pytest.raises(Failed) as failed:
        fed(build(), Log().gtid(3).query(f"XA COMMIT {xid_text(b'x')}"))

    assert failed.value.code == "xa_unknown"


def test_S8_the_commit_of_a_transaction_that_every_snapshot_sees_is_passed_over(build):
    log = Log().gtid(3).query(f"XA COMMIT {xid_text(b'x')}")
    given = fed(build(before=at(100)), log).take()

    assert (given.events, str(given.position.gtids)) == ([], f"{A}:3")


def test_S8_without_sets_a_part_of_an_xa_transaction_needs_the_log_from_its_begin(build):
    state = MysqlPosition("1", at(4), GtidState.parse("0-1-5"))
    log = Log().mariadb(6, flags=0x4C).rows("a", "b").rows("c").query(f"XA END {xid_text(b'x')}")
    log.add(38, b"\0" + struct.pack("<III", 1, 1, 0) + b"x").mariadb(7, flags=0x8D)
    log.query(f"XA COMMIT {xid_text(b'x')}")
    assembler = build(state)
    for event in log.events:
        assembler.feed(event)
    assembler.replay(2, 2**20)
    part = assembler.take(split=True)
    assert (names(part), part.position.prepared) == ([("c", "a"), ("c", "b")], (at(4),))

    again = fed(build(part.position), log).take()
    assert (names(again), again.position.prepared) == ([("c", "c")], ())


def test_S8_without_sets_the_position_names_where_open_transactions_begin(build):
    state = MysqlPosition("1", at(4), GtidState.parse("0-1-5"))
    log = Log().mariadb(6, flags=0x4C).rows("a").query(f"XA END {xid_text(b'x')}")
    log.add(38, b"\0" + struct.pack("<III", 1, 1, 0) + b"x").mariadb(7).rows("b").xid()
    given = fed(build(state), log).take()
    assert names(given) == [("c", "b")]
    assert given.position.prepared == (at(4),)

    log.mariadb(8, flags=0x8D).query(f"XA COMMIT {xid_text(b'x')}")
    again = fed(build(given.position), log).take()
    assert (names(again), again.position.prepared) == ([("c", "a")], ())
    assert str(again.position.gtids) == "0-1-8"


def test_S8_rows_that_wait_beyond_the_memory_go_into_a_file_that_ends_with_them(build, tmp_path):
    log = Log().xa(1, b"x", "a", "b").xa(2, b"y", "c")
    assembler = fed(build(memory=20), log)
    assert len(list(tmp_path.iterdir())) == 1

    end = Log(begin=False, pos=log.pos).gtid(3).query(f"XA COMMIT {xid_text(b'y')}")
    end.gtid(4).query(f"XA COMMIT {xid_text(b'x')}")
    assert names(fed(assembler, end).take()) == [("c", "c"), ("c", "a"), ("c", "b")]
    assert not list(tmp_path.iterdir())


# Events in events.


def test_F55_a_compressed_transaction_is_read_as_if_it_were_not(build):
    inner = Log(begin=False, pos=0)
    inner.checksum = False
    inner.query("BEGIN").rows("a", "b").rows("c", kind=32).xid()
    payload = zstd.compress(b"".join(inner.events))
    fields = b"\x02\x01\x00" + b"\x01\x03\xfc" + len(payload).to_bytes(2, "little") + b"\x00"
    log = Log().gtid(1).add(40, fields + payload).insert(2, "d")
    given = fed(build(), log).take()

    assert names(given) == [("c", "a"), ("c", "b"), ("d", "c"), ("c", "d")]
    assert [e.source[4:6] for e in given.events[:3]] == [(4, 0), (4, 1), (4, 2)]
    assert (given.position.log, str(given.position.gtids)) == (at(log.pos), f"{A}:1-2")


def test_F55_a_damaged_payload_fails(build):
    with pytest.raises(Failed) as failed:
        fed(build(), Log().gtid(1).add(40, b"\x02\x01\x00\x01\x01\x05\x00" + b"12345"))

    assert failed.value.code == "protocol"


def test_F56_compressed_rows_of_mariadb_are_read(build):
    plain = rows_body(["a", "b"], T)
    squeezed = plain[:8] + b"\x02\xff" + b"\x81\x10" + zlib.compress(b"\x00\x00" + b"a,b,")
    log = Log().mariadb(1).add(19, map_body(T)).add(166, squeezed)
    squeezed_query = query_body("")[: -0 or None] + b"\x81\x06" + zlib.compress(b"COMMIT")
    given = fed(build(MysqlPosition("1", at(4), GtidState.parse(""))), log.add(165, squeezed_query)).take()

    assert names(given) == [("c", "a"), ("c", "b")]
    assert str(given.position.gtids) == "0-1-1"


# What is not understood.


def test_F57_an_unknown_event_fails_unless_it_says_that_it_may_be_ignored(build):
    fed(build(), Log().add(99, b"", flags=0x80))

    with pytest.raises(Failed) as failed:
        fed(build(), Log().add(172, b"rows"))
    assert failed.value.code == "unknown_event"


def test_F69_a_damaged_event_is_not_parsed(build):
    log = Log().insert(1, "a")
    log.events[4] = log.events[4][:20] + b"\xff" + log.events[4][21:]

    with pytest.raises(Retriable) as failed:
        fed(build(), log)
    assert failed.value.code == "checksum"


def test_an_event_whose_body_is_none_is_refused_by_name(build):
    for log in (Log().add(33, b"\0" * 12), Log().begin(1).add(2, b"\0" * 9)):
        with pytest.raises(Failed) as failed:
            fed(build(), log)
        assert failed.value.code == "protocol"


def test_F69_a_log_without_checksums_is_read(build):
    assert names(fed(build(), Log(checksum=False).insert(1, "a")).take()) == [("c", "a")]


def test_F70_what_mariadb_tells_besides_is_passed_over(build):
    log = Log().add(164, bytes(17)).add(163, bytes(4)).add(161, bytes(4)).mariadb(1).add(160, b"INSERT").rows("a").xid()
    given = fed(build(MysqlPosition("1", at(4), GtidState.parse(""))), log).take()

    assert names(given) == [("c", "a")]


def test_F72_an_incident_fails(build):
    with pytest.raises(Failed, match="lost") as failed:
        fed(build(), Log().add(26, b"\x01\x00\x0alost events"))

    assert failed.value.code == "incident"


def test_rows_without_a_table_fail_and_an_event_that_only_ends_a_statement_does_not(build):
    fed(build(), Log().begin(1).add(30, rows_body([], 0xFFFFFF)))

    with pytest.raises(Failed) as failed:
        fed(build(), Log().begin(1).add(30, rows_body(["a"], T)))
    assert failed.value.code == "protocol"


def test_positions_beyond_32_bits_are_followed(build):
    start = 2**32 - 150
    log = Log(pos=start).insert(1, "a").insert(2, "b")
    given = fed(build(), log).take()

    assert given.position.log == at(log.pos)
    assert log.pos > 2**32
    assert [e.source[4] for e in given.events] == sorted(e.source[4] for e in given.events)


def test_a_heartbeat_moves_the_position_on(build):
    log = Log()
    log.pos = 5_000
    given = fed(build(), log.add(27, FILE.encode())).take()

    assert given.position.log == at(log.pos)
