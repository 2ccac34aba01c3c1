"""The object behind an entry point of the group ``connect.plugins``: everything the framework knows of a plugin."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from connect.errors import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pydantic import BaseModel

    from connect.api.preflight import Finding
    from connect.api.tables import TableInfo
    from connect.schema.model import TableId

ENTRY_POINT_GROUP = "connect.plugins"


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """What a plugin can do; chooses which contract tests apply to it.

    Attributes:
        snapshots: A source whose ``snapshots()`` works.
        resumes_inside_transactions: A source whose positions can lie inside a transaction (rule S4).
        truncate: A source that delivers TRUNCATE; a sink that applies it.
        deletes: A sink that removes rows.
        transactional: A sink whose rows and offsets are one transaction (exactly once by K1, not by versions).
        appends: A sink that takes records with a null key.
        rewrites: A sink that is a ``WritesAgain``: dead letters can be sent again.
    """

    snapshots: bool = False
    resumes_inside_transactions: bool = False
    truncate: bool = False
    deletes: bool = False
    transactional: bool = False
    appends: bool = False
    rewrites: bool = False


def _nothing(*_: Any) -> Iterable[Any]:
    return ()


def later(reference: str) -> Callable[..., Any]:
    """A function or class ``module:name`` whose module is imported at the first call.

    A process that only reads configuration, or runs another plugin's task, does not load this one's client libraries.

    Raises:
        Failed: ``plugin_broken``, at that call, where the module does not load.
    """
    module, _, name = reference.partition(":")

    def call(*args: Any) -> Any:
        try:
            function = getattr(import_module(module), name)
        except ImportError as error:
            message = f"{reference} does not load: {error}"
            raise Failed("plugin_broken", message, hint="install what it misses, or a version that fits") from None
        return function(*args)

    return call


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A plugin: its configuration model, how to build it, what it can do.

    Attributes:
        name: The word after ``plugin:`` in a file.
        kind: Source, sink or transform.
        config: A pydantic model with ``extra="forbid"`` of the plugin's own keys. Keys that the framework reads itself
            (tables, topics, transforms, defaults …) are not part of it.
        build: ``(config, context) -> Source | Sink``; a transform's is ``(config) -> Transform``.
        capabilities: What it can do.
        target: A sink's model of the options of one target (``table: ...``, ``index: ...``), valid under ``defaults:``
            and under a topic's entry in ``topics:``.
        target_names: A sink's (target options, topic) → what it makes of those options for that topic, where it is more
            than placeholders filled in: ``plan`` shows it, and no two topics may meet in it. Raises ``Failed`` for what
            the target would refuse.
        version: Of the plugin, for ``connect plugins``.
        discover: A source's tables as its server has them, or those that a pattern might mean.
        uncaptured: ``(config, group, connector) -> tables``: those that the log does not carry for this source, each
            with the SQL that lets it. One that a pattern names is NOT CAPTURED then; an exact name stops the source.
        preflight: ``(config, context-like mapping) -> findings`` for ``doctor``.
        names: ``(config, group, connector) -> names``: what is made on the server under names that are taken from the
            connector's where the file gives none, by the key that would give it. A renamed source keeps them.
        leftovers: ``(config, context) -> findings``: what sources of the group left behind on the server which the file
            has no more, for ``plan``. Raises ``ConnectError`` where the server does not answer.
        remove: Undo what the first open created on the server (slot, publication); one sentence for each thing.
        rebuild: Drop what a sink made in its target, nothing else; returns one sentence for each thing.
        failures: Codes of this plugin's own for ``connect explain``:
            code → (what happened, is anything lost, what to do).
        connector: The ``source.connector`` word of the envelope, for sources; Debezium's where one exists.
        session: SQL with which an administrator's session begins, so that its statements hold no lock queue up.
        schemes: Of the URLs that a source takes, for commands that are given a URL alone.
    """

    name: str
    kind: Literal["source", "sink", "transform"]
    config: type[BaseModel]
    build: Callable[..., Any]
    capabilities: Capabilities = Capabilities()
    target: type[BaseModel] | None = None
    target_names: Callable[[Any, str], Mapping[str, str]] = field(default=lambda _, __: {})
    version: str = ""
    discover: Callable[[Any], list[TableInfo]] = field(default=lambda _: [])
    uncaptured: Callable[[Any, str, str], Mapping[TableId, str]] = field(default=lambda *_: {})
    preflight: Callable[[Any, Any], Iterable[Finding]] = _nothing
    names: Callable[[Any, str, str], Mapping[str, str]] = field(default=lambda *_: {})
    leftovers: Callable[[Any, Any], Iterable[Finding]] = _nothing
    remove: Callable[[Any, Any], Iterable[str]] = _nothing
    rebuild: Callable[[Any, Any], Iterable[str]] = _nothing
    failures: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    connector: str = ""
    session: str = ""
    schemes: tuple[str, ...] = ()
