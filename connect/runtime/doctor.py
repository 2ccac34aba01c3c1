"""Everything that can be asked of servers before a run: brokers, registry, and each connector's own checks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka.admin import AclOperation

from connect.api.preflight import Finding, Severity
from connect.api.sink import SinkContext
from connect.compiled import COMPILED, WHY_NOT_COMPILED
from connect.errors import ConfigError, ConnectError
from connect.kafka import brokers
from connect.kafka.client import READERS
from connect.kafka.topics import Topics
from connect.runtime.discovered import discover
from connect.runtime.tasks import SinkTopics, registry_client, source_job

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connect.api.source import SourceContext
    from connect.api.tables import TableOptions
    from connect.config.models import Config, SinkConfig, SourceConfig
    from connect.schema.model import TableId


@dataclass(frozen=True)
class Checked:
    """One finding and whose it is: ``kafka``, ``schema_registry`` or a connector's name, with ``Plugin.session``."""

    subject: str
    finding: Finding
    session: str = ""

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {"subject": self.subject, **asdict(self.finding)}


def examine(config: Config) -> Iterator[Checked]:
    """Every finding, as it is found; a server that is not there is a finding as well, and the others are asked."""
    yield Checked("connect", _codecs())
    settings = config.kafka.settings()
    for finding in brokers.findings(settings):
        yield Checked("kafka", finding)
        if finding.severity is Severity.PROBLEM and finding.check.startswith("kafka_"):
            break  # nobody there to be asked of the writers
    else:
        for finding in brokers.writers(settings, *_single_writer(config)):
            yield Checked("kafka", finding)
        yield Checked("kafka", _rights(config))
        for finding in _group_rights(config):
            yield Checked("kafka", finding)
    for finding in _registry(config):
        yield Checked("schema_registry", finding)
    for source in config.sources.values():
        for finding in _source(config, source):
            yield Checked(source.name, finding, source.plugin.session)
    for sink in config.sinks.values():
        for finding in sink.plugin.preflight(sink.options, _sink_context(config, sink)):
            yield Checked(sink.name, finding)


def _single_writer(config: Config) -> tuple[str, list[str]]:
    """Our principal, and what the names of the topics begin with that nobody else may write to."""
    sasl = config.kafka.security.sasl
    begins = [f"{source.topic_prefix}." for source in config.sources.values()]
    begins += [f"{config.name}.{name}." for name in (*config.sources, *config.sinks)]
    return f"User:{sasl.username}" if sasl and sasl.username else "", begins


def _rights(config: Config) -> Finding:
    """Whether the cluster shows us the worker's own topics, which a run looks for first; where not, all is to grant."""
    own = [f"{config.name}.{name}.positions" for name in config.sources]
    own += [f"{config.name}.{name}.bootstrap" for name in config.sinks]
    try:
        Topics(config.kafka.settings()).describe(own)
    except ConnectError as error:
        return _finding(error)
    return Finding("rights", Severity.OK, "the cluster lets us look at the worker's own topics")


def _group_rights(config: Config) -> Iterator[Finding]:
    """Of the worker's group, of the one that topics are read under, and of each sink's."""
    needed = {config.name: AclOperation.READ, READERS: AclOperation.DESCRIBE}
    needed |= dict.fromkeys((f"{config.name}.{name}" for name in config.sinks), AclOperation.READ)
    try:
        yield from brokers.groups(config.kafka.settings(), needed, config.name)
    except ConnectError as error:
        yield _finding(error)


def _codecs() -> Finding:
    if COMPILED:
        return Finding("codecs", Severity.OK, "rows are decoded and encoded by compiled code")
    message = f"rows are decoded and encoded by Python, many times slower than by compiled code: {WHY_NOT_COMPILED}"
    remedy = "Install a wheel that was built for this Python, or a C compiler, and install connect-cdc again."
    return Finding("codecs", Severity.WARNING, message, remedy)


def _registry(config: Config) -> Iterator[Finding]:
    client = registry_client(config)
    if client is None:
        return
    try:
        client.subjects()
    except ConnectError as error:
        yield _finding(error)
    else:
        yield Finding("registry", Severity.OK, f"{client.shown_url} answers")


def _source(config: Config, source: SourceConfig) -> Iterator[Finding]:
    """The plugin's checks for the tables that the file names; what is wrong with the names comes first."""
    tables: Mapping[TableId, TableOptions] = {}
    try:
        found = discover(config.name, source)
        tables = found.options
        for table, remedy in found.uncaptured.items():
            yield Finding(str(table), Severity.WARNING, "NOT CAPTURED: the log does not carry it", remedy, is_sql=True)
    except ConfigError as error:
        for problem in error.problems:
            yield Finding("tables", Severity.PROBLEM, f"{problem.where}: {problem.message}", problem.fix)
    except ConnectError as error:
        yield _finding(error)
        return  # the server is not there: its own checks would say it again
    yield from source.plugin.preflight(source.options, _source_context(config, source, tables))


def _source_context(config: Config, source: SourceConfig, tables: Mapping[TableId, TableOptions]) -> SourceContext:
    job = source_job(config, source, lambda _: None, lambda: False)
    return job.context(tables, lambda _: None)


def _sink_context(config: Config, sink: SinkConfig) -> SinkContext:
    topics = SinkTopics(config, sink)
    return SinkContext(sink.name, config.name, lambda topic: topics[topic].options)


def _finding(error: ConnectError) -> Finding:
    return Finding(error.code, Severity.PROBLEM, error.message, error.hint)
