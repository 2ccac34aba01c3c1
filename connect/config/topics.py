"""A sink's topics: which of those that exist it reads, each with its final options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connect.config.precedence import Chosen, choose, unmatched, unused_transforms
from connect.config.problems import by_place
from connect.config.selections import split_target
from connect.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connect.config.models import SinkConfig


@dataclass(frozen=True)
class TargetOptions:
    """The final options of one topic: defaults, then patterns, then its exact name.

    Attributes:
        options: The plugin's ``target`` model; None for a plugin without one.
        fields: Only these fields; None for all.
        origin: ``file:line`` of each option that was set.
    """

    options: Any
    fields: tuple[str, ...] | None
    origin: Mapping[str, str]


def resolve_topics(
    sink: SinkConfig, topics: Sequence[str], *, all_there: bool = True, untold: Sequence[str] = ()
) -> dict[str, TargetOptions]:
    """The topics that a sink reads, of those given.

    Args:
        sink: The sink.
        topics: Names of topics that exist, or that the file's sources will make. Internal ones are passed over.
        all_there: False when more topics may come: then a pattern that matches nothing yet is no error.
        untold: How names begin of which more may come: a pattern that begins so may match nothing yet.

    Raises:
        ConfigError: A pattern matches nothing, or two patterns set one option differently for one topic.
    """
    named = [topic for topic in topics if not topic.startswith("_")]
    problems: list[Problem] = _unmatched(sink, named, tuple(untold)) if all_there else []
    found: dict[str, TargetOptions] = {}
    for topic in named:
        chosen = choose(topic, sink.topics, sink.exclude, sink.defaults, problems)
        if chosen:
            found[topic] = _target(sink, chosen)
    if all_there and not untold:
        problems += unused_transforms(sink.transforms, list(found), "topic")
    if problems:
        raise ConfigError(by_place(problems))
    return found


def _unmatched(sink: SinkConfig, names: Sequence[str], untold: tuple[str, ...]) -> list[Problem]:
    """Patterns that match nothing; a name under ``exclude`` may be that of a topic that was deleted on purpose."""
    entries = [entry for entry in sink.topics if not (entry.pattern and entry.pattern.text.startswith(untold))]
    exclude = [pattern for pattern in sink.exclude if not pattern.exact or pattern.text in names]
    return unmatched(entries, exclude, names, "topic")


def _target(sink: SinkConfig, chosen: Chosen) -> TargetOptions:
    framework, own = split_target(chosen.options)
    fields = framework.get("fields")
    options = sink.plugin.target.model_validate(own) if sink.plugin.target else None
    return TargetOptions(options, tuple(fields) if fields else None, chosen.origin)
