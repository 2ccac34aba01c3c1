"""``connect peek``: a source that is only looked at, and the child that tidies up after it, whatever ends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import ValidationError

from connect.api.source import SourceContext
from connect.api.tables import TableOptions
from connect.config.patterns import pattern
from connect.config.plugins import for_url
from connect.config.problems import nearest
from connect.errors import ConfigError, Failed, Problem
from connect.runtime.peek_guard import GROUP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from connect.api.plugin import Plugin
    from connect.api.source import Source
    from connect.api.tables import TableInfo
    from connect.record import ChangeEvent
    from connect.schema.model import TableId

_GUARD: Final = (sys.executable, "-P", "-m", "connect.runtime.peek_guard")
_READ_SECONDS: Final = 0.1


class Peek:
    """One look into a server's log, as a context manager; nothing of it stays on the server.

    Args:
        url: Of the database.
        options: The plugin's further keys.
        tables: Names or patterns; none: every table.
        say: Hears what is waited for.

    Raises:
        Failed: ``plugin_unknown``; from ``__enter__`` what the plugin meets.
        ConfigError: The URL or a pattern is wrong, or matches nothing.
    """

    def __init__(
        self,
        url: str,
        options: Mapping[str, Any],
        tables: Sequence[str],
        say: Callable[[str], None],
    ) -> None:
        self._plugin = for_url(url)
        self._options = {"url": url, **options}
        self._config = validated(self._plugin, self._options)
        self._wanted = tables
        self._say = say
        self._source: Source | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._spool = tempfile.TemporaryDirectory(prefix="connect-peek-")
        self.tables: list[TableInfo] = []

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._close()
            raise
        return self

    def _open(self) -> None:
        self.tables = chosen(self._plugin.discover(self._config), self._wanted)
        name = f"peek-{os.getpid()}-{os.urandom(3).hex()}"
        captured: dict[TableId, TableOptions] = {info.table: TableOptions() for info in self.tables}
        self._guard = _start_guard(self._plugin.name, self._options, name)
        context = SourceContext(name, GROUP, captured, Path(self._spool.name), say=self._say, temporary=True)
        self._source = self._plugin.build(self._config, context)
        self._source.open(None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def changes(self) -> Iterator[ChangeEvent]:
        """The changes as they come, without end."""
        source = self._source
        assert source is not None  # noqa: S101 - entered
        while True:
            batch = source.read(_READ_SECONDS)
            if batch is not None:
                yield from batch.events
                source.acknowledge(batch.resume_after)

    def _close(self) -> None:
        source, self._source = self._source, None
        guard, self._guard = self._guard, None
        try:
            if source is not None:
                source.close()
        finally:
            if guard is not None:
                guard.communicate()  # its input ends, it tidies up and says what it could not do
            self._spool.cleanup()


def _start_guard(plugin: str, options: Mapping[str, Any], connector: str) -> subprocess.Popen[bytes]:
    """The child; it hears Ctrl-C in a session of its own no more than a kill of ours."""
    guard = subprocess.Popen(_GUARD, stdin=subprocess.PIPE, start_new_session=True)
    assert guard.stdin is not None  # noqa: S101 - a pipe was asked for
    job = {"plugin": plugin, "options": options, "connector": connector}
    with suppress(BrokenPipeError):  # it died at once: then what is made here stays, and is named at the end
        guard.stdin.write(json.dumps(job).encode() + b"\n")
        guard.stdin.flush()
    return guard


def validated(plugin: Plugin, options: Mapping[str, Any]) -> Any:
    """The plugin's configuration of these keys; raises ``ConfigError``."""
    try:
        return plugin.config.model_validate(dict(options))
    except ValidationError as error:
        problems = [
            Problem(".".join(map(str, e["loc"])), e["msg"].removeprefix("Value error, ")) for e in error.errors()
        ]
        raise ConfigError(problems) from None


def chosen(found: Sequence[TableInfo], wanted: Sequence[str]) -> list[TableInfo]:
    """Those that the names or patterns mean; raises ``ConfigError`` for one that means nothing."""
    if not found:
        raise Failed(
            "tables",
            "the database has no table that this role sees",
            hint="Is it the right database? May it read there?",
        )
    patterns = []
    for text in wanted:
        try:
            patterns.append(pattern(text))
        except ValueError as error:
            raise ConfigError([Problem("--table", f"{text!r}: {error}")]) from None
    names = [str(info.table) for info in found]
    for one in patterns:
        if not any(one.matches(name) for name in names):
            raise ConfigError([Problem("--table", f"{one.text} matches no table", nearest(one.text, names))])
    return [info for info in found if not patterns or any(one.matches(str(info.table)) for one in patterns)]
