"""What a server ends a dump with, as the error that an operator sees (F61-F65)."""

import struct

import pytest

from connect.errors import Failed, Retriable
from connectors.mysql.binlog.refusals import dump_error

# The words of MySQL 9.7 and MariaDB 11.4.
REFUSED = {
    "Cannot replicate because the source purged required binary logs. Replicate the missing transactions": "log_purged",
    "Could not find first log file name in binary log index file": "log_purged",
    "Could not find GTID state requested by slave in any binlog files. Probably the slave state is too old and "
    "required binlog files have been purged.": "log_purged",
    "Replica has more GTIDs than the source has, using the source's SERVER_UUID.": "wrong_branch",
    "Error: connecting slave requested to start from GTID 0-1-9, which is not in the master's binlog": "wrong_branch",
    "Client requested source to start replication from position > file size": "log_reset",
    "A replica with the same server_uuid/server_id as this replica has connected to the source": "server_id_clash",
    "log event entry exceeded max_allowed_packet; Increase max_allowed_packet on source": "log_unreadable",
}


def error(number, words):
    return b"\xff" + struct.pack("<H", number) + b"#HY000" + words.encode()


@pytest.mark.parametrize(("words", "code"), REFUSED.items(), ids=list(REFUSED.values()))
def test_what_no_retry_mends_fails_with_its_code_and_a_remedy(words, code):
    refused = dump_error(error(1236, words), "shop")

    assert isinstance(refused, Failed)
    assert (refused.code, bool(refused.hint)) == (code, True)
    assert words[:20] in refused.message


def test_F65_mariadb_says_it_by_another_number():
    assert dump_error(error(4052, "A slave with the same server_uuid/server_id is already connected"), "shop").code == (
        "server_id_clash"
    )


@pytest.mark.parametrize("packet", [b"\xfe\0\0\2\0", b"", error(1053, "Server shutdown in progress")])
def test_an_end_that_time_mends_is_tried_again(packet):
    assert isinstance(dump_error(packet, "shop"), Retriable)


def test_the_missing_right_is_named():
    assert (
        dump_error(error(1227, "Access denied; you need the REPLICATION SLAVE privilege"), "shop").code == "permission"
    )
