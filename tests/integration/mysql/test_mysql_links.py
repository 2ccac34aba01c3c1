"""The link that the log comes over, the account that reads it, and what else goes on at the server."""

import time

import pytest

from connect.errors import Failed

pytestmark = pytest.mark.stack

RIGHTS = {
    "mysql": "REPLICATION SLAVE, REPLICATION CLIENT",
    "mariadb": "REPLICATION SLAVE, BINLOG MONITOR",
}


def ids(events):
    return [(e.after or e.before)["id"] for e in events]


def least_account(shop, kind):
    name = f"b_{shop.database[-8:]}"
    shop.sql(
        f"CREATE USER '{name}'@'%' IDENTIFIED BY 'secret'",
        f"GRANT {RIGHTS[kind]} ON *.* TO '{name}'@'%'",
        f"GRANT SELECT ON `{shop.database}`.`t` TO '{name}'@'%'",
    )
    return name, shop.server.url("", user=name, password="secret")


@pytest.mark.parametrize("kind", ["mysql", "mariadb"])
def test_F177_the_rights_that_doctor_names_are_enough(kind, request):
    shop = request.getfixturevalue(f"{kind}_shop")
    name, url = least_account(shop, kind)
    try:
        reader = shop.open(url=url)
        shop.insert(1, 1)
        assert ids(reader.read(1)) == [1]
        reader = shop.open(reader.close(), url=url)
        shop.insert(2, 2)
        assert ids(reader.read(1)) == [2]
        assert reader.source.lag().bytes is not None
    finally:
        shop.sql(f"DROP USER '{name}'@'%'")


def test_without_the_right_to_read_the_log_it_fails_with_the_grant(mysql_shop):
    name, url = least_account(mysql_shop, "mysql")
    mysql_shop.sql(f"REVOKE REPLICATION SLAVE ON *.* FROM '{name}'@'%'")
    try:
        with pytest.raises(Failed) as failed:
            mysql_shop.open(url=url).drain()
        assert failed.value.code == "permission"
        assert "GRANT" in failed.value.hint.upper()
    finally:
        mysql_shop.sql(f"DROP USER '{name}'@'%'")


def test_the_log_comes_over_tls(mysql_shop):
    reader = mysql_shop.open(tls={"mode": "required"})
    mysql_shop.insert(1, 500)

    assert ids(reader.read(500)) == list(range(1, 501))
    reader.close()


def test_an_event_of_several_packets_is_whole(shop):
    shop.sql("CREATE TABLE b (id INT PRIMARY KEY, v LONGBLOB)")
    reader = shop.open(tables=("b",))
    shop.sql(
        "INSERT INTO b VALUES (1, REPEAT('x', 9000000))",
        "UPDATE b SET v = CONCAT(v, 'y')",  # both rows in one event
        "INSERT INTO b VALUES (2, 'after')",
    )

    first, updated, after = reader.read(3)
    assert ids([first, updated, after]) == [1, 1, 2]
    assert updated.before["v"] == first.after["v"] == b"x" * 9_000_000
    assert updated.after["v"] == b"x" * 9_000_000 + b"y"


def test_statements_about_databases_that_are_gone_do_not_matter(shop):
    gone = f"{shop.database}_gone"
    reader = shop.open()
    shop.sql(
        f"CREATE DATABASE {gone}",
        f"CREATE TABLE {gone}.one (id INT PRIMARY KEY)",
        f"CREATE TABLE {gone}.two LIKE {gone}.one",
        f"ALTER TABLE {gone}.two ADD COLUMN v INT, RENAME TO {gone}.three",
        f"RENAME TABLE {gone}.one TO {gone}.four",
        f"CREATE TABLE {gone}.five SELECT * FROM {gone}.four",
        f"INSERT INTO {gone}.three VALUES (1, 2)",
        f"TRUNCATE {gone}.three",
        f"DROP DATABASE {gone}",
        "INSERT INTO t (id) VALUES (1)",
    )

    assert ids(reader.read(1)) == [1]


def test_F61_a_reader_that_falls_behind_what_the_server_keeps_says_so_until_it_is_not(new_shop):
    shop = new_shop("mysql", "short_log", settings={"binlog_expire_logs_seconds": "2"})
    reader = shop.open()
    shop.insert(1, 1)
    reader.read(1)
    shop.sql("INSERT INTO t (id) VALUES (2)", "SELECT SLEEP(2)")
    deadline = time.monotonic() + 20
    while not any("removes" in said for said in shop.said):
        assert time.monotonic() < deadline
        reader.source.lag()
        time.sleep(0.2)

    reader.read(1)
    while shop.said[-1]:
        assert time.monotonic() < deadline
        reader.source.lag()
        time.sleep(0.2)
