"""The SQL sink on a real MySQL and MariaDB when the world is against it: no Kafka, so each fault is exact."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from connect.api import SinkContext
from connect.errors import ConnectError, Failed, Fenced, Retriable
from connect.record import UNAVAILABLE
from connect.schema.model import Field, Kind, Type
from connectors.sql import PLUGIN, SqlConfig, SqlTarget
from connectors.sql import mysql as mysql_target
from connectors.sql.ledger import Ledger
from connectors.sql.mysql import MysqlDatabase

if TYPE_CHECKING:
    from tests.integration.sink_mysql.conftest import Target


def changed(url: str, **parts: Any) -> str:
    """The URL of a server with another port, user or database."""
    known = urlsplit(url)
    user, port = parts.get("user", known.username), parts.get("port", known.port)
    return f"mysql://{user}@{known.hostname}:{port}/{parts.get('database', known.path[1:])}"


class Proxy:
    """Passes bytes on, until a COMMIT comes after ``eat``: its answer is lost with the connection."""

    def __init__(self, url: str) -> None:
        server = urlsplit(url)
        self._to = (str(server.hostname), int(server.port or 3306))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = changed(url, port=self._listener.getsockname()[1])
        self.eat = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="proxy")
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client, socket.create_connection(self._to) as server:
                    self._pass(client, server)

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        committing = False
        while True:
            for readable in select.select([client, server], [], [])[0]:
                data = readable.recv(65536)
                if not data or (readable is server and committing):
                    return
                committing = readable is client and self.eat.is_set() and data.endswith(b"\x03COMMIT")
                (server if readable is client else client).sendall(data)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


def test_F130_a_commit_whose_answer_is_lost_is_found_and_not_repeated(target: Target) -> None:
    proxy = Proxy(target.url)
    try:
        sink = target.sink(url=proxy.url)
        sink.open([target.partition])
        target.write(sink, target.put(1, "a"))
        proxy.eat.set()
        with pytest.raises(Retriable) as caught:
            target.write(sink, target.put(2, "b"))
        sink.close()
    finally:
        proxy.close()
    assert caught.value.code == "target_unreachable"
    assert target.sink().open([target.partition]) == {target.partition: 2}
    assert target.rows() == [(1, "a"), (2, "b")]


def test_F131_a_zombie_writes_nothing_after_the_hand_over(target: Target) -> None:
    old = target.open()
    target.write(old, target.put(1, "a"))
    target.write(target.open(), target.put(1, "new owner"))
    with pytest.raises(Fenced):
        target.write(old, target.put(1, "zombie"))
    assert target.rows() == [(1, "new owner")]


def test_F131_a_zombie_that_stopped_inside_a_transaction_loses_it(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql_target, "_IDLE_IN_TRANSACTION", 1)
    old = target.open()
    target.write(old, target.put(1, "a"))
    stopped = old._db.transaction()
    stopped.__enter__()
    old._ledger.lock()
    new = target.open()  # waits for the lock until the server ends the zombie's session
    with pytest.raises(Retriable) as caught:
        old._db.run("UPDATE orders SET name = 'zombie'")
    assert caught.value.code == "target_unreachable"
    target.write(new, target.put(2, "b"))
    assert target.rows() == [(1, "a"), (2, "b")]


def test_F131_a_zombie_that_made_a_table_meanwhile_hands_it_over(target: Target, monkeypatch: Any) -> None:
    made = MysqlDatabase.create

    def taken_over_meanwhile(self: MysqlDatabase, *arguments: Any) -> None:
        made(self, *arguments)
        monkeypatch.setattr(MysqlDatabase, "create", made)
        target.open()

    monkeypatch.setattr(MysqlDatabase, "create", taken_over_meanwhile)
    with pytest.raises(Fenced):
        target.write(target.open(), target.put(1, "zombie"))
    assert target.rows() == []
    target.write(target.open(), target.put(1, "new owner"))
    assert target.rows() == [(1, "new owner")]


def test_F134_a_deadlock_is_retriable_and_the_batch_is_whole_afterwards(target: Target) -> None:
    sink = target.open()
    target.write(sink, target.put(1, "a"), target.put(2, "b"))
    other = target.connection
    target.sql("CREATE TABLE weight (id int PRIMARY KEY)")
    target.sql("START TRANSACTION")
    # The server ends the transaction that changed fewer rows.
    target.sql("INSERT INTO weight VALUES " + ",".join(f"({number})" for number in range(100)))
    target.rows("SELECT * FROM orders WHERE id = 2 FOR UPDATE")
    crossing = threading.Timer(0.3, target.rows, ["SELECT * FROM orders WHERE id = 1 FOR UPDATE"])
    crossing.start()
    with pytest.raises(Retriable) as caught:
        target.write(sink, target.put(1, "c"), target.put(2, "d"))
    crossing.join()
    other.rollback()
    assert caught.value.code == "target_conflict"
    assert sink.open([target.partition]) == {target.partition: 2}
    target.offset = 2
    target.write(sink, target.put(1, "c"), target.put(2, "d"))
    assert target.rows() == [(1, "c"), (2, "d")]


def test_F135_sinks_that_make_their_tables_at_once_do_not_hinder_each_other(target: Target) -> None:
    errors: list[ConnectError] = []
    records = [target.put(number, "a") for number in range(4)]

    def work(number: int) -> None:
        try:
            sink = target.open(f"sink{number}", table=f"t{number}")
            target.write(sink, records[number])
        except ConnectError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert [target.rows(f"SELECT * FROM t{number}") for number in range(4)] == [[(number, "a")] for number in range(4)]


def test_F136_a_not_null_that_somebody_added_is_named_and_no_row_is_blamed(target: Target) -> None:
    sink = target.open()
    target.write(sink, target.put(1, "a"))
    target.sql("ALTER TABLE orders MODIFY COLUMN name longtext NOT NULL")
    with pytest.raises(Failed) as caught:
        target.write(sink, target.put(2, None))
    assert caught.value.code == "target_column"
    assert "orders.name" in str(caught.value)
    target.sql(caught.value.hint)  # it is ready to paste
    target.write(target.open(), target.put(3, None))


def test_F136_a_narrower_column_is_named_with_the_statement_that_widens_it(target: Target) -> None:
    target.sql("CREATE TABLE orders (id bigint PRIMARY KEY, name varchar(20))")
    with pytest.raises(Failed) as caught:
        target.write(target.open(), target.put(1, "a"))
    assert caught.value.code == "target_column"
    target.sql(caught.value.hint)
    target.write(target.open(), target.put(1, "a" * 50))
    assert target.rows() == [(1, "a" * 50)]


@pytest.mark.parametrize("collation", ["utf8mb4_general_ci", "utf8mb4_bin"])
def test_a_key_column_that_takes_different_keys_for_equal_is_refused(target: Target, collation: str) -> None:
    target.columns = (Field("id", Type(Kind.STRING), optional=False),)
    target.sql(f"CREATE TABLE orders (id varchar(768) COLLATE {collation} PRIMARY KEY)")
    with pytest.raises(Failed) as caught:
        target.write(target.open(), target.put("a"))
    assert caught.value.code == "target_column"
    target.sql(caught.value.hint)
    target.write(target.open(), target.put("a"), target.put("a "), target.put("A"))
    assert target.rows("SELECT count(*) FROM orders") == [(3,)]


def test_a_column_whose_name_differs_by_case_only_is_named(target: Target) -> None:
    target.columns = (*target.columns, Field("Name", Type(Kind.STRING)))
    with pytest.raises(Failed) as caught:
        target.write(target.open(), target.put(1, "a", "b"))
    assert caught.value.code == "target_column"
    assert "columns name and Name of topic shop.public.orders are one name to the target" in str(caught.value)
    assert target.rows("SHOW TABLES LIKE 'orders'") == []


def test_a_column_that_comes_later_and_differs_by_case_only_is_named(target: Target) -> None:
    sink = target.open()
    target.write(sink, target.put(1, "a"))
    target.columns = (*target.columns, Field("NAME", Type(Kind.STRING)))
    with pytest.raises(Failed) as caught:
        target.write(sink, target.put(2, "b", "c"))
    assert caught.value.code == "target_column"
    assert "columns name and NAME" in str(caught.value)
    assert target.rows() == [(1, "a")]


@pytest.mark.parametrize("swap", ["RENAME TABLE orders TO old", "DROP TABLE orders"])
def test_invariant_4_a_target_swapped_while_the_sink_runs_gets_no_row(target: Target, swap: str) -> None:
    sink = target.open()
    target.write(sink, target.put(1, "a"))
    target.sql(swap)
    target.sql("CREATE TABLE orders (id bigint PRIMARY KEY, name longtext)")
    with pytest.raises(Failed) as caught:
        target.write(sink, target.put(2, "b"))
    assert caught.value.code == "target_changed"
    assert target.rows() == []
    assert target.position() == 1


def test_invariant_4_a_batch_of_many_and_a_delete_for_a_swapped_target_are_not_done(target: Target) -> None:
    sink = target.open()
    target.write(sink, target.put(0, "a"))
    target.sql("CREATE TABLE copy (id bigint PRIMARY KEY, name longtext)")
    target.sql("INSERT INTO copy VALUES (0, 'theirs')")
    target.sql("RENAME TABLE orders TO old, copy TO orders")
    for batch in ([target.put(number, "b") for number in range(1, 601)], [target.delete(0)], [target.truncate()]):
        with pytest.raises(Failed) as caught:
            target.write(sink, *batch)
        assert caught.value.code == "target_changed"
    assert target.rows() == [(0, "theirs")]
    assert target.position() == 1


def test_invariant_4_a_swap_after_the_transaction_began_is_seen(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = target.open()
    target.write(sink, target.put(0, "a"))
    target.sql("CREATE TABLE copy (id bigint PRIMARY KEY, name longtext)")
    lock = Ledger.lock

    def swap(ledger: Ledger) -> None:
        lock(ledger)
        ledger.positions()  # the transaction has its snapshot now
        target.sql("RENAME TABLE orders TO old, copy TO orders")

    monkeypatch.setattr(Ledger, "lock", swap)
    with pytest.raises(ConnectError):
        target.write(sink, target.put(1, "b"))
    assert target.rows() == []
    assert target.position() == 1


def test_another_table_option_is_refused_and_the_old_table_not_continued(target: Target) -> None:
    target.write(target.open(), target.put(1, "a"))
    with pytest.raises(Failed) as caught:
        target.open(table="new_{table}")
    assert caught.value.code == "target_changed"
    assert "connect rebuild warehouse FILE" in caught.value.hint


def test_invariant_4_a_table_of_somebody_else_that_was_made_again_is_refused(target: Target) -> None:
    table = "CREATE TABLE orders (id bigint PRIMARY KEY, name longtext) COMMENT 'all the orders'"
    target.sql(table)
    target.write(target.open(), target.put(1, "a"))
    target.sql("ALTER TABLE orders ADD INDEX (name(10)), ALGORITHM = COPY")
    target.write(target.open(), target.put(2, "b"))  # altered, it is the same
    target.sql("DROP TABLE orders")
    target.sql(table)
    with pytest.raises(Failed) as caught:
        target.open()
    assert caught.value.code == "target_changed"


def test_invariant_4_a_table_whose_comment_was_changed_is_told_how_it_is_known_again(target: Target) -> None:
    target.write(target.open(), target.put(1, "a"))
    target.sql("ALTER TABLE orders COMMENT = 'orders of the shop'")
    with pytest.raises(Failed) as caught:
        target.open()
    assert caught.value.code == "target_changed"
    statement = caught.value.hint[caught.value.hint.index("ALTER TABLE") :].rstrip(".")
    target.sql(statement)
    target.write(target.open(), target.put(2, "b"))
    assert target.rows() == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("name", ["orders", "order by", "q\"u`o'te", "back\\slash"])
def test_invariant_4_a_copy_of_a_sinks_table_is_somebody_elses(target: Target, name: str) -> None:
    target.write(target.open(table=name), target.put(1, "a"))
    quoted = name.replace("`", "``")
    target.sql(f"CREATE TABLE copy LIKE `{quoted}`")
    target.write(target.open("other", table="copy"), target.put(2, "b"))
    [(mark,)] = target.rows("SELECT identity FROM connect_targets WHERE table_name = 'copy'")
    assert mark.startswith("connect_adopted_")
    sink = target.open(table=name)
    target.write(sink, target.put(3, "c"))
    assert target.rows("SELECT * FROM copy") == [(2, "b")]


def test_invariant_4_a_table_that_a_tool_rebuilt_and_swapped_in_is_the_same(target: Target) -> None:
    sink = target.open()
    target.write(sink, target.put(1, "a"))
    target.sql("CREATE TABLE _orders_gho LIKE orders")
    target.sql("ALTER TABLE _orders_gho ADD INDEX (name(10))")
    target.sql("INSERT INTO _orders_gho SELECT * FROM orders")
    target.sql("RENAME TABLE orders TO _orders_del, _orders_gho TO orders")
    target.write(sink, target.put(2, "b"))
    assert target.rows() == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("name", ["x" * 65, "orders ", "\U0001f986"], ids=["long", "blank", "duck"])
def test_F137_a_name_that_the_server_would_change_is_refused(target: Target, name: str) -> None:
    with pytest.raises(Failed) as caught:
        target.write(target.open(table=name), target.put(1, "a"))
    assert caught.value.code == "name_too_long"


@pytest.mark.parametrize("name", ["x" * 64, "order by", "q\"u`o'te", "back\\slash", "100 %s", "ü.ö"])
def test_F137_a_name_is_quoted_exactly(target: Target, name: str) -> None:
    target.columns = (*target.columns[:1], Field(name, Type(Kind.STRING)))
    sink = target.open(table=name)
    target.write(sink, target.put(1, "a"), target.put(2, "b"))
    target.write(sink, target.put(1, "c"), target.delete(2), target.put(3, UNAVAILABLE))
    quoted = "`" + name.replace("`", "``") + "`"
    assert target.rows(f"SELECT id, {quoted} FROM {quoted} ORDER BY 1") == [(1, "c"), (3, None)]


@pytest.mark.parametrize("table", ["orders", "connect_sinks"])
def test_a_table_without_transactions_is_refused_by_name(target: Target, table: str) -> None:
    target.write(target.open(), target.put(1, "a"))
    target.sql(f"ALTER TABLE {table} DROP PRIMARY KEY, ENGINE = MyISAM")  # whose keys are shorter
    with pytest.raises(Failed) as caught:
        target.open()
    assert caught.value.code == "target_engine"
    assert table in str(caught.value)
    assert caught.value.hint == f"ALTER TABLE `{table}` ENGINE = InnoDB"


def test_another_unique_index_is_never_what_an_upsert_goes_by(target: Target) -> None:
    target.sql("CREATE TABLE orders (id bigint PRIMARY KEY, name longtext, UNIQUE (name(50)))")
    sink = target.open()
    target.write(sink, target.put(1, "a"), target.put(2, "b"))
    result = target.write(sink, target.put(1, "c"), target.put(3, "b"))
    [failure] = result.failures
    assert failure.index == 1
    assert failure.error == "IntegrityError (1062) at key name"
    assert target.rows() == [(1, "a"), (2, "b")]


def test_with_another_unique_index_rows_are_inserted_updated_and_deleted_all_the_same(target: Target) -> None:
    target.sql("CREATE TABLE orders (id bigint PRIMARY KEY, name longtext, UNIQUE (name(50)))")
    sink = target.open()
    target.write(sink, target.put(1, "a"), target.put(2, "b"))
    target.write(sink, target.put(2, "c"), target.put(3, "b"), target.put(1, UNAVAILABLE), target.put(4, UNAVAILABLE))
    target.write(sink, target.delete(1), target.put(5, "a"))
    assert target.rows() == [(2, "c"), (3, "b"), (4, None), (5, "a")]


def test_a_row_that_is_larger_than_a_packet_is_named_and_the_rest_goes_on(target: Target) -> None:
    [(packet,)] = target.rows("SELECT @@max_allowed_packet")
    sink = target.open()
    batch = [target.put(1, "a"), target.put(2, "x" * packet), target.put(3, "y" * (packet // 2))]
    [failure] = target.write(sink, *batch).failures
    assert failure.index == 1
    assert "max_allowed_packet" in failure.error
    sink.write(batch, {target.partition: 3}, frozenset({1}))
    assert target.rows("SELECT id, length(name) FROM orders ORDER BY 1") == [(1, 1), (3, packet // 2)]


def test_a_table_of_somebody_else_may_have_columns_of_every_kind_besides(target: Target) -> None:
    more = """e enum('x', 'y') DEFAULT 'x', s set('p', 'q'), j json, y year, p point, b bit(3) DEFAULT b'101', z blob,
        ts timestamp(3) DEFAULT CURRENT_TIMESTAMP(3), g int AS (id * 2) STORED, v varchar(20) AS (concat('v', id)),
        c char(5) CHARACTER SET latin1 NOT NULL DEFAULT 'c', d decimal(5,2) DEFAULT 1.5, u bigint unsigned"""
    target.sql(f"CREATE TABLE orders (id bigint PRIMARY KEY, name longtext, {more})")
    sink = target.open()
    target.write(sink, target.put(1, "a"), target.put(2, "b"), target.put(3, "c"))
    target.sql("UPDATE orders SET e = 'y', j = '{}' WHERE id = 2")
    target.write(sink, target.delete(1), target.put(2, "B"), target.put(3, UNAVAILABLE), target.put(4, UNAVAILABLE))
    assert target.rows("SELECT id, name, e, g, b FROM orders ORDER BY id") == [
        (2, "B", "y", 4, b"\x05"),
        (3, "c", "x", 6, b"\x05"),
        (4, None, "x", 8, b"\x05"),
    ]


def test_a_topic_that_fills_a_generated_column_is_told_so(target: Target) -> None:
    target.sql("CREATE TABLE orders (id bigint PRIMARY KEY, name longtext AS (concat('n', id)) STORED)")
    with pytest.raises(Failed) as caught:
        target.write(target.open(), target.put(1, "a"))
    assert caught.value.code == "target_column"


def test_a_server_that_wants_a_key_in_every_table_is_served(target: Target) -> None:
    sink = target.open()
    if sink._db.server.kind == "mysql":
        sink._db.run("SET SESSION sql_require_primary_key = ON")
    target.write(sink, target.put(1, "a"), target.put(2, "b"), target.delete(1))
    assert target.rows() == [(2, "b")]


def test_a_binlog_of_statements_is_refused_with_the_setting_that_mends_it(target: Target) -> None:
    sink = target.open()
    sink._db.run("SET SESSION binlog_format = 'STATEMENT'")
    with pytest.raises(Failed) as caught:
        target.write(sink, target.put(1, "a"))
    assert caught.value.code == "target_refused"
    assert "binlog_format = 'ROW'" in caught.value.hint


def test_F170_the_server_gets_no_file_of_this_machine(target: Target) -> None:
    sink = target.open()
    with pytest.raises(Failed):
        sink._db.run("LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE connect_sinks")


def test_F171_a_link_that_has_to_be_encrypted_is(target: Target) -> None:
    [(offered,)] = target.rows("SELECT @@have_ssl = 'YES'") if target.mariadb else [(1,)]
    config = SqlConfig(url=target.url, tls={"mode": "required"})
    sink = PLUGIN.build(config, SinkContext("warehouse", target.name, lambda _: SqlTarget()))
    try:
        if not offered:
            with pytest.raises(Failed, match="TLS"):
                sink.open([target.partition])
            return
        sink.open([target.partition])
        assert sink._db.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0][1]
    finally:
        sink.close()


def test_F171_a_certificate_of_another_authority_is_refused(target: Target) -> None:
    config = SqlConfig(url=target.url, tls={"mode": "verify_ca"})  # by the system's authorities
    sink = PLUGIN.build(config, SinkContext("warehouse", target.name, lambda _: SqlTarget()))
    with pytest.raises(Failed) as caught:
        sink.open([target.partition])
    assert caught.value.code == "target_tls"


def test_a_row_with_an_auto_increment_key_of_0_is_row_0(target: Target) -> None:
    target.sql("CREATE TABLE orders (id bigint AUTO_INCREMENT PRIMARY KEY, name longtext)")
    sink = target.open()
    target.write(sink, target.put(0, "a"), target.put(-1, "b"))
    assert target.rows() == [(-1, "b"), (0, "a")]


def test_a_truncate_is_in_the_transaction_of_its_batch_and_takes_as_long_as_it_takes(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql_target, "_CLEARED_AT_ONCE", 2)
    sink = target.open()
    target.write(sink, *(target.put(number, "a") for number in range(7)))
    offset = target.offset
    assert target.write(sink, target.truncate(), target.put(1, "\ud800")).failures
    assert len(target.rows()) == 7
    target.offset = offset
    target.write(sink, target.truncate(), target.put(2, "b"))
    assert target.rows() == [(2, "b")]


def test_what_an_operator_sets_for_the_server_does_not_reach_the_sink(target: Target) -> None:
    [(mode, zone)] = target.rows("SELECT @@GLOBAL.sql_mode, @@GLOBAL.time_zone")
    sink = target.open()
    seen = sink._db.rows("SELECT @@sql_mode, @@time_zone, @@autocommit, @@character_set_client")
    assert seen[0] != (mode, zone, 1, "utf8mb4")
    assert "STRICT_ALL_TABLES" in seen[0][0]
    assert seen[0][1:] == ("+00:00", 1, "utf8mb4")


@pytest.mark.parametrize("setting", ["completion_type = 'CHAIN'", "completion_type = 'RELEASE'", "max_join_size = 1"])
def test_a_setting_that_would_end_sessions_or_selects_is_not_the_sinks(target: Target, setting: str) -> None:
    target.sql(f"SET GLOBAL {setting}")
    try:
        sink = target.open()
        for number in range(3):
            target.write(sink, target.put(number, "a"))
        assert target.rows() == [(0, "a"), (1, "a"), (2, "a")]
    finally:
        target.sql(f"SET GLOBAL {setting.partition(' ')[0]} = DEFAULT")


def test_a_database_that_does_not_exist_is_failed_and_not_retried(target: Target) -> None:
    with pytest.raises(Failed) as caught:
        target.sink(url=changed(target.url, database="no_such_database")).open([target.partition])
    assert caught.value.code == "target_database"


def test_a_user_that_does_not_exist_is_failed_and_not_retried(target: Target) -> None:
    with pytest.raises(Failed) as caught:
        target.sink(url=changed(target.url, user="nobody_of_that_name")).open([target.partition])
    assert caught.value.code == "target_credentials"


def test_a_server_that_is_not_there_is_retriable(target: Target) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Retriable) as caught:
        target.sink(url=changed(target.url, port=port)).open([target.partition])
    assert caught.value.code == "target_unreachable"


def test_preflight_names_the_missing_rights_and_the_grant_that_gives_all_that_is_needed(target: Target) -> None:
    user = target.name
    target.sql(f"CREATE USER {user}")
    try:
        target.sql(f"GRANT SELECT ON {user}.* TO {user}")
        config = SqlConfig(url=changed(target.url, user=user))
        context = SinkContext("warehouse", target.name, lambda _: SqlTarget())
        [grant] = [finding.remedy for finding in PLUGIN.preflight(config, context) if finding.remedy]
        target.sql(grant)
        assert not [finding for finding in PLUGIN.preflight(config, context) if finding.remedy]
        sink = target.sink(url=changed(target.url, user=user))
        sink.open([target.partition])
        target.write(sink, target.put(1, "a"), target.put(2, UNAVAILABLE))
        target.columns = (*target.columns, Field("added", Type(Kind.INT32)))
        target.write(sink, target.delete(1), target.put(3, "c", 3), target.truncate(), target.put(4, "d", 4))
        assert target.rows() == [(4, "d", 4)]
        assert PLUGIN.rebuild is not None
        assert len(list(PLUGIN.rebuild(config, context))) == 2
    finally:
        target.sql(f"DROP USER {user}")


def test_rebuild_drops_the_tables_and_the_next_start_is_at_0(target: Target) -> None:
    target.write(target.open(), target.put(1, "a"))
    context = SinkContext("warehouse", target.name, lambda _: SqlTarget())
    done = list(PLUGIN.rebuild(SqlConfig(url=target.url), context))
    assert done == ["Dropped table orders of topic shop.public.orders.", "Forgot 1 stored positions."]
    assert target.sink().open([target.partition]) == {target.partition: 0}


def test_rebuild_leaves_a_table_that_somebody_else_made(target: Target) -> None:
    target.sql("CREATE TABLE orders (id bigint PRIMARY KEY, name longtext)")
    target.write(target.open(), target.put(1, "a"))
    context = SinkContext("warehouse", target.name, lambda _: SqlTarget())
    [kept, _] = PLUGIN.rebuild(SqlConfig(url=target.url), context)
    assert "stays as it is" in kept
    target.offset = 0
    target.write(target.open(), target.put(1, "b"))
    assert target.rows() == [(1, "b")]
