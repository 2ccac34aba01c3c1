"""What the platform team has to make and to grant before a worker may run as a principal of its own."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from connect.kafka.client import READERS
from connect.kafka.topics import POSITIONS, STATE, TopicSpec, events_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from connect.config.models import Config, SinkConfig, SourceConfig
    from connect.runtime.planned import Plan, PlannedSource, PlannedTopic

UNKNOWN: Final = "User:PRINCIPAL"
# Write and Read include Describe.
_OWN: Final = ("Create", "DescribeConfigs", "Read", "Write")
_READ: Final = ("DescribeConfigs", "Read")
_WILD: Final = "*?/"


@dataclass(frozen=True)
class Right:
    """Operations on a resource.

    Attributes:
        resource: ``topic``, ``group`` or ``transactional-id``.
        name: Of the resource, or what its name begins with.
        pattern: ``literal`` or ``prefixed``.
        operations: As ``kafka-acls.sh`` calls them.
        why: Who needs it for what.
    """

    resource: str
    name: str
    pattern: str
    operations: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Needs:
    """All of it.

    Attributes:
        principal: As the file gives it; ``User:PRINCIPAL`` where only the cluster knows it.
        bootstrap: Of the cluster.
        topics: That a run makes, where somebody else has to.
        rights: Of the principal.
        unknown: What did not answer, so that something may be missing here.
    """

    principal: str
    bootstrap: str
    topics: tuple[TopicSpec, ...]
    rights: tuple[Right, ...]
    unknown: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return asdict(self)


def needs(config: Config, plan: Plan) -> Needs:
    """What a worker of these files needs of the cluster."""
    topics, rights = list(_topics(config, plan)), list(_rights(config, plan))
    sasl = config.kafka.security.sasl
    principal = f"User:{sasl.username}" if sasl and sasl.username else UNKNOWN
    return Needs(principal, ",".join(config.kafka.bootstrap), tuple(topics), tuple(rights), tuple(plan.unknown))


def _topics(config: Config, plan: Plan) -> Iterator[TopicSpec]:
    for source in plan.sources:
        for topic in (topic for table in source.tables for topic in table.topics if not topic.exists):
            yield TopicSpec(topic.name, topic.partitions, _settings(topic))
        yield TopicSpec(f"{config.name}.{source.name}.positions", 1, POSITIONS)
    for sink in config.sinks.values():
        yield TopicSpec(f"{config.name}.{sink.name}.bootstrap", 1, POSITIONS)
        if sink.on_error == "dead_letter":
            yield TopicSpec(sink.dead_letter_topic, 1, events_settings(sink.dead_letter_keep_ms))


def _settings(topic: PlannedTopic) -> Mapping[str, str]:
    return STATE if topic.keep_ms is None else events_settings(topic.keep_ms)


def _rights(config: Config, plan: Plan) -> Iterator[Right]:
    yield Right("group", config.name, "literal", ("Read",), "the worker group")
    yield Right("group", READERS, "literal", ("Describe",), "to read positions and topics from their start")
    for planned in plan.sources:
        yield from _of_source(config.name, config.sources[planned.name], planned)
    for sink in config.sinks.values():
        targets = next((each.targets for each in plan.sinks if each.name == sink.name), {})
        yield from _of_sink(config.name, sink, targets)


def _of_source(group: str, source: SourceConfig, planned: PlannedSource) -> Iterator[Right]:
    why, below = f"source {source.name}", f"{source.topic_prefix}."
    names = [topic.name for table in planned.tables for topic in table.topics]
    if any(entry.pattern and not entry.pattern.exact for entry in source.tables):
        yield Right("topic", below, "prefixed", _OWN, f"{why}: its tables, later ones too")
        names = [name for name in names if not name.startswith(below)]
    for name in names:
        yield Right("topic", name, "literal", _OWN, f"{why}: a table")
    yield Right("topic", f"{group}.{source.name}.positions", "literal", _OWN, f"{why}: its position")
    yield Right("transactional-id", f"{group}-{source.name}-", "prefixed", ("Write",), f"{why}: exactly once")


def _of_sink(group: str, sink: SinkConfig, targets: Iterable[str]) -> Iterator[Right]:
    why, own = f"sink {sink.name}", f"{group}.{sink.name}"
    for name, pattern in _read(sink, targets):
        yield Right("topic", name, pattern, _READ, f"{why}: what it reads")
    yield Right("topic", f"{own}.bootstrap", "literal", _OWN, f"{why}: its notes")
    if sink.on_error == "dead_letter":
        yield Right("topic", sink.dead_letter_topic, "literal", _OWN, f"{why}: its dead letters")
    yield Right("group", own, "literal", ("Read",), f"{why}: its offsets, for lag tools")


def _read(sink: SinkConfig, targets: Iterable[str]) -> list[tuple[str, str]]:
    """Topics of a sink: what its patterns begin with; where they begin with a wildcard, those that are there now."""
    found: dict[tuple[str, str], None] = {}
    for entry in sink.topics:
        text = entry.pattern.text if entry.pattern else ""
        start = text[: min((text.index(mark) for mark in _WILD if mark in text), default=len(text))]
        if entry.pattern and entry.pattern.exact:
            found[text, "literal"] = None
        elif start:
            found[start, "prefixed"] = None
        else:
            matching = (topic for topic in targets if entry.pattern and entry.pattern.matches(topic))
            found.update(dict.fromkeys((topic, "literal") for topic in matching))
    return list(found)


def script(needed: Needs) -> str:
    """The same as commands of Kafka's own tools, with a line on each."""
    lines = [
        "#!/bin/sh -e",
        "# What the worker needs of the cluster, by `connect plan --acls`. admin.properties: how you log in there.",
        *(f"# UNKNOWN, so something may be missing here: {line}" for line in needed.unknown),
        f"connection={shlex.quote(f'--bootstrap-server {needed.bootstrap} --command-config admin.properties')}",
        f"principal={shlex.quote(needed.principal)}"
        + ("  # the name by which the brokers know the worker" if needed.principal == UNKNOWN else ""),
        "",
        "# Topics; the worker makes them itself where it may, with the cluster's own replication factor.",
    ]
    lines += [_create(topic) for topic in needed.topics]
    lines += ["", "# Rights. Read and Write include Describe; a cluster before 3.0 wants IdempotentWrite too."]
    lines += [line for right in needed.rights for line in _grant(right)]
    return "\n".join(lines)


def _create(topic: TopicSpec) -> str:
    settings = " ".join(f"--config {name}={value}" for name, value in topic.settings.items())
    words = f"--topic {shlex.quote(topic.name)} --partitions {topic.partitions} {settings}"
    return f"kafka-topics.sh $connection --create --if-not-exists {words}"


def _grant(right: Right) -> Sequence[str]:
    operations = " ".join(f"--operation {operation}" for operation in right.operations)
    pattern = " --resource-pattern-type prefixed" if right.pattern == "prefixed" else ""
    words = f"--{right.resource} {shlex.quote(right.name)}{pattern} {operations}"
    return (f"# {right.why}", f'kafka-acls.sh $connection --add --allow-principal "$principal" {words}')
