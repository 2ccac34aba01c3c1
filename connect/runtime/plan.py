"""What a run would make of the files, before anything is made: tables → topics → targets, and what that changes."""

from __future__ import annotations

import math
import shlex
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from connect.api.tables import TableInfo, TableOptions, View
from connect.config.conflicts import server_of
from connect.config.fields import fill
from connect.config.problems import by_place
from connect.config.selections import name_in_file
from connect.config.topics import TargetOptions, resolve_topics
from connect.errors import ConfigError, ConnectError, Failed, Problem
from connect.kafka.positions import holds_records
from connect.kafka.topics import STATE, Topics, events_settings
from connect.record import plain_shape
from connect.runtime.applied import (
    acts_on,
    sink_models,
    sink_options,
    source_models,
    source_options,
    target_options,
)
from connect.runtime.difference import Change, TableNow, option_changes, stopped_by, table_changes, topic_changes
from connect.runtime.discovered import discover
from connect.runtime.planned import Plan, PlannedOption, PlannedSink, PlannedSource, PlannedTable, PlannedTopic
from connect.runtime.source_job import OPTIONS
from connect.runtime.standing import SINK_RATE, SOURCE_RATE, SinkStanding, SourceStanding, Standings
from connect.runtime.table_identity import identity, not_ours, topic_gone
from connect.runtime.tasks import SinkTopics, registry_client, source_job
from connect.schema.avro import key_subject, value_subject
from connect.schema.model import DECIMAL, Field, TableId

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from connect.api.preflight import Finding
    from connect.config.models import Config, SinkConfig, SourceConfig
    from connect.kafka.topics import Topic
    from connect.runtime.source_job import SourceJob
    from connect.schema.avro import Subject
    from connect.schema.formats import SourceBlock
    from connect.schema.model import TableSchema
    from connect.schema.registry import RegistryClient

JSON_FORMAT: Final = "JSON with schema and payload in every record (the file names no schema_registry)"
KEYLESS: Final = "no key: event view only, null keys, one fixed partition"
KEYLESS_READ: Final = (
    "its rows are read at its first start in one Kafka transaction, whatever window and max_rows_per_second say, and "
    "streaming waits meanwhile"
)
UNORDERED: Final = (
    "{topic} has several partitions, which have no order: a TRUNCATE of its table stops this sink as "
    "FAILED(truncate_unordered); the table's state topic, or partitions: 1, knows no such stop"
)
UNREAD: Final = (
    "no sink reads {topics}: they have no state topic beside them, and a * stops at a dot; write "
    '"*.*.*.events", or their names, under topics: too'
)
_QUESTIONS: Final = 8  # to the registry at a time
_NAMED: Final = 5  # of many topics in one note


def make_plan(config: Config) -> Plan:
    """Ask the sources' servers, Kafka and the registry, and say what a run would do.

    Raises:
        ConfigError: Every problem: names that fit nothing, topics that exist with other settings, two tables meeting in
            one topic, two topics meeting in one target.
    """
    planner = _Planner(config)
    plan = planner.plan()
    if planner.problems:
        raise ConfigError(by_place(planner.problems))
    return plan


class _Planner:
    """One plan in the making: problems gather here, and who has which topic."""

    def __init__(self, config: Config) -> None:
        self.problems: list[Problem] = []
        self._config = config
        self._file = shlex.join(map(str, config.files))
        self._registry = registry_client(config)
        self._registry_up = True
        self._topics = Topics(config.kafka.settings())
        self._standings = Standings(config, self._topics)
        self._unknown: list[str] = []
        self._existing: set[str] = set()
        self._there: dict[str, Topic] = {}
        self._sizes: dict[str, int] = {}
        self._kafka = self._ask("Kafka", self._look)
        self._sizes |= self._ask("how much the topics hold", lambda: self._topics.sizes(self._there.values())) or {}
        self._owners: dict[str, tuple[TableId, str]] = {}
        self._planned: list[tuple[PlannedTopic, str]] = []  # with the line that decided its partitions
        self._targets: dict[tuple[Any, ...], tuple[str, str]] = {}
        self._unordered: set[str] = set()  # event topics of several partitions
        self._untold: list[str] = []  # prefixes of sources whose topics cannot be told before their tables are mended

    def _look(self) -> bool:
        self._existing = set(self._topics.names())
        self._there = self._topics.describe(sorted(self._existing))
        return True

    def _ask(self, what: str, ask: Callable[[], Any]) -> Any:
        """An answer, or None: then the plan says that this part is unknown, and why."""
        try:
            return ask()
        except ConfigError:
            raise
        except ConnectError as error:
            self._unknown.append(f"{what}: {error.message}{f' ({error.hint})' if error.hint else ''}")
            return None

    def plan(self) -> Plan:
        """Sources first: their topics are what sinks read, whether they exist yet or not."""
        config, registry = self._config, self._registry
        plan = Plan(config.name, f"Avro, schemas in {registry.shown_url}" if registry else JSON_FORMAT)
        for source in config.sources.values():
            planned = self._collect(partial(self._ask, f"source {source.name}", partial(self._source, source)))
            if planned:
                plan.sources.append(planned)
            else:
                self._untold.append(f"{source.topic_prefix}.")
            plan.internal.append(f"{config.name}.{source.name}.positions")
        self._check_topics()
        if not self._kafka:
            self._untold = [""]
        for sink in config.sinks.values():
            made = self._collect(partial(self._ask, f"sink {sink.name}", partial(self._sink, sink)))
            plan.sinks += [made] if made else []
            plan.internal.append(f"{config.name}.{sink.name}.bootstrap")
            plan.internal += [sink.dead_letter_topic] if sink.on_error == "dead_letter" else []
        plan.sinks = list(self._with_unread(plan.sinks))
        self._sum_up(plan)
        return plan

    def _sum_up(self, plan: Plan) -> None:
        plan.leftovers = list(self._leftovers())
        plan.changes = [gone(kind, name) for kind, name in self._standings.gone(self._existing)] if self._kafka else []
        made = sum(topic.partitions for topic, _ in self._planned if not topic.exists)
        there = [self._there[topic.name].partitions for topic, _ in self._planned if topic.name in self._there]
        own = [name for name in plan.internal if name not in self._existing]
        plan.new_partitions = made + len(own)
        plan.partitions = made + sum(there) + len(plan.internal)
        plan.unknown = self._unknown

    def _leftovers(self) -> Iterable[str]:
        for source in self._config.sources.values():
            job = source_job(self._config, source, lambda _: None, lambda: False)
            context = job.context({}, lambda _: None)
            if any(line.startswith(f"source {source.name}:") for line in self._unknown):
                continue  # its server is not there, and that is said
            left = partial(source.plugin.leftovers, source.options, context)
            found: Iterable[Finding] | None = self._ask(f"what is left on the server of {source.name}", left)
            for finding in found or ():
                yield f"{finding.message}. {finding.remedy}"

    def _with_unread(self, sinks: Sequence[PlannedSink]) -> Iterable[PlannedSink]:
        """The sinks, with a note where one would read a keyless table but for its topic's last part."""
        read = {topic for sink in sinks for topic in sink.targets}
        for sink in sinks:
            chosen = SinkTopics(self._config, self._config.sinks[sink.name])
            topics = unread_events(self._existing | self._owners.keys(), read, chosen.wanted)
            more = [f"{len(topics) - _NAMED} more"] if len(topics) > _NAMED else []
            note = UNREAD.format(topics=", ".join(topics[:_NAMED] + more))
            yield replace(sink, notes=(*sink.notes, note)) if topics else sink

    def _collect(self, make: Any) -> Any:
        try:
            return make()
        except ConfigError as error:
            self.problems += error.problems
            return None

    def _source(self, source: SourceConfig) -> PlannedSource:
        found = discover(self._config.name, source)
        job = source_job(self._config, source, lambda _: None, lambda: False)
        block = job.block(job.build(job.context(found.options, lambda _: None)))
        columns = {table: frozenset(info.schema.index) for table, (info, _) in found.captured.items()}
        pipeline = job.pipeline(found.options, columns)
        tables, now, subjects = [], [], []
        for info, choice in found.captured.values():
            schema = info.schema.with_key(choice.key or info.schema.key)
            published = pipeline.shape(plain_shape(schema)).schema
            topics = self._table_topics(job, info.table, choice, published)
            subjects.append([s for topic in topics for s in _subjects(topic.name, published, block, choice)])
            tables.append(planned_table(info, choice, published, topics))
            named = {View(topic.view): topic.name for topic in topics}
            now.append(TableNow(info, identity(info, choice, named, job.form)))
            for name in named.values():
                self._sizes.setdefault(name, max(info.rows, 0))
        uncaptured = {str(table): remedy for table, remedy in found.uncaptured.items()}
        others = {str(info.table) for info in found.infos if info.table not in found.options}
        left_out = tuple(sorted(others - uncaptured.keys()))
        registered = tuple(map(self._registered, tables, subjects, self._refusals(subjects)))
        planned = PlannedSource(source.name, source.plugin.name, registered, left_out, uncaptured)
        return self._compared_source(source, planned, now)

    def _compared_source(self, source: SourceConfig, planned: PlannedSource, now: Sequence[TableNow]) -> PlannedSource:
        """With what it does otherwise than its last run; nothing where that is unknown."""
        if not self._kafka:
            return planned
        standing: SourceStanding | None = self._ask(
            f"what {source.name} did last", lambda: self._standings.source(source.name)
        )
        if standing is None:
            return planned
        rate = min(standing.rate or SOURCE_RATE, source.max_rows_per_second or math.inf)
        changes = list(table_changes(source.name, self._file, now, standing.notes, rate))
        changes += self._stops(source, planned, standing.notes)
        if standing.started:
            changes += option_changes(
                standing.notes.get(OPTIONS),
                source_options(source),
                lambda name: acts_on(name, source_models(source)),
                f"connect remove {source.name} {self._file}, which begins anew and reads every table again",
            )
        return replace(planned, changes=tuple(changes), rate=rate, measured=standing.rate is not None)

    def _stops(
        self, source: SourceConfig, planned: PlannedSource, notes: Mapping[str, Mapping[str, Any]]
    ) -> Iterable[Change]:
        """Topics that the run would stop at: gone, or filled by somebody else."""
        for table in planned.tables:
            for topic in table.topics:
                noted, there = f"topic:{topic.name}" in notes, self._there.get(topic.name)
                if noted and there is None:
                    yield stopped_by(topic_gone(topic.name, source.name), table.table)
                elif not noted and there is not None and not source.adopt:
                    ends = self._topics.ends(topic.name, there.partitions)
                    if holds_records(self._config.kafka.settings(), topic.name, ends):
                        yield stopped_by(not_ours(topic.name, source.name), table.table)

    def _registered(self, table: PlannedTable, subjects: Sequence[Subject], refused: Sequence[str]) -> PlannedTable:
        """With its schemas by subject, and notes on those that the registry refuses now."""
        if self._registry is None:
            return table
        schemas = {subject.name: subject.text for subject in subjects}
        return replace(table, schemas=schemas, notes=(*table.notes, *refused))

    def _refusals(self, tables: Sequence[Sequence[Subject]]) -> Sequence[Sequence[str]]:
        """What the registry has against the schemas of each table: asked for a few at a time, there may be hundreds."""
        registry, nothing = self._registry, [()] * len(tables)
        if registry is None or not self._registry_up:
            return nothing
        there = self._ask("the registry", partial(subjects_there, registry, tables))
        if there is None:
            self._registry_up = False
            return nothing
        ask = partial(refusals, registry, there)
        with ThreadPoolExecutor(_QUESTIONS, thread_name_prefix="registry") as pool:
            found = self._ask("the registry", lambda: list(pool.map(ask, tables)))
            pool.shutdown(cancel_futures=True)
        self._registry_up = found is not None
        return found or nothing

    def _table_topics(
        self, job: SourceJob, table: TableId, choice: TableOptions, published: TableSchema
    ) -> tuple[PlannedTopic, ...]:
        where = (choice.origin or {}).get("partitions", "")
        topics = []
        for view in choice.views:
            name = job.topic(published.table, view)
            owner = self._owners.setdefault(name, (table, job.name))
            if owner != (table, job.name):
                message = f"{table} of {job.name} and {owner[0]} of {owner[1]} would both be written to topic {name}"
                self.problems.append(Problem(where, message, "give one of them a route transform, or exclude it"))
            keep = None if view is View.STATE else choice.events_keep_ms
            topics.append(PlannedTopic(name, view.value, choice.partitions, keep, self._exists(name)))
            self._planned.append((topics[-1], where))
            if view is View.EVENTS and choice.partitions > 1:
                self._unordered.add(name)
        return tuple(topics)

    def _exists(self, topic: str) -> bool | None:
        return topic in self._existing if self._kafka else None

    def _check_topics(self) -> None:
        """Topics that exist as the file does not want them; their settings are asked for all at once."""
        names = [topic.name for topic, _ in self._planned if topic.exists]
        made_just_now = [name for name in names if name not in self._there]
        self._there |= self._ask("topics that were made just now", lambda: self._topics.describe(made_just_now)) or {}
        settings = self._ask("the settings of topics", lambda: self._topics.settings(names)) or {}
        for topic, where in self._planned:
            if topic.name in self._there:
                self.problems += _misfits(topic, self._there[topic.name], settings.get(topic.name, {}), where)

    def _sink(self, sink: SinkConfig) -> PlannedSink:
        chosen = SinkTopics(self._config, sink)
        names = [name for name in sorted(self._existing | self._owners.keys()) if not chosen.internal(name)]
        targets, given = {}, {}
        for topic, options in resolve_topics(sink, names, untold=self._untold).items():
            if chosen.bookkeeping(topic):
                continue
            try:
                targets[topic] = rendered(topic, options, sink.plugin.target_names)
            except Failed as error:
                self.problems.append(Problem(_where(sink, options), error.message, error.hint))
            else:
                self._meet(sink, topic, options, targets[topic])
                given[topic] = target_options(options)
        notes = tuple(UNORDERED.format(topic=topic) for topic in targets if topic in self._unordered)
        return self._compared_sink(sink, PlannedSink(sink.name, sink.plugin.name, targets, notes), given)

    def _compared_sink(
        self, sink: SinkConfig, planned: PlannedSink, given: Mapping[str, Mapping[str, Any]]
    ) -> PlannedSink:
        """With what it does otherwise than its last run; ``given``: its topics' options."""
        if not self._kafka:
            return planned
        standing: SinkStanding | None = self._ask(f"what {sink.name} did last", lambda: self._standings.sink(sink.name))
        if standing is None:
            return planned
        rate, rebuild = standing.rate or SINK_RATE, f"connect rebuild {sink.name} {self._file}"

        def acts(name: str) -> str:
            return acts_on(name, sink_models(sink))

        changes = [
            *topic_changes(standing, given, self._sizes, acts, rebuild),
            *option_changes(standing.options, sink_options(sink), acts, rebuild),
        ]
        records = sum(self._sizes.get(topic, 0) for topic in given)
        return replace(planned, changes=tuple(changes), records=records, rate=rate, measured=standing.rate is not None)

    def _meet(self, sink: SinkConfig, topic: str, options: TargetOptions, target: Mapping[str, Any]) -> None:
        """Two topics in one target would overwrite each other's rows."""
        names = tuple((key, value) for key, value in target.items() if isinstance(value, str))
        if not names:
            return
        other = self._targets.setdefault((sink.plugin.name, server_of(sink.options), names), (sink.name, topic))
        if other != (sink.name, topic):
            message = (
                f"{topic} of {sink.name} and {other[1]} of {other[0]} meet in one target: {names[0][0]} {names[0][1]}"
            )
            where = _where(sink, options)
            self.problems.append(Problem(where, message, "use {schema} or {topic} in its name, or exclude one of them"))


def _where(sink: SinkConfig, options: TargetOptions) -> str:
    return next(iter(options.origin.values()), sink.where)


def planned_table(
    info: TableInfo,
    choice: TableOptions,
    published: TableSchema,
    topics: tuple[PlannedTopic, ...],
) -> PlannedTable:
    """A table of a source: what an operator should know of it, and its options; ``published`` is its shape there."""
    notes = list(info.notes)
    if not published.key:
        notes.insert(0, KEYLESS if choice.snapshot == "never" else f"{KEYLESS}; {KEYLESS_READ}")
    if not info.can_change and not any("NOT CAPTURED" in note for note in notes):
        notes.append("its UPDATEs and DELETEs are NOT CAPTURED: the log does not carry them without a replica identity")
    if choice.where:
        notes.append(f"only rows with {choice.where} are read; the log delivers every change")
    columns = {column.name: type_word(column) for column in published.columns}
    snapshot = choice.snapshot == "initial"
    return PlannedTable(
        table=str(info.table),
        key=published.key,
        columns=columns,
        topics=topics,
        snapshot=snapshot,
        rows=info.rows,
        bytes=info.bytes,
        new_columns=choice.new_columns,
        notes=tuple(notes),
        schemas={},
        options=_options(choice),
    )


def _options(choice: TableOptions) -> dict[str, PlannedOption]:
    origin = choice.origin or {}
    values = {each.name: _plain(getattr(choice, each.name)) for each in fields(choice) if each.name != "origin"}
    values["events_keep_ms"] = "forever" if choice.events_keep_ms < 0 else f"{choice.events_keep_ms}ms"
    return {name_in_file(name): PlannedOption(value, origin.get(name, "")) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value if isinstance(value, str | int | bool | None) else str(value)


def type_word(column: Field) -> str:
    """A column's type in a word: ``int64``, ``decimal(10,2)?``, ``MicroTimestamp?``."""
    kind, name = column.type.kind.value, column.type.name
    if name == DECIMAL:
        precision, scale = column.type.parameter("connect.decimal.precision"), column.type.parameter("scale")
        word = f"decimal({precision},{scale})" if precision else f"decimal(scale {scale})"
    else:
        word = name.rpartition(".")[2] if name else kind
    return f"{word}?" if column.optional else word


def gone(kind: str, name: str) -> Change:
    """A connector that ran once and that the file has not; another file of the same name may have it."""
    if kind == "sink":
        text = "is not in the file; what it wrote stays in its target"
        return Change(sign="-", what=f"sink {name}", text=text)
    text = "is not in the file; its topics and its position stay, and on its server its slot, which holds the log"
    return Change(
        sign="-",
        what=f"source {name}",
        text=text,
        remedy=f"if no other file has it, with the one that had it: connect remove {name} FILE",
    )


def _misfits(planned: PlannedTopic, found: Topic, settings: Mapping[str, str], where: str) -> Iterable[Problem]:
    """What an existing topic has otherwise than the file wants."""
    if found.partitions != planned.partitions:
        message = f"topic {planned.name} has {found.partitions} partitions and the file wants {planned.partitions}"
        yield Problem(where, message, f"write partitions: {found.partitions}, or give the source another topic_prefix")
    wanted = (STATE if planned.keep_ms is None else events_settings(planned.keep_ms))["cleanup.policy"]
    policy = settings.get("cleanup.policy", wanted)
    if policy != wanted:
        message = f"topic {planned.name} has cleanup.policy={policy} and its view needs {wanted}"
        fix = f"kafka-configs.sh --alter --topic {planned.name} --add-config cleanup.policy={wanted}"
        yield Problem(where, message, fix)


def _subjects(topic: str, schema: TableSchema, block: SourceBlock, choice: TableOptions) -> Iterable[Subject]:
    yield value_subject(topic, schema, block, choice.value)
    if schema.key:
        yield key_subject(topic, schema)


def subjects_there(registry: RegistryClient, tables: Iterable[Iterable[Subject]]) -> frozenset[str]:
    """Subjects that have a schema already, or may have: a new one takes anything, so it need not be asked for."""
    try:
        return registry.subjects()
    except Failed:  # the list is not for us, or too long; whatever else it is, the questions themselves tell
        return frozenset(subject.name for subjects in tables for subject in subjects)


def refusals(registry: RegistryClient, there: Collection[str], subjects: Iterable[Subject]) -> list[str]:
    """Notes on schemas that the registry refuses now. A running source may still widen them (rules V1-V6)."""
    return [
        f"the registry refuses the schema of {subject.name} as the table is now: {reason}; columns that change "
        "while the source runs are widened first, otherwise it stops as FAILED(schema_incompatible)"
        for subject in subjects
        if subject.name in there
        for reason in registry.incompatibilities(subject.name, subject.text)
    ]


def unread_events(names: Collection[str], read: Collection[str], wanted: Callable[[str], bool]) -> list[str]:
    """Event topics that nobody reads, of tables without a state topic that ``wanted`` would let through."""
    states = {topic: topic.removesuffix(".events") for topic in names if topic.endswith(".events")}
    return sorted(t for t, state in states.items() if t not in read and state not in names and wanted(state))


def rendered(topic: str, options: TargetOptions, names: Callable[[Any, str], Mapping[str, str]]) -> dict[str, Any]:
    """A target's options as they are for this topic; ``names``: those that the plugin makes something of.

    Raises:
        Failed: The plugin's own: there can be no such target.
    """
    found: dict[str, Any] = {}
    if options.options is not None:
        values = options.options.model_dump().items()
        found = {key: fill(value, topic) if isinstance(value, str) else value for key, value in values}
        found |= names(options.options, topic)
    return {**found, **({"fields": list(options.fields)} if options.fields else {})}
