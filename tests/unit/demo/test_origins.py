"""What the demonstration's two kinds of shop do differently, and which of them a machine gets."""

from __future__ import annotations

from contextlib import nullcontext
from uuid import UUID

import pytest

from connect.cli.main import main
from connect.demo import run
from connect.demo.check import key_texts
from connect.demo.mysql_shop import MysqlShop
from connect.demo.origin import full_name
from connect.errors import ConnectError
from connect.local.mysql_client import NamedServer

EVENT = UUID(int=0x1234 << 96)
SHOP = MysqlShop(NamedServer("mysql://root@127.0.0.1:3307/"), "MySQL")


def test_a_uuid_is_the_same_key_as_text_and_as_bytes():
    assert key_texts([str(EVENT), 7]) == key_texts([EVENT, "7"]) == key_texts([SHOP.native(EVENT), 7])


def test_tags_are_a_list_in_postgres_and_a_set_in_mysql():
    assert (SHOP.native(["loyal", "new"]), SHOP.native([])) == ("loyal,new", "")


@pytest.mark.parametrize(
    ("position", "passed"),
    [
        ({"file": "binlog.000002", "pos": 157}, True),
        ({"file": "binlog.000003", "pos": 4}, True),
        ({"file": "binlog.000002", "pos": 156}, False),
        ({"file": "binlog.000001", "pos": 900}, False),
        ({}, False),
    ],
)
def test_a_place_in_a_later_file_is_beyond_the_end_of_one_before(position, passed):
    assert SHOP.passed(position, ("binlog.000002", 157)) is passed


def test_tables_are_at_home_where_nothing_else_is_said():
    assert full_name(SHOP, "orders") == "shop.orders"
    assert full_name(SHOP, "billing.invoices") == "billing.invoices"


def test_the_shop_is_reached_as_people_and_workers_write_it():
    assert SHOP.consoles["the shop"] == "mysql --host=127.0.0.1 --port=3307 --user=root shop"
    assert SHOP.environment["DEMO_MYSQL_WAREHOUSE"] == "mysql://root@127.0.0.1:3307/warehouse"


def refusing(code, asked):
    def start(only, **_options):
        asked.append(only[-1])
        if only[-1] == "mysql":
            raise ConnectError("MySQL 9.7 cannot be started here: this machine has no apt-get", code=code)
        return nullcontext()

    return start


def test_where_mysql_cannot_be_had_mariadb_takes_its_place_and_it_is_said(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(run.Stack, "start", refusing("local_version_missing", asked))

    run.start_stack(run.Show(), "mysql", None)

    assert asked == ["mysql", "mariadb"]
    assert "this machine has no apt-get" in (said := capsys.readouterr().out)
    assert "MariaDB takes its place" in said


def test_a_mysql_that_does_not_come_up_is_no_reason_for_another_server(monkeypatch):
    monkeypatch.setattr(run.Stack, "start", refusing("local_start_failed", []))

    with pytest.raises(ConnectError, match="cannot be started"):
        run.start_stack(run.Show(), "mysql", None)


def test_two_kinds_at_once_are_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["demo", "--mysql", "--mariadb"])

    assert caught.value.code == 2
    assert "one of --mysql and --mariadb" in capsys.readouterr().err
