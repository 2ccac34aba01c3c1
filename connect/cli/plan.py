"""``connect plan FILE…``: tables → topics → targets, before anything is made."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path  # noqa: TC003 - Typer reads annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from connect.cli import figures
from connect.config.load import load_config
from connect.config.problems import nearest
from connect.errors import ConnectError
from connect.runtime.logs import escape
from connect.runtime.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connect.runtime.plan import Plan, PlannedSink, PlannedSource, PlannedTable, PlannedTopic


def plan(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Configuration files.", show_default=False)],
    *,
    table: Annotated[
        str | None, typer.Option(metavar="TABLE", help="Only this table: its options, and the line that decided each.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a run would make: topics, keys, schemas, partitions, targets. Nothing is made.

    Exit codes: 0 it can be made, 1 a server is not there, 2 problems in the files or with what exists.
    """
    made = make_plan(load_config(files))
    if table is not None:
        made = _only(made, table)
    if as_json:
        print(json.dumps(asdict(made)))
        return
    console = Console(highlight=False, soft_wrap=True)
    for line in lines(made) if table is None else _deciding(made):
        console.print(line)


def _only(made: Plan, name: str) -> Plan:
    """The plan of one table alone."""
    chosen = [replace(source, tables=tuple(t for t in source.tables if t.table == name)) for source in made.sources]
    chosen = [replace(source, left_out=(), uncaptured={}) for source in chosen if source.tables]
    if not chosen:
        captured = [table.table for source in made.sources for table in source.tables]
        message = f"no source of the file captures a table {name}"
        raise ConnectError(message, code="table_missing", hint=nearest(name, captured))
    return replace(made, sources=chosen, sinks=[], internal=[])


def _deciding(made: Plan) -> Iterator[Text]:
    for source in made.sources:
        yield Text(f"source {escape(source.name)}", "bold")
        for table in source.tables:
            yield from _table(table)
            for name, option in table.options.items():
                value = escape(json.dumps(option.value, ensure_ascii=False))
                yield Text.assemble(f"      {name}: {value}  ", (escape(option.origin) or "default", "dim"))


def lines(made: Plan) -> Iterator[Text]:
    """The plan for people."""
    yield Text(f"Format: {made.format}", "bold")
    for source in made.sources:
        yield from _source(source)
    for sink in made.sinks:
        yield from _sink(sink)
    if made.internal:
        yield Text(f"\nthe worker's own topics: {', '.join(map(escape, made.internal))}", "dim")


def _source(source: PlannedSource) -> Iterator[Text]:
    yield Text(f"\nsource {escape(source.name)} ({source.plugin}): {len(source.tables)} table(s)", "bold")
    for table in source.tables:
        yield from _table(table)
    for name, remedy in source.uncaptured.items():
        yield Text(f"  {escape(name)}: NOT CAPTURED, the log does not carry it: {escape(remedy)}", "yellow")
    if source.left_out:
        yield Text(f"  not captured: {', '.join(map(escape, source.left_out))}", "dim")


def _table(table: PlannedTable) -> Iterator[Text]:
    key = ", ".join(map(escape, table.key)) or "none"
    count = f"about {figures.count(table.rows)}" if table.rows > 0 else "its"
    rows = f"{count} rows are read first" if table.snapshot else "begins with the log"
    yield Text.assemble(("  " + escape(table.table), "cyan"), f"  key: {key}; {rows}; new columns: {table.new_columns}")
    for topic in table.topics:
        yield Text(f"    → {_topic(topic)}")
    columns = ", ".join(f"{escape(name)} {word}" for name, word in table.columns.items())
    yield Text(f"      {columns}", "dim")
    for note in table.notes:
        yield Text(f"      note: {escape(note)}", "yellow")


def _topic(topic: PlannedTopic) -> str:
    if topic.keep_ms is None:
        kept = "compacted"
    else:
        kept = "kept for ever" if topic.keep_ms < 0 else f"kept {figures.span(topic.keep_ms / 1000)}"
    what = "exists" if topic.exists else "will be made"
    return f"{escape(topic.name)}  {topic.view}, {topic.partitions} partition(s), {kept}, {what}"


def _sink(sink: PlannedSink) -> Iterator[Text]:
    yield Text(f"\nsink {escape(sink.name)} ({sink.plugin}): {len(sink.targets)} topic(s)", "bold")
    for topic, target in sink.targets.items():
        words = ", ".join(f"{name} {escape(str(value))}" for name, value in target.items())
        yield Text(f"  {escape(topic)} → {words}")
    for note in sink.notes:
        yield Text(f"  note: {escape(note)}", "yellow")
