"""What comes out of the log of a real server, on each kind of positions."""

import threading

import pytest

from connect.errors import Failed, Retriable
from connect.record import UNAVAILABLE, Op
from connectors.mysql.position import LogPosition

pytestmark = pytest.mark.stack


def rows(events):
    return [(e.op.value, (e.after or e.before)["id"]) for e in events]


def test_changes_come_whole_and_in_order(shop):
    reader = shop.open()
    shop.sql("BEGIN", "INSERT INTO t VALUES (1, 'a'), (2, NULL)", "UPDATE t SET v = 'ü' WHERE id = 2", "COMMIT")
    shop.sql("DELETE FROM t WHERE id = 1")

    one, two, three, four = reader.read(4)
    assert rows([one, two, three, four]) == [("c", 1), ("c", 2), ("u", 2), ("d", 1)]
    assert (three.before["v"], three.after["v"], four.before["v"]) == (None, "ü", "a")
    assert one.transaction == three.transaction != four.transaction
    assert [e.ordinal for e in (one, two, three, four)] == [0, 1, 2, 0]


def test_the_source_block_says_where_a_row_stands(shop):
    reader = shop.open()
    shop.insert(1, 2)

    first, second = reader.read(2)
    table, server_id, gtid, file, pos, row, thread, query = first.source
    assert (table, server_id) == ("t", shop.sql("SELECT @@server_id")[0][0])
    assert (gtid is None) == (reader.position.gtids is None)
    assert LogPosition(file, pos).order < reader.position.log.order
    assert (row, second.source[5], query) == (0, 1, None)
    assert thread is None or thread > 0


def test_other_tables_move_the_position_only(shop):
    shop.sql("CREATE TABLE other (id INT PRIMARY KEY)")
    reader = shop.open()
    shop.sql("INSERT INTO other VALUES (1), (2), (3)")
    start = reader.position

    reader.until(lambda: reader.position.is_after(start))
    assert not reader.events


def test_a_flush_of_the_logs_is_followed(shop):
    reader = shop.open()
    for number in range(1, 6):
        shop.sql(f"INSERT INTO t (id) VALUES ({number})", "FLUSH BINARY LOGS")

    assert rows(reader.read(5)) == [("c", number) for number in range(1, 6)]
    reader.until(lambda: reader.position.log.file > reader.events[-1].source[3])


def test_F73_a_truncate_is_one_event(shop):
    shop.insert(1, 3)
    reader = shop.open()
    shop.sql("TRUNCATE t", f"TRUNCATE TABLE `{shop.database}`.`t` -- and a comment", "INSERT INTO t (id) VALUES (9)")

    assert [e.op for e in reader.read(3)] == [Op.TRUNCATE, Op.TRUNCATE, Op.CREATE]
    assert reader.batches[0].cuts


# With GTIDs MySQL itself refuses to mix engines in a transaction.
@pytest.mark.parametrize("shop", ["mariadb", "mysql without gtids"], indirect=True)
def test_F71_what_is_rolled_back_leaves_nothing(shop):
    shop.sql("CREATE TABLE m (id INT PRIMARY KEY) ENGINE=MyISAM")
    reader = shop.open(tables=("t", "m"))
    shop.sql("BEGIN", "INSERT INTO t (id) VALUES (1)", "INSERT INTO m VALUES (10)", "ROLLBACK")
    shop.sql("BEGIN", "INSERT INTO t (id) VALUES (2)", "SAVEPOINT s", "INSERT INTO m VALUES (11)")
    inserts = ["INSERT INTO t (id) VALUES (4)", "INSERT INTO m VALUES (12)"]
    shop.sql("BEGIN", "INSERT INTO t (id) VALUES (3)", "SAVEPOINT s", *inserts, "ROLLBACK TO s", "COMMIT")

    assert sorted(rows(reader.read(4))) == [("c", 3), ("c", 10), ("c", 11), ("c", 12)]


def test_F71_a_savepoint_is_the_same_however_its_letters_are_written(mariadb_shop):
    shop = mariadb_shop
    shop.sql("CREATE TABLE m (id INT PRIMARY KEY) ENGINE = MyISAM")  # it keeps ROLLBACK TO in the log
    reader = shop.open()

    shop.sql(
        *("BEGIN", "INSERT INTO t (id) VALUES (1)", "SAVEPOINT s", "INSERT INTO t (id) VALUES (2)"),
        *("INSERT INTO m VALUES (1)", "ROLLBACK TO S", "INSERT INTO t (id) VALUES (3)", "COMMIT"),
    )

    assert [event.after["id"] for event in reader.read(2)] == [1, 3]


def test_F47_columns_that_the_log_leaves_out_are_unavailable(shop):
    shop.sql("INSERT INTO t VALUES (1, 'a')")
    reader = shop.open()
    shop.sql("SET SESSION binlog_row_image = MINIMAL", "UPDATE t SET v = 'b'", "DELETE FROM t")

    updated, deleted = reader.read(2)
    assert (updated.before["id"], updated.before["v"]) == (1, UNAVAILABLE)
    assert (updated.after["id"], updated.after["v"]) == (1, "b")
    assert (deleted.before["id"], deleted.before["v"]) == (1, UNAVAILABLE)


def test_F46_a_statement_that_changes_rows_fails_and_fails_again(shop):
    reader = shop.open()
    shop.insert(1, 1)
    reader.read(1)
    session = shop.session()
    with session.cursor() as cursor:
        cursor.execute("SET SESSION binlog_format = STATEMENT")
        cursor.execute("INSERT INTO t (id) VALUES (2)")

    for resume in (None, reader.resume):
        again = reader if resume is None else shop.open(resume)
        with pytest.raises(Failed) as failed:
            again.drain()
        assert failed.value.code == "statement_dml"
        assert failed.value.hint


def test_F46_a_trigger_that_a_statement_of_another_database_sets_off_is_noticed(mysql_shop):
    shop, other = mysql_shop, f"{mysql_shop.database}_other"
    shop.server.create_database(other)
    shop.sql(
        f"CREATE TABLE {other}.a (id INT PRIMARY KEY)",
        f"CREATE TRIGGER {other}.g AFTER INSERT ON {other}.a FOR EACH ROW"
        f" INSERT INTO {shop.database}.t (id) VALUES (NEW.id)",
    )
    reader = shop.open()

    shop.sql(f"USE {other}", "SET SESSION binlog_format = STATEMENT", "INSERT INTO a VALUES (1)")
    shop.sql(f"DROP DATABASE {other}")

    with pytest.raises(Failed) as failed:
        reader.drain()
    assert failed.value.code == "statement_dml"


def test_F46_a_temporary_table_in_front_of_a_captured_one_is_not_taken_for_it(shop):
    reader = shop.open()
    shop.sql(
        "SET SESSION binlog_format = STATEMENT",
        "CREATE TEMPORARY TABLE t (x INT)",
        "TRUNCATE TABLE t",
        "DROP TEMPORARY TABLE t",
    )

    with pytest.raises(Failed) as failed:
        reader.drain()
    assert failed.value.code == "statement_dml"
    assert not reader.events


def test_S8_an_xa_transaction_comes_with_its_commit(shop):
    reader = shop.open()
    shop.sql("XA START 'a'", "INSERT INTO t (id) VALUES (1)", "XA END 'a'", "XA PREPARE 'a'")
    shop.insert(2, 2)
    assert rows(reader.read(1)) == [("c", 2)]

    shop.sql("XA COMMIT 'a'")
    assert rows(reader.read(1)) == [("c", 1)]


def test_S8_an_xa_transaction_that_is_open_at_a_restart_comes_with_its_commit(shop):
    reader = shop.open()
    shop.sql("XA START 'a'", "INSERT INTO t (id) VALUES (1)", "XA END 'a'", "XA PREPARE 'a'")
    shop.sql("XA START 'b'", "INSERT INTO t (id) VALUES (2)", "XA END 'b'", "XA PREPARE 'b'")
    shop.insert(3, 3)
    reader.read(1)
    resume = reader.close()
    shop.sql("XA ROLLBACK 'b'", "FLUSH BINARY LOGS", "INSERT INTO t (id) VALUES (4)", "XA COMMIT 'a'")

    reader = shop.open(resume)
    assert rows(reader.read(2)) == [("c", 4), ("c", 1)]
    assert reader.position.prepared == ()
    reader = shop.open(reader.close())
    shop.insert(5, 5)
    assert rows(reader.read(1)) == [("c", 5)]


def test_S8_an_xa_transaction_from_before_the_first_start_is_waited_for(shop):
    shop.sql("XA START 'a'", "INSERT INTO t (id) VALUES (1)", "XA END 'a'", "XA PREPARE 'a'")
    opened = threading.Event()
    readers = []

    def start():
        readers.append(shop.open())
        opened.set()

    thread = threading.Thread(target=start)
    thread.start()
    try:
        assert not opened.wait(1.0)
        assert "XA" in shop.said[-1]
    finally:
        shop.sql("XA COMMIT 'a'")
        thread.join()
    [reader] = readers
    shop.insert(2, 2)
    assert rows(reader.read(1)) == [("c", 2)]

    again = shop.open(reader.resume._replace(position=reader.start))
    assert rows(again.read(1)) == [("c", 2)]


def test_S8_xa_in_one_phase_is_an_ordinary_transaction(shop):
    reader = shop.open()
    shop.sql("XA START 'a'", "INSERT INTO t (id) VALUES (1)", "XA END 'a'", "XA COMMIT 'a' ONE PHASE")

    assert rows(reader.read(1)) == [("c", 1)]


def test_F55_a_compressed_transaction_is_read(mysql_shop):
    reader = mysql_shop.open()
    mysql_shop.sql(
        "SET SESSION binlog_transaction_compression = ON", "INSERT INTO t VALUES (1, REPEAT('a', 5000)), (2, 'b')"
    )

    one, two = reader.read(2)
    assert (one.after["v"], two.after["v"]) == ("a" * 5000, "b")
    assert one.source[4:6] != two.source[4:6]


def test_F55_a_compressed_transaction_that_is_split_resumes_inside(mysql_shop):
    reader = mysql_shop.open()
    values = ", ".join(f"({number}, 'x')" for number in range(25_000))
    mysql_shop.sql("SET SESSION binlog_transaction_compression = ON", f"INSERT INTO t VALUES {values}")
    reader.until(lambda: bool(reader.events))
    before = len(reader.events)
    assert reader.position.transaction is not None

    reader = mysql_shop.open(reader.close())
    assert [e.after["id"] for e in reader.read(25_000 - before)] == list(range(before, 25_000))


def test_F60_tagged_transactions_are_read_and_resumed(mysql_shop):
    reader = mysql_shop.open()
    mysql_shop.sql(
        "SET gtid_next = 'automatic:b_tag'", "INSERT INTO t (id) VALUES (1)", "INSERT INTO t (id) VALUES (2)"
    )
    [one, _] = reader.read(2)
    assert ":b_tag:" in str(one.transaction)

    reader = mysql_shop.open(reader.close())
    mysql_shop.insert(3, 3)
    assert rows(reader.read(1)) == [("c", 3)]


def test_F54_partial_json_updates_are_read(mysql_shop):
    mysql_shop.sql(
        "CREATE TABLE j (id INT PRIMARY KEY, d JSON)", """INSERT INTO j VALUES (1, '{"a": 1, "b": [1, 2]}')"""
    )
    reader = mysql_shop.open(tables=("j",))
    mysql_shop.sql(
        "SET SESSION binlog_row_value_options = PARTIAL_JSON, binlog_row_image = MINIMAL",
        "UPDATE j SET d = JSON_SET(d, '$.a', 2)",
    )
    mysql_shop.sql("SET SESSION binlog_row_value_options = PARTIAL_JSON", "UPDATE j SET d = JSON_SET(d, '$.b[1]', 'x')")

    first, second = reader.read(2)
    assert first.after["d"] in {'{"a": 2, "b": [1, 2]}', UNAVAILABLE}
    assert second.after["d"] == '{"a": 2, "b": [1, "x"]}'


QUERIES = ["INSERT INTO t (id) VALUES (1), (2)", f"UPDATE t SET v = '{'é' * 200}'", "DELETE FROM t WHERE id = 1"]


@pytest.mark.parametrize("compressed", [False, True])
def test_include_query_gives_rows_the_text_of_their_statement(shop, compressed):
    reader = shop.open(include_query=True)
    mariadb = "MariaDB" in shop.sql("SELECT VERSION()")[0][0]
    logged = "binlog_annotate_row_events" if mariadb else "binlog_rows_query_log_events"
    more = [f"SET SESSION binlog_transaction_compression = {compressed:d}"] if not mariadb else []
    shop.sql(f"SET SESSION {logged} = ON", *more, "BEGIN", *QUERIES, "COMMIT")
    shop.sql(f"SET SESSION {logged} = OFF", "INSERT INTO t (id) VALUES (3)")

    *told, last = [event.source[-1] for event in reader.read(6)]

    assert told == [QUERIES[0], QUERIES[0], QUERIES[1], QUERIES[1], QUERIES[2]]
    assert last is None


def test_without_include_query_no_text_comes(shop):
    reader = shop.open()
    mariadb = "MariaDB" in shop.sql("SELECT VERSION()")[0][0]
    shop.sql("SET SESSION binlog_rows_query_log_events = ON" if not mariadb else "SELECT 1", QUERIES[0])

    assert [event.source[-1] for event in reader.read(2)] == [None, None]


def test_F56_compressed_events_of_mariadb_are_read(new_shop):
    text = "a" * 5000
    shop = new_shop("mariadb", "compressed", settings={"log_bin_compress": "ON", "log_bin_compress_min_len": "10"})
    reader = shop.open()
    shop.sql(f"INSERT INTO t VALUES (1, '{text}'), (2, '{text}')", "UPDATE t SET v = 'b' WHERE id = 2", "DELETE FROM t")
    shop.sql(f"ALTER TABLE t COMMENT '{'c' * 200}'", "INSERT INTO t (id) VALUES (3)")

    events = reader.read(6)
    assert rows(events) == [("c", 1), ("c", 2), ("u", 2), ("d", 1), ("d", 2), ("c", 3)]
    assert events[2].before["v"] == text


def test_an_alter_in_two_phases_is_one(new_shop):
    shop = new_shop("mariadb", "two_phases", settings={"binlog_row_metadata": "NO_LOG"})
    reader = shop.open()
    shop.sql(
        "SET SESSION binlog_alter_two_phase = ON",
        "ALTER TABLE t ADD COLUMN w INT, ALGORITHM=COPY",
        "INSERT INTO t VALUES (1, 'a', 2)",
    )

    [event] = reader.read(1)
    assert event.after.to_dict() == {"id": 1, "v": "a", "w": 2}


def test_F69_checksums_may_be_switched_off_and_on_between_files(new_shop):
    shop = new_shop("mysql", "checksums")
    reader = shop.open()
    for number, checksum in enumerate(("NONE", "CRC32", "NONE")):
        shop.sql(f"SET GLOBAL binlog_checksum = {checksum}", f"INSERT INTO t (id) VALUES ({number})")
    assert rows(reader.read(3)) == [("c", 0), ("c", 1), ("c", 2)]

    reader = shop.open(reader.close())
    shop.insert(3, 3)
    assert rows(reader.read(1)) == [("c", 3)]


def test_F65_a_second_reader_of_the_same_name_ends_the_first_by_name(shop):
    reader = shop.open()
    second = shop.open()
    shop.insert(1, 1)

    assert rows(second.read(1)) == [("c", 1)]
    with pytest.raises((Failed, Retriable)) as ended:
        reader.drain()
    assert ended.value.code == "server_id_clash"


def test_a_look_at_the_log_leaves_the_reader_of_the_same_name_alone(shop):
    reader = shop.open()
    look = shop.open(temporary=True)
    shop.insert(1, 1)

    assert rows(look.read(1)) == rows(reader.read(1)) == [("c", 1)]


def test_a_table_that_is_not_there_fails_by_name(shop):
    with pytest.raises(Failed, match="nowhere") as failed:
        shop.open(tables=("t", "nowhere"))

    assert failed.value.code == "table_missing"
