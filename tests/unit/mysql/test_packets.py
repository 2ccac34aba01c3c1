"""Packets cut out of a stream of bytes, whatever pieces it comes in."""

from hypothesis import given
from hypothesis import strategies as st

from connectors.mysql.binlog.packets import Packets

WHOLE = 0xFFFFFF


def packet(payload):
    return len(payload).to_bytes(3, "little") + b"\x07" + payload


def test_events_come_without_the_byte_that_says_ok():
    packets = Packets()

    assert packets.split(packet(b"\0one") + packet(b"\0two")) == [b"one", b"two"]
    assert packets.ended is None


def test_an_error_ends_the_stream_and_what_came_before_it_is_kept():
    packets = Packets()

    assert packets.split(packet(b"\0one") + packet(b"\xff\xd4\x04#HY000gone") + packet(b"\0two")) == [b"one"]
    assert packets.ended == b"\xff\xd4\x04#HY000gone"


def test_an_event_may_begin_with_any_byte():
    packets = Packets()

    assert packets.split(packet(b"\0\xff\xfe") + packet(b"\0\xfe")) == [b"\xff\xfe", b"\xfe"]
    assert packets.ended is None


def test_an_event_longer_than_a_packet_is_joined():
    packets = Packets()
    event = b"x" * (2 * WHOLE + 5)
    parts = [b"\0" + event[: WHOLE - 1], event[WHOLE - 1 : 2 * WHOLE - 1], event[2 * WHOLE - 1 :]]

    assert packets.split(b"".join(map(packet, parts)) + packet(b"\0y")) == [event, b"y"]


def test_an_event_that_fills_its_packets_ends_with_an_empty_one():
    packets = Packets()
    event = b"x" * (WHOLE - 1)

    assert packets.split(packet(b"\0" + event)) == []
    assert packets.split(packet(b"") + packet(b"\0y")) == [event, b"y"]


@given(st.lists(st.binary(max_size=40), max_size=20), st.lists(st.integers(1, 50), min_size=1, max_size=40))
def test_pieces_of_any_size_give_the_same_events(events, sizes):
    stream = b"".join(packet(b"\0" + event) for event in events)
    packets, got, at = Packets(), [], 0
    while at < len(stream):
        size = sizes[at % len(sizes)]
        got += packets.split(stream[at : at + size])
        at += size

    assert got == events
