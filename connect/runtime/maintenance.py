"""What an operator does to a connector that stands still: take a source off its server, read or write anew."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from connect.api.sink import SinkContext
from connect.errors import ConfigError, Failed, Problem, Retriable
from connect.kafka.appender import Appender
from connect.kafka.group import GroupCalls, machine
from connect.kafka.positions import PositionStore
from connect.kafka.producer import TransactionalProducer
from connect.kafka.sink_notes import OPTIONS, REBUILT, SinkNotes, look_at_notes
from connect.kafka.topics import Topics
from connect.runtime import control, status_file
from connect.runtime.guest import snapshot_note
from connect.runtime.membership import standing_topics
from connect.runtime.tasks import SinkTopics, source_job
from connect.schema.model import TableId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from connect.config.models import Config

STOP_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.05


def remove_source(config: Config, name: str) -> list[str]:
    """Drop what the source made on its server, then forget its position; one sentence for each thing done.

    The producer that writes the forgetting fences the source first (rule F-5), so a worker elsewhere that still runs it
    stops and cannot bring the position back.

    Raises:
        ConfigError: The file has no such source.
        Failed: ``worker_running``, or what the plugin met.
    """
    source = config.sources[known(name, config.sources, "source")]
    refuse_while_running(config, name)
    kafka = config.kafka.settings()
    job = source_job(config, source, lambda _: None, lambda: False)
    done = list(source.plugin.remove(source.options, job.context({}, lambda _: None)))
    topics = Topics(kafka)
    store = PositionStore(kafka, topics, config.name, name)
    if not topics.describe([store.topic]):
        return done
    producer = TransactionalProducer(kafka, f"{config.name}-{name}-0")
    try:
        producer.fence()
        forgotten = store.forget(producer)
    finally:
        producer.close()
    if forgotten:
        done.append(f"The position in topic {store.topic} is forgotten.")
    return done


def rebuild_sink(config: Config, name: str) -> list[str]:
    """Drop what the sink made in its target; its next start reads its topics from offset 0.

    Raises:
        ConfigError: The file has no such sink.
        Failed: What the plugin met.
    """
    sink = config.sinks[known(name, config.sinks, "sink")]
    topics = SinkTopics(config, sink)
    context = SinkContext(sink.name, config.name, lambda topic: topics[topic].options)
    with at_rest(config, name):
        _note_rebuild(config, name)
        return list(sink.plugin.rebuild(sink.options, context))


def _note_rebuild(config: Config, name: str) -> None:
    """For ``connect plan`` until the next start: where the sink stood, only its target knew."""
    kafka, sink = config.kafka.settings(), f"{config.name}.{name}"
    topics = Topics(kafka)
    last = look_at_notes(kafka, topics, sink).get(OPTIONS)
    if last is None:
        return
    appender = Appender(kafka)
    try:
        SinkNotes(kafka, topics, appender, sink).write({OPTIONS: {**last, REBUILT: True}})
    finally:
        appender.close()


def read_again(config: Config, name: str, tables: Sequence[str]) -> list[str]:
    """Let the source's next start read tables anew, beside the log; one sentence for each thing done.

    It is noted with the stored position, under the source's own transactional id (rule F-5).

    Raises:
        ConfigError: The file has no such source.
        Failed: ``table_missing``: it does not capture a table, or has not read it yet; ``keyless``.
    """
    known(name, config.sources, "source")
    kafka = config.kafka.settings()
    topics = Topics(kafka)
    store = PositionStore(kafka, topics, config.name, name)
    if not topics.describe([store.topic]):
        raise Failed("table_missing", f"{name} was never started", hint="Its first start reads every table.")
    with at_rest(config, name) as workers:
        producer = TransactionalProducer(kafka, f"{config.name}-{name}-0")
        try:
            producer.fence()
            position, notes = store.read()
            anew = {snapshot_note(table): _again(name, table, notes) for table in map(_table, tables)}
            if position is not None:
                producer.begin()
                store.send(producer, position, anew)
                producer.commit()
        finally:
            producer.close()
    who = name if workers else f"No worker of yours runs {name}: its next start"
    return [f"{who} reads {table} anew." for table in tables]


def _table(name: str) -> TableId:
    schema, _, table = name.partition(".")
    return TableId(schema, table)


def _again(source: str, table: TableId, notes: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    note = notes.get(snapshot_note(table))
    if note is None:
        message = f"{source} has not begun to read {table}"
        raise Failed("table_missing", message, hint="connect plan FILE --all shows which tables it captures.")
    if "snapshot" in note or (note["rows"] and note["after"] is None):
        message = f"{table} has no key: read again, its topic would have every row twice"
        raise Failed("keyless", message, hint="Give it a key:, or start the source anew under another name.")
    return {**note, "again": True}


@contextmanager
def at_rest(config: Config, connector: str) -> Iterator[list[status_file.RunningWorker]]:
    """One connector stands still meanwhile: paused where workers of this user have it, and resumed afterwards: those.

    A paused connector stays its worker's, so no STANDBY takes it up meanwhile; one on this machine is paused too.
    Where this process is killed, the worker resumes it.

    Raises:
        Failed: ``worker_unreachable``; ``worker_running``: it did not stop in time, or runs where we cannot pause it.
    """
    workers = list(_with(config.name, connector))
    _refuse_elsewhere(config, connector, workers)
    with ExitStack() as after:
        for worker in workers:
            if not control.ask(worker.pid, {"command": "state", "connector": connector})["paused"]:
                after.callback(control.ask, worker.pid, {"command": "resume", "connector": connector})
                control.ask(worker.pid, {"command": "pause", "connector": connector, "while": os.getpid()})
            _wait_until_still(worker.pid, connector)
        yield workers


def _with(group: str, connector: str) -> Iterator[status_file.RunningWorker]:
    """This user's workers of the group whose files have the connector: one file may have been split into two."""
    for worker in status_file.find(group):
        try:
            control.ask(worker.pid, {"command": "state", "connector": connector})
        except Failed as error:
            if error.code == "connector_unknown":
                continue
            raise
        yield worker


def _wait_until_still(pid: int, connector: str) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while control.ask(pid, {"command": "state", "connector": connector})["running"]:
        if time.monotonic() > deadline:
            message = f"{connector} did not stop within {STOP_SECONDS:.0f} s in the worker, process {pid}"
            raise Failed("worker_running", message, hint=f"Stop the worker: kill {pid}")
        time.sleep(_POLL_SECONDS)


def refuse_while_running(config: Config, connector: str) -> None:
    """A connector's state is changed only while nobody runs it (F181, rule F-5).

    Raises:
        Failed: ``worker_running``, ``worker_unreachable``.
    """
    for worker in _with(config.name, connector):
        message = f"the worker of {config.name} runs as process {worker.pid}"
        raise Failed("worker_running", message, hint=f"Stop it first: kill {worker.pid}")
    _refuse_elsewhere(config, connector, [])


def _refuse_elsewhere(config: Config, connector: str, here: Sequence[status_file.RunningWorker]) -> None:
    """Refuse where a worker of another machine or user owns it; what the group cannot say, fencing answers for."""
    with suppress(Retriable):
        try:
            roll = GroupCalls(config.kafka.settings(), config.name).roll()
        except Failed:
            return  # the principal may not look
        topic = standing_topics(config).get(connector) or f"{config.name}.{connector}.positions"  # a former name
        owner = roll.owner(topic)
        if owner is not None and not (owner.machine == machine() and owner.pid in {worker.pid for worker in here}):
            message = f"{connector} is run by another worker: {owner}"
            raise Failed("worker_running", message, hint="Give the command there as its user, or stop that worker.")


def known(name: str, there: Mapping[str, object], what: str) -> str:
    """``name``, when the file has it; raises ``ConfigError`` with those that it has."""
    if name not in there:
        names: Iterable[str] = sorted(there)
        problem = Problem("", f"the file has no {what} {name!r}", f"its {what}s are {', '.join(names) or 'none'}")
        raise ConfigError([problem])
    return name
