"""The assembler against a model of the server: what is written in the log comes out once, in commit order."""

import struct
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connect.api import TableOptions
from connect.compiled import COMPILED
from connect.errors import Failed
from connect.record import UNAVAILABLE, Op
from connect.schema.model import TableId
from connectors.postgres.assembler import Assembler
from connectors.postgres.position import PostgresPosition
from connectors.postgres.relations import Catalog, Relations
from connectors.postgres.spool import TransactionSpool
from connectors.postgres.types import TypeCatalog, TypeOptions

if COMPILED:
    from connectors.postgres.stream_c import Burst

T, OTHER = TableId("public", "t"), TableId("public", "not_captured")
OIDS = {T: 7, OTHER: 8}
START = PostgresPosition("77", 1, 1000)
PREFIX = "connect.g.c"


def data(lsn, message):
    return b"w" + struct.pack(">QQq", lsn, lsn, 0) + message


def keepalive(lsn):
    return b"k" + struct.pack(">QqB", lsn, 0, 0)


def cells(*values):
    parts = [
        b"n" if v is None else b"u" if v is UNAVAILABLE else b"t" + struct.pack(">I", len(v)) + v
        for v in (v.encode() if isinstance(v, str) else v for v in values)
    ]
    return struct.pack(">H", len(parts)) + b"".join(parts)


def begin(xid, commit_lsn, ts=0):
    return data(commit_lsn, b"B" + struct.pack(">QqI", commit_lsn, ts, xid))


def commit(commit_lsn, end_lsn):
    return data(end_lsn, b"C" + struct.pack(">BQQq", 0, commit_lsn, end_lsn, 0))


def xid_part(xid):
    return b"" if xid is None else struct.pack(">I", xid)


def relation(table=T, xid=None, identity=b"d", lsn=0):
    columns = b"".join(
        struct.pack(">B", (name == "id") or identity == b"f") + name.encode() + b"\0" + struct.pack(">Ii", oid, -1)
        for name, oid in (("id", 23), ("v", 25))
    )
    head = struct.pack(">I", OIDS[table]) + b"".join(part.encode() + b"\0" for part in table)
    return data(lsn, b"R" + xid_part(xid) + head + identity + struct.pack(">H", 2) + columns)


def insert(lsn, *values, table=T, xid=None):
    return data(lsn, b"I" + xid_part(xid) + struct.pack(">I", OIDS[table]) + b"N" + cells(*values))


def update(lsn, new, old=None, kind=b"K"):
    before = b"" if old is None else kind + cells(*old)
    return data(lsn, b"U" + struct.pack(">I", OIDS[T]) + before + b"N" + cells(*new))


def delete(lsn, old, kind=b"K"):
    return data(lsn, b"D" + struct.pack(">I", OIDS[T]) + kind + cells(*old))


def truncate(lsn, *tables):
    oids = b"".join(struct.pack(">I", OIDS[table]) for table in tables)
    return data(lsn, b"T" + struct.pack(">IB", len(tables), 0) + oids)


def message(lsn, prefix, *, transactional=True):
    body = struct.pack(">BQ", transactional, lsn) + prefix.encode() + b"\0" + struct.pack(">I", 0)
    return data(lsn, b"M" + body)


def stream_start(xid, *, first=True):
    return data(0, b"S" + struct.pack(">IB", xid, first))


STREAM_STOP = data(0, b"E")


def stream_commit(xid, commit_lsn, end_lsn):
    return data(end_lsn, b"c" + struct.pack(">IBQQq", xid, 0, commit_lsn, end_lsn, 0))


def stream_abort(xid, subxid):
    return data(0, b"A" + struct.pack(">II", xid, subxid))


def new_assembler(folder, start=START, tables=(T,), most=1_000_000):
    catalog = Catalog(lambda _: None, TypeCatalog, TypeCatalog())
    relations = Relations({t: TableOptions() for t in tables}, {OIDS[t]: t for t in tables}, catalog, TypeOptions())
    return Assembler(relations, TransactionSpool(Path(folder), 10_000, most), start, PREFIX, compiled=LANE[0])


LANE = [False]
MUCH = (1 << 30, 1 << 30, 1 << 30)


@pytest.fixture(scope="module", params=dict.fromkeys([False, COMPILED]), autouse=True)
def compiled_lane(request):
    """Every test runs on the Python twin and, where it is built, on the compiled lane."""
    LANE[0] = request.param


@pytest.fixture
def assembler(tmp_path):
    return new_assembler(tmp_path)


def feed(assembler, *payloads):
    burst, at = Burst(payloads) if LANE[0] else payloads, 0
    while at < len(burst):
        at = assembler.feed_plain(burst, at, 1 << 30, 1 << 30)
        if at < len(burst):
            assembler.feed(burst[at])
            at += 1
        while assembler.replaying:
            assembler.replay(*MUCH)


def feed_one(assembler, payload):
    if not (LANE[0] and assembler.feed_plain(Burst([payload]), 0, 1 << 30, 1 << 30)):
        assembler.feed(payload)


def rows(delivery):
    return [(e.op, e.before and e.before.values(), e.after and e.after.values()) for e in delivery.events]


def test_a_transaction_becomes_events_and_the_position_its_commit_end(assembler):
    feed(assembler, begin(5, 1100, 17), relation(), insert(1050, "1", "a"), insert(1060, "2", None))
    feed(assembler, commit(1100, 1110))
    delivery = assembler.take()
    assert rows(delivery) == [(Op.CREATE, None, [1, "a"]), (Op.CREATE, None, [2, None])]
    assert delivery.position == PostgresPosition("77", 1, 1110, 0, 0, 5, 17 + 946_684_800_000_000)
    assert delivery.boundary
    assert [e.ordinal for e in delivery.events] == [0, 1]
    assert delivery.events[1].sequence == '["1000","1060"]'
    assert delivery.events[1].source == ("public", "t", 5, 1060, None, None, None)
    assert delivery.events[1].transaction == 5


def test_F2_an_open_transaction_is_not_taken_and_does_not_move_the_position(assembler):
    feed(assembler, begin(5, 1100), relation(), insert(1050, "1", "a"), keepalive(1090))
    assert not assembler.whole
    assert assembler.take().events == []
    assert assembler.position == START


def test_S04_a_split_transaction_stands_inside_it(assembler):
    feed(assembler, begin(5, 1100), relation(), insert(1050, "1", "a"), insert(1050, "2", "b"))
    delivery = assembler.take(split=True)
    assert len(delivery.events) == 2
    assert not delivery.boundary
    assert (delivery.position.lsn, delivery.position.ordinal, delivery.position.row_lsn) == (1000, 2, 1050)
    feed(assembler, commit(1100, 1110))
    assert assembler.take().position.ordinal == 0


def test_F5_rows_with_one_lsn_are_told_apart_by_their_ordinal(tmp_path):
    start = PostgresPosition("77", 1, 1000, 2, 1050, 5)
    assembler = new_assembler(tmp_path, start)
    feed(assembler, begin(5, 1100), relation(), *(insert(1050, str(i), "x") for i in range(4)), commit(1100, 1110))
    assert [r[2][0] for r in rows(assembler.take())] == [2, 3]
    assert assembler.skipped == 2


@pytest.mark.parametrize(
    "payloads",
    [
        [begin(6, 1100), relation(), insert(1050, "0", "x"), insert(1050, "1", "x")],
        [begin(5, 1100), relation(), insert(1050, "0", "x"), insert(1051, "1", "x")],
        [begin(5, 1100), relation(), insert(1050, "0", "x"), commit(1100, 1110)],
    ],
    ids=["another transaction", "another row", "too few rows"],
)
def test_S04_rows_that_are_not_those_delivered_before_fail(tmp_path, payloads):
    assembler = new_assembler(tmp_path, PostgresPosition("77", 1, 1000, 2, 1050, 5))
    with pytest.raises(Failed) as failed:
        feed(assembler, *payloads)
    assert failed.value.code == "replay_mismatch"


def test_S11_transactions_up_to_the_stored_position_are_dropped_and_counted(assembler):
    feed(assembler, begin(4, 980), relation(), insert(970, "1", "a"), insert(971, "2", "a"), commit(980, 1000))
    assert assembler.take().events == []
    assert assembler.skipped == 2


def test_F6_a_transaction_that_begins_at_the_stored_position_is_not_dropped(assembler):
    feed(assembler, begin(5, 1000), relation(), insert(1000, "1", "a"), commit(1000, 1010))
    assert len(assembler.take().events) == 1


def test_S06_a_keepalive_with_nothing_open_is_progress(assembler):
    feed(assembler, keepalive(1500))
    delivery = assembler.take()
    assert (delivery.events, delivery.position.lsn, delivery.boundary) == ([], 1500, True)


def test_S06_a_keepalive_never_moves_the_position_back(assembler):
    feed(assembler, keepalive(900))
    assert assembler.position.lsn == 1000


def test_S06_a_keepalive_amid_a_streamed_transaction_is_no_progress(assembler):
    feed(assembler, stream_start(5), relation(xid=5), STREAM_STOP, keepalive(1500))
    assert assembler.position.lsn == 1000
    feed(assembler, stream_abort(5, 5), keepalive(1600))
    assert assembler.position.lsn == 1600


def test_F7_progress_before_the_split_transaction_keeps_its_ordinal(tmp_path):
    assembler = new_assembler(tmp_path, PostgresPosition("77", 1, 1000, 1, 1250, 9))
    feed(assembler, keepalive(1100), begin(8, 1150), commit(1150, 1160))
    delivery = assembler.take()
    assert (delivery.position.lsn, delivery.position.ordinal, delivery.boundary) == (1160, 1, False)
    feed(assembler, begin(9, 1300), relation(), insert(1250, "1", "a"), insert(1260, "2", "b"), commit(1300, 1310))
    delivery = assembler.take()
    assert rows(delivery) == [(Op.CREATE, None, [2, "b"])]
    assert (delivery.position.lsn, delivery.position.ordinal) == (1310, 0)


def test_F10_messages_move_the_position_and_lose_nothing(assembler):
    feed(assembler, begin(5, 1100), message(1090, "someone's"), commit(1100, 1110))
    assert not assembler.marked
    feed(assembler, begin(6, 1200), relation(), insert(1190, "1", "a"), commit(1200, 1210))
    assert len(assembler.take().events) == 1


def test_F45_a_mark_of_our_own_is_no_event_and_asks_for_progress(assembler):
    feed(assembler, begin(5, 1100), message(1090, PREFIX), commit(1100, 1110))
    assert assembler.marked
    delivery = assembler.take()
    assert (delivery.events, delivery.position.lsn) == ([], 1110)
    assert not assembler.marked


def test_F23_a_changed_key_carries_the_old_one_and_nothing_else_of_the_old_row(assembler):
    feed(assembler, begin(5, 1100), relation(), update(1050, ["2", "a"], ["1", None]), commit(1100, 1110))
    event = assembler.take().events[0]
    assert event.before.values() == [1, UNAVAILABLE]
    assert event.after.values() == [2, "a"]


def test_inv5_a_deleted_row_under_default_identity_is_its_key(assembler):
    feed(assembler, begin(5, 1100), relation(), delete(1050, ["1", None]), commit(1100, 1110))
    assert rows(assembler.take()) == [(Op.DELETE, [1, UNAVAILABLE], None)]


def test_F22_unchanged_toast_under_default_identity_is_unavailable(assembler):
    feed(assembler, begin(5, 1100), relation(), update(1050, ["1", UNAVAILABLE]), commit(1100, 1110))
    assert rows(assembler.take()) == [(Op.UPDATE, None, [1, UNAVAILABLE])]


def test_F22_unchanged_toast_under_full_identity_comes_from_the_old_row(assembler):
    change = update(1050, ["1", UNAVAILABLE], ["1", "long"], b"O")
    feed(assembler, begin(5, 1100), relation(identity=b"f"), change, commit(1100, 1110))
    assert rows(assembler.take()) == [(Op.UPDATE, [1, "long"], [1, "long"])]


def test_S4_the_position_before_each_truncate_is_told(tmp_path):
    both = new_assembler(tmp_path, tables=(T, OTHER))
    feed(both, begin(4, 1050), relation(), relation(OTHER), insert(1010, "1", "a"), commit(1050, 1060))
    feed(both, begin(5, 1100), truncate(1070, T), insert(1080, "2", "b"), truncate(1090, T, OTHER), commit(1100, 1110))
    given = both.take()

    assert [event.op.value for event in given.events] == ["c", "t", "c", "t", "t"]
    before = {index: (cut.lsn, cut.ordinal, cut.row_lsn, cut.tx_id) for index, cut in given.cuts.items()}
    assert before == {1: (1060, 0, 0, 4), 3: (1060, 2, 1080, 5), 4: (1060, 3, 1090, 5)}
    for index, cut in given.cuts.items():
        again = new_assembler(tmp_path, cut, tables=(T, OTHER))
        feed(again, begin(5, 1100), relation(), relation(OTHER), truncate(1070, T), insert(1080, "2", "b"))
        feed(again, truncate(1090, T, OTHER), commit(1100, 1110))
        assert [event.op for event in again.take().events] == [event.op for event in given.events[index:]]


def test_S4_a_truncate_that_waits_for_the_end_of_its_transaction_keeps_its_cut(tmp_path):
    assembler = new_assembler(tmp_path)
    feed(assembler, begin(4, 1050), relation(), insert(1010, "1", "a"), commit(1050, 1060))
    feed(assembler, begin(5, 1100), insert(1070, "2", "b"), truncate(1080, T))

    assert assembler.take().cuts == {}
    feed(assembler, commit(1100, 1110))
    assert {index: cut.ordinal for index, cut in assembler.take().cuts.items()} == {1: 1}


def test_F43_truncate_is_an_event_of_each_captured_table(tmp_path):
    both = new_assembler(tmp_path, tables=(T, OTHER))
    feed(both, begin(5, 1100), relation(), relation(OTHER), truncate(1050, T, OTHER), commit(1100, 1110))
    assert [(e.op, e.table) for e in both.take().events] == [(Op.TRUNCATE, T), (Op.TRUNCATE, OTHER)]


def test_rows_of_other_tables_are_no_events_but_count(assembler):
    feed(assembler, begin(5, 1100), relation(OTHER), relation(), insert(1050, "1", "a", table=OTHER))
    feed(assembler, insert(1060, "2", "b"), commit(1100, 1110))
    assert [e.ordinal for e in assembler.take().events] == [1]


def test_an_origin_is_in_the_source_block(assembler):
    origin = data(1040, b"O" + struct.pack(">Q", 4242) + b"elsewhere\0")
    feed(assembler, begin(5, 1100), origin, relation(), insert(1050, "1", "a"), commit(1100, 1110))
    assert assembler.take().events[0].source[5:] == ("elsewhere", 4242)


def test_F24_rows_of_an_aborted_subtransaction_never_appear(assembler):
    feed(assembler, stream_start(5), relation(xid=6), insert(1010, "1", "kept", xid=5))
    feed(assembler, insert(1020, "2", "rolled back", xid=6), STREAM_STOP)
    feed(assembler, stream_abort(5, 6), stream_start(5, first=False), insert(1030, "3", "kept", xid=7), STREAM_STOP)
    feed(assembler, stream_commit(5, 1100, 1110))
    delivery = assembler.take()
    assert [e.after["id"] for e in delivery.events] == [1, 3]
    assert [(e.ordinal, e.transaction) for e in delivery.events] == [(0, 5), (1, 5)]
    assert delivery.position.lsn == 1110


def test_F25_an_aborted_streamed_transaction_leaves_nothing(assembler):
    feed(assembler, stream_start(5), relation(xid=5), insert(1010, "1", "a", xid=5), STREAM_STOP, stream_abort(5, 5))
    feed(assembler, begin(6, 1100), relation(), insert(1090, "2", "b"), commit(1100, 1110))
    assert [e.after["id"] for e in assembler.take().events] == [2]


def test_a_streamed_transaction_is_handed_out_in_parts(assembler):
    feed(
        assembler, stream_start(5), relation(xid=5), *(insert(1010, str(i), "x", xid=5) for i in range(5)), STREAM_STOP
    )
    assembler.feed(stream_commit(5, 1100, 1110))
    assembler.replay(2, 1 << 20, 1 << 20)
    first = assembler.take(split=True)
    assert [e.after["id"] for e in first.events] == [0, 1]
    assert first.position.ordinal == 2
    assert assembler.replaying
    assembler.replay(*MUCH)
    assert [e.after["id"] for e in assembler.take().events] == [2, 3, 4]


def test_rows_of_a_streamed_transaction_are_no_objects_on_the_compiled_lane(assembler):
    rows = (insert(1010, str(i), "x", xid=5) for i in range(5))
    feed(assembler, stream_start(5), relation(xid=5), *rows, STREAM_STOP, stream_commit(5, 1100, 1110))
    events = assembler.take().events
    assert [e.after["id"] for e in events] == [0, 1, 2, 3, 4]
    assert not LANE[0] or [(group.event, group.count) for group in events.groups] == [(None, 5)]


def test_a_part_ends_where_its_rows_keep_too_much_in_memory(tmp_path):
    """Few captured rows among many of other tables."""
    assembler = new_assembler(tmp_path, most=10_000_000)
    other = [insert(1010, "0", "x" * 300_000, table=OTHER, xid=5)] * 4
    rows = [message for i in range(4) for message in (insert(1010, str(i), "x", xid=5), *other)]
    feed(assembler, stream_start(5), relation(xid=5), relation(OTHER, xid=5), *rows, STREAM_STOP)
    assembler.feed(stream_commit(5, 1100, 1110))
    parts = []
    while assembler.replaying:
        assembler.replay(1 << 30, 1 << 30, 1)
        parts.append([e.after["id"] for e in assembler.take(split=True).events])
        assert assembler.held == 0
    assert [row for part in parts for row in part] == [0, 1, 2, 3]
    assert len([part for part in parts if part]) == (4 if LANE[0] else 1)


def test_S11_shapes_of_a_dropped_streamed_transaction_are_known_to_later_ones(assembler):
    feed(assembler, stream_start(5), relation(xid=5), insert(900, "1", "a", xid=5), STREAM_STOP)
    feed(assembler, stream_commit(5, 980, 990))
    feed(assembler, begin(6, 1100), insert(1090, "2", "b"), commit(1100, 1110))
    assert [e.after["id"] for e in assembler.take().events] == [2]
    assert assembler.skipped == 1


def test_S13_a_row_outside_of_a_transaction_fails(assembler):
    with pytest.raises(Failed) as failed:
        feed(assembler, relation(), insert(1050, "1", "a"))
    assert failed.value.code == "protocol"


# The model: a log of transactions, and readers that are killed at any point and start again from what they stored.


@dataclass
class Transaction:
    """Rows are (LSN, value, sub-transaction number or 0 for the top, captured)."""

    xid: int
    rows: list
    aborted: set
    streamed: bool
    commit_lsn: int = 0
    end_lsn: int = 0
    kept: list = field(default_factory=list)


@st.composite
def logs(draw):
    lsn, found = 1000, []
    for number in range(draw(st.integers(1, 6))):
        rows = []
        for i in range(draw(st.integers(0, 5))):
            lsn += draw(st.integers(0, 1)) * 8  # COPY gives several rows one LSN
            rows.append((lsn, f"{number}.{i}", draw(st.integers(0, 2)), draw(st.booleans())))
        streamed = bool(rows) and draw(st.booleans())
        aborted = draw(st.sets(st.integers(1, 2))) if streamed else set()
        tx = Transaction(100 + 10 * number, rows, aborted, streamed)
        tx.commit_lsn, tx.end_lsn = lsn + 8, lsn + 16
        tx.kept = [value for _, value, sub, captured in rows if captured and sub not in aborted]
        lsn = tx.end_lsn
        found.append(tx)
    return found


def payloads_of(tx, *, streamed):
    if not streamed:
        kept = [row for row in tx.rows if row[2] not in tx.aborted]
        body = [insert(lsn, "1", value, table=T if captured else OTHER) for lsn, value, _, captured in kept]
        return [begin(tx.xid, tx.commit_lsn), relation(), relation(OTHER), *body, commit(tx.commit_lsn, tx.end_lsn)]
    out = [stream_start(tx.xid), relation(xid=tx.xid), relation(OTHER, xid=tx.xid)]
    for lsn, value, sub, captured in tx.rows:
        out += [insert(lsn, "1", value, table=T if captured else OTHER, xid=tx.xid + sub)]
        out += [STREAM_STOP, stream_start(tx.xid, first=False)]
    aborts = [stream_abort(tx.xid, tx.xid + sub) for sub in sorted(tx.aborted)]
    return [*out, STREAM_STOP, *aborts, stream_commit(tx.xid, tx.commit_lsn, tx.end_lsn)]


def served(log, confirmed, draw):
    """What a server sends that goes on from ``confirmed``: it may be older than what the reader stored (F9)."""
    out = []
    for tx in log:
        if tx.end_lsn > confirmed:
            out += payloads_of(tx, streamed=tx.streamed and draw(st.booleans()))
            out += [keepalive(tx.end_lsn)] * draw(st.integers(0, 1))
    return out


@settings(max_examples=100)
@given(logs(), st.data())
def test_S01_nothing_is_lost_or_repeated_over_any_kills(tmp_path_factory, log, data):
    folder = tmp_path_factory.mktemp("spool")
    stored, got, positions = START, [], [START]
    for _ in range(4):
        assembler = new_assembler(folder, stored)
        confirmed = data.draw(st.sampled_from([1000, *(tx.end_lsn for tx in log if tx.end_lsn <= stored.lsn)]))
        payloads = iter(served(log, confirmed, data.draw))
        steps = data.draw(st.integers(0, 60))
        for _ in range(steps):
            if assembler.replaying:
                assembler.replay(assembler.rows + data.draw(st.integers(1, 3)), 1 << 30, 1 << 30)
            elif (payload := next(payloads, None)) is not None:
                feed_one(assembler, payload)
            if data.draw(st.integers(0, 3)) == 0:
                delivery = assembler.take(split=data.draw(st.booleans()))
                got += [e.after["v"] for e in delivery.events]
                stored = delivery.position
                positions.append(stored)
    assembler = new_assembler(folder, stored)
    feed(assembler, *served(log, 1000, data.draw))
    got += [e.after["v"] for e in assembler.take().events]
    assert got == [value for tx in log for value in tx.kept]
    assert all(not earlier.is_after(later) for earlier, later in pairwise(positions))
