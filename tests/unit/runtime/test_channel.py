"""Lines of JSON over a socket, whole or in pieces."""

from __future__ import annotations

import socket

import pytest

from connect.runtime import channel
from connect.runtime.channel import ChannelBroken, Lines, encode
from connect.runtime.report import State, TableReport, TaskReport


def test_a_report_survives_the_way() -> None:
    report = TaskReport(
        state=State.SNAPSHOTTING,
        position={"lsn": 2**63, "partitions": {0: 7}},
        tables={"public.a\nb": TableReport(phase="snapshot", rows=3)},
        lag_seconds=0.5,
    )

    line = encode({"report": report})

    assert line == encode({"report": report.to_json()})
    [message] = Lines().feed(line)
    received = TaskReport.from_json(message["report"])
    assert (received.state, received.position) == (State.SNAPSHOTTING, {"lsn": 2**63, "partitions": {"0": 7}})
    assert report.tables == received.tables


def test_messages_are_cut_wherever_the_bytes_break() -> None:
    stream = encode({"a": 1}) + encode({"b": 2})
    lines = Lines()

    received = [message for byte in stream for message in lines.feed(bytes([byte]))]

    assert received == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("line", [b"nonsense\n", b"[1]\n", b"\n", b"\xff\n"])
def test_what_is_no_json_object_breaks_the_channel(line: bytes) -> None:
    with pytest.raises(ChannelBroken, match="no JSON object"):
        Lines().feed(line)


def test_a_line_without_an_end_is_not_collected_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "MAX_LINE_BYTES", 10)
    lines = Lines()

    with pytest.raises(ChannelBroken, match="longer than 10 bytes"):
        lines.feed(b'{"a": "aaaaaaaaaaaaa')


def test_the_end_of_the_other_side_is_told_from_silence() -> None:
    here, there = socket.socketpair()
    with here:
        there.sendall(b'{"a"')
        assert Lines().receive(here) == []
        there.close()
        assert Lines().receive(here) is None
