"""A connector's options as they are noted at its start, so that ``plan`` can say what has changed since (DESIGN §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connect.config.fields import Changes
from connect.config.keys import SinkKeys, SourceKeys, TableEntry, TargetKeys
from connect.config.reference import options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import BaseModel

    from connect.api.tables import TableOptions
    from connect.config.models import SinkConfig, SourceConfig, TransformConfig
    from connect.config.topics import TargetOptions


def source_options(source: SourceConfig) -> dict[str, Any]:
    """By their dotted name in the file, as JSON; secrets are ``***`` and URLs are secrets. Not those of its tables."""
    return {
        "adopt": source.adopt,
        "snapshot.max_rows_per_second": source.max_rows_per_second,
        "snapshot.window": source.window.text if source.window else None,
        "transforms": _transforms(source.transforms),
        **_flat(source.options),
    }


def sink_options(sink: SinkConfig) -> dict[str, Any]:
    """The same for a sink; not those of its topics."""
    return {
        "on_error": sink.on_error,
        "dead_letters.topic": sink.dead_letter_topic,
        "dead_letters.keep": sink.dead_letter_keep_ms,
        "transforms": _transforms(sink.transforms),
        **_flat(sink.options),
    }


def target_options(target: TargetOptions) -> dict[str, Any]:
    """A topic's options, as the file gives them."""
    own = {} if target.options is None else _flat(target.options)
    return {**own, "fields": list(target.fields) if target.fields else None}


def table_options(choice: TableOptions) -> dict[str, Any]:
    """Options of a table that its topics do not rest on; the others are its identity."""
    return {
        "columns": list(choice.columns) if choice.columns is not None else None,
        "new_columns": choice.new_columns,
        "changed_types": choice.changed_types,
        "events.keep": choice.events_keep_ms,
        "snapshot.mode": choice.snapshot,
        "snapshot.where": choice.where,
    }


def acts_on(name: str, models: Iterable[type[BaseModel] | None]) -> str:
    """What a change of an option acts on, by the models that may have it."""
    for model in models:
        for option in options(model) if model is not None else ():
            if option.name == name or name.startswith(f"{option.name}."):
                return option.changes
    return Changes.NEW_RECORDS if name == "transforms" else Changes.LIVE


def source_models(source: SourceConfig) -> tuple[type[BaseModel] | None, ...]:
    """Where ``acts_on`` looks for an option of a source."""
    return (source.plugin.config, SourceKeys)


def sink_models(sink: SinkConfig) -> tuple[type[BaseModel] | None, ...]:
    """Where ``acts_on`` looks for an option of a sink or of its topics."""
    return (sink.plugin.target, TargetKeys, sink.plugin.config, SinkKeys)


TABLE_MODELS = (TableEntry,)


def _transforms(transforms: Iterable[TransformConfig]) -> list[Any]:
    return [
        {each.name: _json(each.options), "applies": [pattern.text for pattern in each.applies]} for each in transforms
    ]


def _json(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", fallback=str)


def _flat(model: BaseModel) -> dict[str, Any]:
    return dict(_dotted(_json(model), ""))


def _dotted(values: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _dotted(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
