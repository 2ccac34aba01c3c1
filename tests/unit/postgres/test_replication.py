import threading

import pytest

from connect.errors import Retriable
from connectors.postgres.replication import Bursts, _seconds, quote_names, start_command


def test_F169_publication_names_are_identifiers_inside_a_literal():
    assert quote_names(["plain", "p','q", 'a"b', "it's"]) == '\'"plain","p\'\',\'\'q","a""b","it\'\'s"\''


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (130000, "proto_version '1', publication_names '\"p\"'"),
        (140000, "proto_version '2', messages 'true', streaming 'on', publication_names '\"p\"'"),
        (150000, "proto_version '3', messages 'true', streaming 'on', publication_names '\"p\"'"),
        (180000, "proto_version '4', messages 'true', streaming 'on', origin 'any', publication_names '\"p\"'"),
    ],
)
def test_each_server_gets_the_highest_protocol_that_it_speaks(version, expected):
    command = start_command("s", ["p"], 0x1_0000_0002, version, streaming=True)
    assert command == f'START_REPLICATION SLOT "s" LOGICAL 1/2 ({expected})'


def test_streaming_can_be_switched_off():
    assert "streaming" not in start_command("s", ["p"], 0, 180000, streaming=False)


@pytest.mark.parametrize(("text", "seconds"), [("1min", 60), ("3s", 3), ("1500ms", 1.5), ("0", 0), ("1h", 3600)])
def test_settings_read_as_show_prints_them(text, seconds):
    assert _seconds(text) == seconds


def test_S15_a_full_queue_has_no_room_until_something_is_taken():
    bursts = Bursts(100)
    bursts.put([b"a"], 60)
    assert bursts.has_room()
    bursts.put([b"b"], 60)
    assert not bursts.has_room()
    assert bursts.take(0) == [b"a"]
    assert bursts.has_room()


def test_S07_the_death_of_the_thread_surfaces_after_what_was_received():
    bursts = Bursts(100)
    bursts.put([b"a"], 1)
    bursts.fail(Retriable("gone"))
    assert bursts.take(0) == [b"a"]
    with pytest.raises(Retriable, match="gone"):
        bursts.take(0)


def test_a_waiting_reader_is_woken():
    bursts = Bursts(100)
    writer = threading.Timer(0.05, bursts.put, ([b"a"], 1))
    writer.start()
    assert bursts.take(10) == [b"a"]
    writer.join()


def test_nothing_within_the_timeout_is_none():
    assert Bursts(1).take(0.01) is None
