"""A sink that dies at any statement, and a process that is killed: each change is applied once (F113, F129, K1)."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pymysql.connections import Connection

from connect.errors import ConnectError
from connect.record import UNAVAILABLE
from connect.schema.model import Field, Kind, Type
from connectors.sql.mysql import MysqlDatabase

if TYPE_CHECKING:
    from connect.record import SinkRecord
    from tests.integration.sink_mysql.conftest import Target

WRITER = Path(__file__).with_name("writing_process.py")
AUDIT = """
CREATE TABLE audit (number bigint AUTO_INCREMENT PRIMARY KEY, id bigint, name longtext);
CREATE TRIGGER inserted AFTER INSERT ON orders FOR EACH ROW INSERT INTO audit (id, name) VALUES (NEW.id, NEW.name);
CREATE TRIGGER updated AFTER UPDATE ON orders FOR EACH ROW INSERT INTO audit (id, name) VALUES (NEW.id, NEW.name)
"""
BATCH = 3


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


def history(target: Target) -> list[SinkRecord]:
    """Inserts, updates, a delete, a partial row and a new column; cut into batches of three."""
    records = [target.put(1, "a1"), target.put(2, "b1"), target.put(3, "c1")]
    records += [target.put(1, "a2"), target.delete(2), target.put(4, UNAVAILABLE)]
    target.columns = (*target.columns, Field("added", Type(Kind.INT32, doc="later"), default=7))
    records += [target.put(3, "c2", 3), target.put(2, "b2", 2), target.put(4, "d2", None)]
    return records


def work(target: Target, records: list[SinkRecord]) -> None:
    """Go on from the stored position to the end, as the runtime does."""
    sink = target.sink()
    try:
        offset = sink.open([target.partition])[target.partition]
        while offset < len(records):
            end = min(offset + BATCH, len(records))
            assert not sink.write(records[offset:end], {target.partition: end}, frozenset()).failures
            offset = end
    finally:
        sink.close()


def die(monkeypatch: pytest.MonkeyPatch, statement: int) -> list[int]:
    """From now on the n-th statement of the client is its last; how many there were."""
    query = Connection.query
    count = [0]

    def counted(self: Any, sql: Any, unbuffered: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyMySQL's signature
        count[0] += 1
        if count[0] > statement:
            raise Killed
        if count[0] == statement:
            query(self, sql, unbuffered)
            self._force_close()
            raise Killed
        return query(self, sql, unbuffered)

    monkeypatch.setattr("connectors.sql.mysql_link.Link.query", counted)
    return count


@pytest.mark.slow
def test_F129_a_sink_that_dies_after_any_statement_applies_each_change_once(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = history(target)
    for statement in range(1, 200):
        with monkeypatch.context() as patch:
            count = die(patch, statement)
            with suppress(Killed):
                work(target, records)
        work(target, records)
        assert target.rows("SELECT id, name, added FROM orders ORDER BY 1") == [
            (1, "a2", 7),
            (2, "b2", 2),
            (3, "c2", 3),
            (4, "d2", None),
        ]
        assert target.position() == len(records)
        assert target.rows("SELECT * FROM connect_incomplete") == []
        if count[0] < statement:
            break
        for table in ("orders", *(name for (name,) in target.rows("SHOW TABLES LIKE 'connect%'"))):
            target.sql(f"DROP TABLE {table}")
    else:
        pytest.fail("it never ended")
    assert statement > 40


@pytest.mark.long
def test_F113_a_writer_killed_again_and_again_applies_each_change_once(target: Target) -> None:
    changes = 1500
    target.write(target.open(), target.put(0, "change 0"))
    for statement in AUDIT.strip().split(";\n"):
        target.sql(statement)
    kills, dice = 0, random.Random(4)
    deadline = time.monotonic() + 120
    while target.position() < changes and time.monotonic() < deadline:
        process = subprocess.Popen([sys.executable, str(WRITER), target.url, target.name, str(changes)])
        try:
            process.wait(dice.uniform(0.5, 2.0) if kills < 6 else 60)
            assert process.returncode == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    assert kills > 2
    assert target.position() == changes
    applied = target.rows("SELECT name FROM audit ORDER BY number")
    assert applied == [(f"change {number}",) for number in range(1, changes)]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_between_the_note_of_a_table_and_its_first_batch_leaves_nothing_in_the_way(
    target: Target, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    create = MysqlDatabase.create

    def cut(self: MysqlDatabase, *arguments: Any) -> None:
        if moment == "after":
            create(self, *arguments)
        self.run("COMMIT")  # as the server does before DDL
        raise Killed

    put = target.put(1, "a")
    with monkeypatch.context() as patch:
        patch.setattr(MysqlDatabase, "create", cut)
        with pytest.raises(Killed):
            target.write(target.open(), put)
    assert target.rows("SELECT table_name, columns FROM connect_targets") == [("orders", "[]")]
    target.write(target.open(), put, target.delete(1), target.put(2, "b"))
    assert target.rows() == [(2, "b")]


def test_a_table_that_could_not_be_made_is_made_once_it_can_be(target: Target) -> None:
    wide = [Field(f"c{number}", Type(Kind.STRING)) for number in range(1100)]
    columns = target.columns
    target.columns = (*columns, *wide)
    with pytest.raises(ConnectError) as caught:
        target.write(target.open(), target.put(1, "a", *[None] * len(wide)))
    assert caught.value.code == "target_refused"
    assert "olumns" in str(caught.value)
    target.columns, target.offset = columns, 0
    target.write(target.open(), target.put(1, "a"))
    assert target.rows() == [(1, "a")]
