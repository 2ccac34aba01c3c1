"""The operator's files as typed values: sources and sinks with their plugins, patterns in place of names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import BaseModel

    from connect.api.plugin import Plugin
    from connect.config.document import Document
    from connect.config.fields import Secret
    from connect.config.keys import KafkaConfig, RegistryConfig, WorkerConfig
    from connect.config.patterns import Pattern
    from connect.config.window import Window


@dataclass(frozen=True)
class Selection:
    """One entry of ``tables:`` or ``topics:``, or ``defaults:`` (no pattern).

    Attributes:
        pattern: What it applies to; None for ``defaults``.
        options: The options that it sets, by attribute of ``TableOptions`` or key of the target.
        places: ``file:line`` of each.
        where: ``file:line`` of the entry.
    """

    pattern: Pattern | None
    options: Mapping[str, Any]
    places: Mapping[str, str]
    where: str


@dataclass(frozen=True)
class TransformConfig:
    """One item of ``transforms:``.

    Attributes:
        name: The word that names it.
        applies: Tables or topics; empty for all.
        options: Its options' model.
        plugin: The plugin, for transforms that are not built in.
        where: ``file:line``.
    """

    name: str
    applies: tuple[Pattern, ...]
    options: BaseModel
    plugin: Plugin | None
    where: str

    def applies_to(self, name: str) -> bool:
        """Whether it works on a table or topic."""
        return not self.applies or any(pattern.matches(name) for pattern in self.applies)


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """One source of the file.

    Attributes:
        name: Its name in the file.
        plugin: The plugin.
        options: The plugin's own model, validated.
        topic_prefix: First part of its topics' names.
        adopt: Whether topics that hold records of somebody else may be written to.
        tables: Entries of ``tables:``.
        exclude: What stays out.
        defaults: Entry of ``defaults:``.
        max_rows_per_second: Of snapshots; None for no limit.
        window: Hours in which snapshots read; None for any time.
        transforms: In their order.
        mask_key: The file's.
        folder: The file's, for Python functions beside it.
        where: ``file:line``.
    """

    name: str
    plugin: Plugin
    options: Any
    topic_prefix: str
    adopt: bool
    tables: tuple[Selection, ...]
    exclude: tuple[Pattern, ...]
    defaults: Selection
    max_rows_per_second: int | None
    window: Window | None
    transforms: tuple[TransformConfig, ...]
    mask_key: Secret | None
    folder: Path
    where: str


@dataclass(frozen=True, kw_only=True)
class SinkConfig:
    """One sink of the file.

    Attributes:
        name: Its name in the file.
        plugin: The plugin.
        options: The plugin's own model, validated.
        topics: Entries of ``topics:``.
        exclude: What stays out.
        defaults: Entry of ``defaults:``.
        transforms: In their order.
        on_error: ``fail`` or ``dead_letter``.
        dead_letter_topic: Its dead letters' topic.
        dead_letter_keep_ms: Their retention in milliseconds; -1 is for ever.
        mask_key: The file's.
        folder: The file's, for Python functions beside it.
        where: ``file:line``.
    """

    name: str
    plugin: Plugin
    options: Any
    topics: tuple[Selection, ...]
    exclude: tuple[Pattern, ...]
    defaults: Selection
    transforms: tuple[TransformConfig, ...]
    on_error: Literal["fail", "dead_letter"]
    dead_letter_topic: str
    dead_letter_keep_ms: int
    mask_key: Secret | None
    folder: Path
    where: str


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that the files say, checked as far as files alone can be.

    Attributes:
        name: The worker group.
        kafka: The cluster.
        schema_registry: The registry, or None for JSON.
        worker: The worker process.
        mask_key: Secret of hashes.
        sources: By name.
        sinks: By name.
        files: As the operator named them.
        document: The files' data with references unresolved (F161), and the place of every key.
    """

    name: str
    kafka: KafkaConfig
    schema_registry: RegistryConfig | None
    worker: WorkerConfig
    mask_key: Secret | None
    sources: Mapping[str, SourceConfig]
    sinks: Mapping[str, SinkConfig]
    files: tuple[Path, ...]
    document: Document = field(repr=False)
