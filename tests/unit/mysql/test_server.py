from dataclasses import replace

import pytest

from connect.errors import Failed, Retriable
from connectors.mysql.branch import of_host
from connectors.mysql.failures import FAILURES
from connectors.mysql.position import LogPosition, MysqlPosition
from connectors.mysql.server import Server, _expire_seconds, check_ready, log_status, pause, set_global

MYSQL = Server(
    kind="mysql",
    version=(9, 7, 4),
    version_text="9.7.4",
    uuid="u",
    server_id=1,
    log_bin=True,
    binlog_format="ROW",
    row_image="FULL",
    row_metadata="FULL",
    row_value_options="",
    checksum="CRC32",
    gtids=True,
    gtid_mode="ON",
    replica_updates=True,
    read_only=False,
    expire_seconds=0,
    lower_case_names=0,
)
MARIADB = replace(MYSQL, kind="mariadb", version=(11, 4, 5), version_text="11.4.5-MariaDB", uuid="1")


@pytest.mark.parametrize("server", [MYSQL, MARIADB])
def test_a_server_fit_for_capture_is_ready(server):
    check_ready(server, "shop")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"log_bin": False}, "log_off"),
        ({"binlog_format": "MIXED"}, "binlog_format"),
        ({"binlog_format": "STATEMENT"}, "binlog_format"),
        ({"server_id": 0}, "server_id_zero"),
    ],
)
@pytest.mark.parametrize("server", [MYSQL, MARIADB])
def test_F46_a_setting_without_which_nothing_works_comes_with_what_mends_it(server, wrong, code):
    with pytest.raises(Failed, match="shop: ") as failed:
        check_ready(replace(server, **wrong), "shop")
    assert failed.value.code == code
    assert failed.value.hint
    assert code in FAILURES


def test_a_setting_is_changed_so_that_it_outlives_a_restart():
    assert set_global(MYSQL, "sync_binlog", "1") == "SET PERSIST sync_binlog = 1;"
    assert set_global(MARIADB, "binlog_format", "ROW").startswith("SET GLOBAL binlog_format = 'ROW'; -- and in my.cnf:")


@pytest.mark.parametrize(
    ("server", "statement"),
    [
        (MYSQL, "SHOW BINARY LOG STATUS"),
        (replace(MYSQL, version=(8, 2, 0)), "SHOW BINARY LOG STATUS"),
        (replace(MYSQL, version=(8, 0, 36)), "SHOW MASTER STATUS"),
        (MARIADB, "SHOW MASTER STATUS"),
    ],
)
def test_the_end_of_the_log_is_asked_for_in_words_that_the_server_knows(server, statement):
    assert log_status(server) == statement


@pytest.mark.parametrize(
    ("seen", "seconds"),
    [
        ({"binlog_expire_logs_seconds": "3600"}, 3600),
        ({"binlog_expire_logs_seconds": "0", "expire_logs_days": "7"}, 604_800),
        ({"expire_logs_days": "0.5"}, 43_200),
        ({"binlog_expire_logs_seconds": "3600", "binlog_expire_logs_auto_purge": "OFF"}, 0),
        ({}, 0),
    ],
)
def test_F61_how_long_the_log_is_kept(seen, seconds):
    assert _expire_seconds(seen) == seconds


def test_a_pause_ends_when_the_task_does():
    with pytest.raises(Retriable) as stopped:
        pause(60, lambda: True)
    assert stopped.value.code == "stopping"


@pytest.mark.parametrize(
    ("server", "stored", "known"),
    [
        (MYSQL, "7@", "7@"),
        (MYSQL, "", "@"),
        (replace(MARIADB, host="a:3306"), "7@a:3306", "7@a:3306"),
        (replace(MARIADB, host="a:3306"), "7@b:3306", "@a:3306"),
    ],
)
def test_F62_files_of_another_host_are_none_to_compare_with(server, stored, known):
    position = MysqlPosition("u", LogPosition("binlog.000001", 4), file_id=stored)
    assert of_host(position, server).file_id == known
