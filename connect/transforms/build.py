"""From the file's transforms to the chain of one table or topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connect.api.tables import View
from connect.errors import Failed, Problem
from connect.transforms.catalog import BUILTIN
from connect.transforms.facts import Facts
from connect.transforms.mask import Masks, mask
from connect.transforms.pipeline import Chain, SinkPipeline, SourcePipeline
from connect.transforms.projection import Fields, keep
from connect.transforms.python import Call, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from connect.api.tables import TableOptions
    from connect.api.transform import Transform
    from connect.config.models import Config, SinkConfig, SourceConfig, TransformConfig
    from connect.config.topics import TargetOptions
    from connect.schema.model import TableId


def check_functions(config: Config) -> list[Problem]:
    """A problem for each Python function of the file that cannot be imported."""
    problems = []
    entries: list[SourceConfig | SinkConfig] = [*config.sources.values(), *config.sinks.values()]
    for entry in entries:
        for item in entry.transforms:
            if isinstance(item.options, Call):
                try:
                    load(item.options.call, entry.folder)
                except Failed as error:
                    problems.append(Problem(item.where, error.message, error.hint))
    return problems


def source_pipeline(
    source: SourceConfig,
    tables: Mapping[TableId, TableOptions],
    columns: Mapping[TableId, frozenset[str]] | None = None,
) -> SourcePipeline:
    """The transforms of a source's tables.

    Args:
        source: The source.
        tables: Its resolved tables.
        columns: Of each table while its masks fitted; with them a mask notices that its column was renamed.

    Raises:
        Failed: A function that cannot be imported, a hash without a key.
    """
    chains = {}
    for table, options in tables.items():
        chain = table_chain(source, table, options, (columns or {}).get(table))
        if chain.transforms:
            chains[table] = chain
    return SourcePipeline(chains)


def table_chain(
    source: SourceConfig, table: TableId, options: TableOptions, columns: frozenset[str] | None = None
) -> Chain:
    """``mask`` and ``columns`` of a table, then the transforms that apply to it, in their order."""
    facts = Facts(
        connector=source.name,
        name=str(table),
        state=View.STATE in options.views,
        columns=columns,
        mask_key=source.mask_key,
        folder=source.folder,
    )
    first: list[Transform] = []
    if options.mask:
        first.append(mask(Masks(fields=dict(options.mask)), facts))
    if options.columns:
        first.append(keep(Fields(fields=list(options.columns)), facts))
    return Chain([*first, *_listed(source.transforms, facts)])


def sink_pipeline(sink: SinkConfig, target: Callable[[str], TargetOptions]) -> SinkPipeline:
    """The transforms of a sink's topics, then ``fields``.

    Args:
        sink: The sink.
        target: Topic → its resolved options.

    Raises:
        Failed: As ``source_pipeline``, when a topic shows its first record.
    """
    return SinkPipeline(lambda topic: topic_chain(sink, topic, target(topic)))


def topic_chain(sink: SinkConfig, topic: str, options: TargetOptions) -> Chain:
    """The transforms that apply to a topic, in their order, then its ``fields``."""
    facts = Facts(connector=sink.name, name=topic, mask_key=sink.mask_key, folder=sink.folder)
    last = [keep(Fields(fields=list(options.fields)), facts)] if options.fields else []
    return Chain([*_listed(sink.transforms, facts), *last])


def _listed(transforms: Iterable[TransformConfig], facts: Facts) -> list[Transform]:
    return [
        item.plugin.build(item.options) if item.plugin else BUILTIN[item.name].build(item.options, facts)
        for item in transforms
        if item.applies_to(facts.name)
    ]
