"""From commit to a ``read_committed`` consumer, at a steady rate; and back to the head of the log after a kill."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import debezium
import psycopg
from bench import drop_slots
from clock import STAMPED
from streams import start_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench import Bench
    from results import Measure, Side
    from worker import Worker

_WARM_SECONDS: Final = 3  # left out at the start: the first transaction of a producer, the first compile of a loop
_ROWS_A_TRANSACTION: Final = {100: 1, 1000: 10, 5000: 10}
_AT_THE_HEAD: Final = 0.5  # seconds: a record that was read so soon after its commit


def latency(bench: Bench, p50: Measure, p99: Measure, rate: int) -> None:
    """Each side alone, one after the other, with the same writer and reader."""
    for _ in range(bench.inputs.long_repeats):
        with our_side(bench, p50.name) as (source, url):
            _take(bench, (p50, p99), "connect", f"{source.name}.public.orders", url, rate)
            source.check()
        if not bench.has_peer(p50, p99):
            continue
        with their_side(bench, p50.name) as (peer, url):
            _take(bench, (p50, p99), "peer", f"{peer}.public.orders", url, rate)
            bench.peer.check(peer)


def _take(bench: Bench, measures: tuple[Measure, Measure], side: Side, topic: str, url: str, rate: int) -> None:
    seconds = _WARM_SECONDS + bench.inputs.latency_seconds
    with _clock("read", bench.stack.kafka.address, topic, seconds + 1) as reader, _writer(url, rate, seconds) as writer:
        _finish(writer)
        pairs = json.loads(reader.communicate()[0])
    if len(pairs) != rate * seconds:
        raise RuntimeError(f"{topic}: {len(pairs)} of {rate * seconds} rows were readable in time")
    begun = pairs[0][0]
    taken = sorted((at - sent) * 1000 for sent, at in pairs if sent - begun > _WARM_SECONDS)
    for measure, part in zip(measures, (0.5, 0.99), strict=True):
        measure.add(side, taken[int(len(taken) * part)], worst_ms=taken[-1])


def recover(bench: Bench, measure: Measure) -> None:
    """kill -9 of the worker and its start at once, until a row written after it is read as soon as it is written."""
    for run in range(bench.inputs.long_repeats):
        with our_side(bench, measure.name) as (source, url):
            taken = _recovery(bench, f"{source.name}.public.orders", url, partial(_start_again, source), 60)
            measure.add("connect", taken)
        if run < bench.inputs.peer_recoveries and bench.has_peer(measure):
            with their_side(bench, measure.name) as (peer, url):
                try:
                    taken = _recovery(bench, f"{peer}.public.orders", url, partial(_start_peer_again, bench), 180)
                except TimeoutError as error:
                    measure.note(f"The peer: {error}.")
                else:
                    measure.add("peer", taken)


def _recovery(bench: Bench, topic: str, url: str, restart: Callable[[], None], seconds: int) -> float:
    with _clock("follow", bench.stack.kafka.address, topic) as reader, _writer(url, 1000, seconds):
        assert reader.stdout is not None
        time.sleep(_WARM_SECONDS)
        killed = time.time()
        restart()
        for line in reader.stdout:
            sent, at = map(float, line.split())
            if sent > killed and at - sent < _AT_THE_HEAD:
                return at - killed
            if at - killed > seconds - 2 * _WARM_SECONDS:
                break
    raise TimeoutError(f"{topic}: not back at the head of the log within {seconds} s")


def _start_again(source: Worker) -> None:
    source.kill()
    source.start()


def _start_peer_again(bench: Bench) -> None:
    bench.peer.kill()
    bench.peer.start()


@contextmanager
def our_side(bench: Bench, what: str) -> Iterator[tuple[Worker, str]]:
    """A source of a table whose rows carry the time, at the head of the log; and the database's URL."""
    url = _database(bench)
    source = bench.source(bench.name(what), url)
    start_once(source)
    source.start()
    try:
        source.wait_state("STREAMING")
        yield source, url
    finally:
        source.stop()
        drop_slots(url)


@contextmanager
def their_side(bench: Bench, what: str) -> Iterator[tuple[str, str]]:
    """The same of the peer, which streams already."""
    url, peer = _database(bench), bench.name(what)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE PUBLICATION peer FOR TABLE orders")
        connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (peer,))
    bench.make_topic(f"{peer}.public.orders")
    bench.peer.put(peer, debezium.postgres(peer, url, peer, "peer") | debezium.QUICK_POLL)
    try:
        with _writer(url, 100, 1) as writer:
            _finish(writer)
        bench.readable.wait(f"{peer}.public.orders", 100, 100, partial(bench.peer.check, peer))
        yield peer, url
    finally:
        bench.peer.delete(peer)
        drop_slots(url)


def _database(bench: Bench) -> str:
    url = bench.database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(STAMPED.create().encode())
    return url


@contextmanager
def _writer(url: str, rate: int, seconds: float) -> Iterator[subprocess.Popen[str]]:
    words = ("write", url, rate, seconds, _ROWS_A_TRANSACTION[rate])
    with _process(*words) as process:
        yield process


def _finish(writer: subprocess.Popen[str]) -> None:
    if writer.wait() != 0:
        raise RuntimeError("the writer failed: its error is above")


@contextmanager
def _clock(*words: object) -> Iterator[subprocess.Popen[str]]:
    """A reader that is ready."""
    with _process(*words) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"no reader: {words}")
        yield process


@contextmanager
def _process(*words: object) -> Iterator[subprocess.Popen[str]]:
    program = str(Path(__file__).with_name("clock.py"))
    process = subprocess.Popen([sys.executable, program, *map(str, words)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
