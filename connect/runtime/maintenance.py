"""What an operator does to a stopped connector: take a source off its server, let a sink begin again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connect.api.sink import SinkContext
from connect.errors import ConfigError, Failed, Problem
from connect.kafka.positions import PositionStore
from connect.kafka.producer import TransactionalProducer
from connect.kafka.topics import Topics
from connect.runtime import status_file
from connect.runtime.tasks import SinkTopics, source_job

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connect.config.models import Config


def remove_source(config: Config, name: str) -> list[str]:
    """Drop what the source made on its server, then forget its position; one sentence for each thing done.

    The producer that writes the forgetting fences the source first (rule F-5), so a worker elsewhere that still runs it
    stops and cannot bring the position back.

    Raises:
        ConfigError: The file has no such source.
        Failed: ``worker_running``, or what the plugin met.
    """
    source = config.sources[known(name, config.sources, "source")]
    refuse_while_running(config.name)
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
        Failed: ``worker_running``, or what the plugin met.
    """
    sink = config.sinks[known(name, config.sinks, "sink")]
    refuse_while_running(config.name)
    topics = SinkTopics(config, sink)
    context = SinkContext(sink.name, config.name, lambda topic: topics[topic].options)
    return list(sink.plugin.rebuild(sink.options, context))


def refuse_while_running(group: str) -> None:
    """A connector's state is changed only while nobody runs it (F181, rule F-5).

    Raises:
        Failed: ``worker_running``.
    """
    for worker in status_file.find(group):
        message = f"the worker of {group} runs as process {worker.pid}"
        raise Failed("worker_running", message, hint=f"Stop it first: kill {worker.pid}")


def known(name: str, there: Mapping[str, object], what: str) -> str:
    """``name``, when the file has it; raises ``ConfigError`` with those that it has."""
    if name not in there:
        names: Iterable[str] = sorted(there)
        problem = Problem("", f"the file has no {what} {name!r}", f"its {what}s are {', '.join(names) or 'none'}")
        raise ConfigError([problem])
    return name
