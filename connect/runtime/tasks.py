"""From the file to the task of one connector: where plugins, formats, transforms and Kafka are put together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from connect.api.sink import SinkContext
from connect.api.source import SourceContext
from connect.api.tables import View
from connect.config.topics import TargetOptions, resolve_topics
from connect.errors import ConfigError, Failed
from connect.runtime.applied import sink_options, source_options, target_options
from connect.runtime.bookkeeping import NAMES, is_bookkeeping
from connect.runtime.discovered import Discovered, discover
from connect.runtime.sink_task import SinkSettings, SinkTask
from connect.runtime.source_job import SourceJob
from connect.runtime.source_task import SourceTask
from connect.runtime.status_file import folder as state_folder
from connect.schema.avro import AvroFormat
from connect.schema.formats import SourceBlock
from connect.schema.json import JsonFormat
from connect.schema.reader import RecordReader
from connect.schema.registry import Login, RegistryClient, TlsFiles
from connect.transforms.build import sink_pipeline, source_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connect.api.source import Source
    from connect.api.tables import TableOptions
    from connect.config.models import Config, SinkConfig, SourceConfig
    from connect.runtime.child import Task
    from connect.runtime.report import TaskReport
    from connect.schema.formats import Format
    from connect.schema.model import TableId
    from connect.transforms.pipeline import SourcePipeline

_NOT_IN_TOPIC_NAMES = re.compile(r"[^a-zA-Z0-9._-]")


def build_task(config: Config, name: str, report: Callable[[TaskReport], None], stopping: Callable[[], bool]) -> Task:
    """The task of connector ``name``; nothing is connected before it runs.

    Raises:
        Failed: ``connector_gone``: the file was edited while the worker runs, and has it no more.
    """
    if name in config.sources:
        return SourceTask(source_job(config, config.sources[name], report, stopping))
    if name not in config.sinks:
        message = f"{name} was started anew, and the file has no connector of this name any more"
        raise Failed("connector_gone", message, hint="Put it back, or start the worker anew with the file as it is.")
    return sink_task(config, config.sinks[name], report, stopping)


def registry_client(config: Config) -> RegistryClient | None:
    """A client of the file's registry; None where the format is JSON."""
    registry = config.schema_registry
    if registry is None:
        return None
    tls = registry.tls
    return RegistryClient(
        registry.url.reveal(),
        login=Login(registry.username, registry.password, registry.token),
        tls=TlsFiles(tls.ca, tls.cert, tls.key, tls.key_password) if tls else TlsFiles(),
        auto_register=registry.auto_register,
    )


def topic_name(prefix: str, table: TableId, view: View) -> str:
    """``<prefix>.<schema>.<table>``, and ``….events`` for the event view (DESIGN §6)."""
    suffix = ".events" if view is View.EVENTS else ""
    return _NOT_IN_TOPIC_NAMES.sub("_", f"{prefix}.{table.schema}.{table.name}") + suffix


def own_topics(config: Config) -> frozenset[str]:
    """The topics that a worker of this file keeps for itself."""
    names = [*config.sources, *config.sinks]
    found = {f"{config.name}.{name}.{what}" for name in names for what in ("positions", "bootstrap", "dead")}
    return frozenset(found | {each.dead_letter_topic for each in config.sinks.values()})


def _discovered(group: str, source: SourceConfig) -> Discovered:
    """The same for a task.

    Raises:
        Failed: ``tables``: the file does not fit the server; ``Retriable``: the server is not there.
    """
    try:
        return discover(group, source)
    except ConfigError as error:
        raise _misfit(error) from None


def _misfit(error: ConfigError) -> Failed:
    """The file was right when it was read: what does not fit is the server, and the other connectors go on."""
    first, *others = error.problems
    hints = [first.fix, *map(str, others), "connect plan FILE --all shows the tables that are there."]
    return Failed("tables", f"{first.where}: {first.message}", hint="\n".join(filter(None, hints)))


def source_job(
    config: Config, source: SourceConfig, report: Callable[[TaskReport], None], stopping: Callable[[], bool]
) -> SourceJob:
    """What a source task is built from."""
    registry = registry_client(config)
    own = own_topics(config)
    spool = state_folder() / config.name / source.name / "spool"

    def wire(notes: Mapping[str, dict[str, Any]]) -> Format:
        return JsonFormat() if registry is None else AvroFormat(registry, notes)

    def may_break(topics: tuple[str, ...]) -> bool:
        return registry is not None and all(registry.compatibility(f"{topic}-value") == "NONE" for topic in topics)

    def context(tables: Mapping[TableId, TableOptions], say: Callable[[str], None]) -> SourceContext:
        peers = frozenset(config.sources)
        kept = frozenset(
            name
            for peer in config.sources.values()
            for name in peer.plugin.names(peer.options, config.name, peer.name).values()
        )
        return SourceContext(
            source.name, config.name, tables, spool, say=say, stopping=stopping, peers=peers, kept=kept
        )

    def block(built: Source) -> SourceBlock:
        return SourceBlock(
            connector=source.plugin.connector,
            name=source.topic_prefix,
            database=built.database,
            fields=built.source_fields,
        )

    def topic(table: TableId, view: View) -> str:
        name = topic_name(source.topic_prefix, table, view)
        if name in own:
            message = f"{source.name}: {table} would be written to {name}, a topic that the worker keeps for itself"
            raise Failed("topic_collision", message, hint="Write another topic_prefix: for this source.")
        return name

    def pipeline(tables: Mapping[TableId, TableOptions], columns: Mapping[TableId, frozenset[str]]) -> SourcePipeline:
        return source_pipeline(source, tables, columns)

    return SourceJob(
        name=source.name,
        group=config.name,
        kafka=config.kafka.settings(),
        discover=lambda: _discovered(config.name, source),
        context=context,
        build=lambda context: source.plugin.build(source.options, context),
        wire=wire,
        form="JSON" if registry is None else "Avro",
        block=block,
        pipeline=pipeline,
        may_break=may_break,
        reader=RecordReader(registry),
        topic=topic,
        max_rows_per_second=source.max_rows_per_second,
        window=source.window,
        applied=source_options(source),
        adopt=source.adopt,
        widens=any(entry.pattern and not entry.pattern.exact for entry in source.tables),
        report=report,
        stopping=stopping,
    )


class SinkTopics:
    """Which topics a sink reads, and the options of each; worked out once a topic."""

    def __init__(
        self, config: Config, sink: SinkConfig, look: Callable[[Mapping[str, Any], str], bool | None] = is_bookkeeping
    ) -> None:
        """Topics of a worker's own are never among them, whatever the patterns say.

        ``look`` says of a topic that is called like one whether it is one; None while it holds no record.
        """
        self._internal = own_topics(config)
        self._sink = sink
        self._kafka = config.kafka
        self._look = look
        self._looked: dict[str, bool] = {}
        self._exact = {each.pattern.text for each in sink.topics if each.pattern and each.pattern.exact}
        self._known: dict[str, TargetOptions | None] = {}

    def internal(self, topic: str) -> bool:
        """Whether it is one of the worker's own."""
        return topic in self._internal

    def wanted(self, topic: str) -> bool:
        """Whether the sink reads it. One that only may be a worker's own is not read before it holds a record."""
        return self._options(topic) is not None and self.bookkeeping(topic) is False

    def bookkeeping(self, topic: str) -> bool | None:
        """Whether it is a worker's own, of another file or a connector that is gone; None where nothing tells yet.

        Raises:
            Retriable, Failed: Kafka was asked, and did not answer.
        """
        if not topic.endswith(NAMES) or topic in self._exact:
            return False
        if topic not in self._looked:
            found = self._look(self._kafka.settings(), topic)
            if found is None:
                return None
            self._looked[topic] = found
        return self._looked[topic]

    def __getitem__(self, topic: str) -> TargetOptions:
        options = self._options(topic)
        if options is None:
            raise KeyError(topic)
        return options

    def _options(self, topic: str) -> TargetOptions | None:
        if topic not in self._known:
            found = {} if self.internal(topic) else resolve_topics(self._sink, [topic], all_there=False)
            self._known[topic] = found.get(topic)
        return self._known[topic]


def sink_task(
    config: Config, sink: SinkConfig, report: Callable[[TaskReport], None], stopping: Callable[[], bool]
) -> SinkTask:
    """The task of a sink."""
    topics = SinkTopics(config, sink)
    context = SinkContext(sink.name, config.name, lambda topic: topics[topic].options, stopping=stopping)
    settings = SinkSettings(
        connector=sink.name,
        group=config.name,
        kafka=config.kafka.settings(),
        wanted=topics.wanted,
        on_error=sink.on_error,
        dead_letter_topic=sink.dead_letter_topic,
        dead_letter_keep_ms=sink.dead_letter_keep_ms,
        applied=sink_options(sink),
        target=lambda topic: target_options(topics[topic]),
    )
    return SinkTask(
        settings,
        sink.plugin.build(sink.options, context),
        RecordReader(registry_client(config)),
        sink_pipeline(sink, topics.__getitem__),
        report,
        stopping,
    )
