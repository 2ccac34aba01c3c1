"""Out of its hours a snapshot asks for no chunk, but keys that lack a value are read at any time."""

from __future__ import annotations

from connect.runtime.guest import Guest, TableProgress
from connect.schema.model import TableId

TABLE = TableId("public", "big")


class Window:
    text = "22:00-05:00"
    opened = False

    def is_open(self):
        return self.opened


class Reader:
    def __init__(self):
        self.asked = []

    def ask(self, request):
        self.asked.append(request)


def made():
    said = []
    window, reader = Window(), Reader()
    return Guest(reader, {TABLE: TableProgress()}, window=window, say=said.append), window, reader, said


def test_no_chunk_is_asked_for_and_the_operator_is_told():
    guest, _, reader, said = made()
    guest.ask()
    assert reader.asked == []
    assert said == ["the snapshot of public.big goes on in its hours, 22:00-05:00"]
    assert not guest.busy
    assert not guest.complete


def test_it_goes_on_once_the_window_opens():
    guest, window, reader, _ = made()
    guest.ask()
    window.opened = True
    assert guest.busy
    guest.ask()
    assert [request.table for request in reader.asked] == [TABLE]


def test_keys_that_lack_a_value_are_read_at_any_time():
    guest, _, reader, _ = made()
    guest.lacks(TABLE, b"k", ("1",))
    guest.ask()
    assert [request.keys for request in reader.asked] == [[("1",)]]
