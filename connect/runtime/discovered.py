"""Which tables of a source's server are captured, and which would have to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from connect.config.tables import named_exactly, resolve_tables
from connect.errors import ConnectError, Failed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connect.api.tables import TableInfo, TableOptions
    from connect.config.models import SourceConfig
    from connect.schema.model import TableId


class Discovered(NamedTuple):
    """A source's tables, as its server has them now.

    Attributes:
        infos: Every one that can be captured.
        options: Those that are, with their final options.
        uncaptured: Those that a pattern names and the log does not carry: the SQL that lets it.
    """

    infos: Sequence[TableInfo]
    options: dict[TableId, TableOptions]
    uncaptured: Mapping[TableId, str]

    @property
    def captured(self) -> dict[TableId, tuple[TableInfo, TableOptions]]:
        """What is captured, in order."""
        infos = {info.table: info for info in self.infos}
        return {table: (infos[table], choice) for table, choice in self.options.items()}


def discover(group: str, source: SourceConfig) -> Discovered:
    """Ask the source's server; ``group`` is the worker's name.

    Raises:
        ConfigError: The file does not fit the server.
        Failed, Retriable: The plugin's own, under the source's name; ``tables`` where the log carries none of them.
    """
    try:
        infos = source.plugin.discover(source.options)
    except ConnectError as error:
        error.message = f"{source.name}: {error.message}"
        raise
    options = resolve_tables(source, infos)
    wide = [table for table in options if not named_exactly(source, table)]
    left_out = source.plugin.uncaptured(source.options, group, source.name) if wide else {}
    uncaptured = {table: left_out[table] for table in wide if table in left_out}
    options = {table: choice for table, choice in options.items() if table not in uncaptured}
    if uncaptured and not options:
        message = f"{source.name}: the log carries none of the tables that the file names"
        raise Failed("tables", message, hint="\n".join(uncaptured.values()))
    return Discovered(infos, options, uncaptured)
