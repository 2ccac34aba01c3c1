"""What a source task is built from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connect.api.source import Source, SourceContext
    from connect.api.tables import TableOptions, View
    from connect.config.window import Window
    from connect.runtime.discovered import Discovered
    from connect.runtime.report import TaskReport
    from connect.runtime.table_writer import Pipeline
    from connect.schema.formats import Format, Reader, SourceBlock
    from connect.schema.model import TableId

OPTIONS: Final = "options"  # the note with the connector's options at its last start


@dataclass(frozen=True, kw_only=True)
class SourceJob:
    """All that a source task is built from.

    Attributes:
        name: The connector's name in the file.
        group: The worker group's name.
        kafka: librdkafka settings of the connection.
        discover: The tables to capture, as the server has them now.
        context: What the plugin is given, for these tables, and where it says what it waits for.
        build: Build the plugin's source.
        wire: Build the format, from the notes that were stored.
        form: Its name: Avro or JSON.
        block: The envelope's constant part.
        pipeline: The file's transforms, for these tables and the columns that they are known with.
        may_break: Whether the operator allowed incompatible schemas of all these topics, in the registry.
        reader: Reads keys back from topics.
        topic: The topic of a table's view; the table is named as its transforms leave it.
        max_rows_per_second: Of snapshots.
        window: Hours in which snapshots read; None for any time.
        applied: Its options as they are noted, for ``plan`` to compare with later ones.
        adopt: Whether topics that hold records of somebody else may be written to.
        widens: Whether a pattern may name tables that appear while it runs.
        report: Told the whole state about twice a second.
        stopping: True once the task should end.
    """

    name: str
    group: str
    kafka: Mapping[str, Any]
    discover: Callable[[], Discovered]
    context: Callable[[Mapping[TableId, TableOptions], Callable[[str], None]], SourceContext]
    build: Callable[[SourceContext], Source]
    wire: Callable[[Mapping[str, dict[str, Any]]], Format]
    form: str
    block: Callable[[Source], SourceBlock]
    pipeline: Callable[[Mapping[TableId, TableOptions], Mapping[TableId, frozenset[str]]], Pipeline]
    may_break: Callable[[tuple[str, ...]], bool]
    reader: Reader
    topic: Callable[[TableId, View], str]
    max_rows_per_second: int | None
    window: Window | None
    applied: Mapping[str, Any] = field(default_factory=dict)
    adopt: bool
    widens: bool
    report: Callable[[TaskReport], None]
    stopping: Callable[[], bool]
