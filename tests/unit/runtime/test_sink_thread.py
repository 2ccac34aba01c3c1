"""The thread that a sink works on."""

from __future__ import annotations

import threading

import pytest

from connect.api import TopicPartition, WriteResult
from connect.errors import Failed
from connect.runtime.sink_thread import SinkThread

PLACE = TopicPartition("t", "id", 0)


class Sink:
    """Notes what it was asked and by which thread; a write waits until it may go on."""

    def __init__(self):
        self.calls, self.threads, self.may_write = [], set(), threading.Event()
        self.may_write.set()

    def note(self, call):
        self.calls.append(call)
        self.threads.add(threading.current_thread().name)

    def open(self, partitions):
        self.note("open")
        return dict.fromkeys(partitions, 0)

    def write(self, batch, next_offsets, skip):
        assert self.may_write.wait(10)
        self.note("write")
        if not next_offsets:
            raise Failed("target_changed", "it is another one")
        return WriteResult(applied=len(batch) + len(skip))

    def close(self):
        self.note("close")


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def thread(sink):
    made = SinkThread(sink)
    yield made
    made.close()


def test_all_calls_come_from_one_thread_of_its_own(sink, thread):
    assert thread.open([PLACE]) == {PLACE: 0}
    assert thread.begin(["record"], {PLACE: 1}, {5}).result() == WriteResult(applied=2)
    thread.close()
    assert sink.calls == ["close", "open", "write", "close"]
    assert sink.threads == {"sink-write_0"}


def test_the_caller_goes_on_while_a_batch_is_written(sink, thread):
    sink.may_write.clear()
    write = thread.begin([], {PLACE: 1})
    assert not write.done()
    sink.may_write.set()
    assert write.result() == WriteResult()


def test_what_a_write_raises_comes_with_its_result(thread):
    with pytest.raises(Failed, match="it is another one"):
        thread.begin([], {}).result()


def test_close_waits_for_the_write_under_way_and_may_come_twice(sink, thread):
    write = thread.begin([], {PLACE: 1})
    thread.close()
    thread.close()
    assert write.done()
    assert sink.calls == ["write", "close"]
