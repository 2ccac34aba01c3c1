"""``connect plan FILE…``: what a run would do otherwise than the last one: tables → topics → targets."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path  # noqa: TC003 - Typer reads annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from connect.cli import figures
from connect.config.fields import Changes
from connect.config.load import load_config
from connect.config.problems import nearest
from connect.errors import ConnectError
from connect.runtime.acls import needs, script
from connect.runtime.logs import escape
from connect.runtime.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connect.runtime.difference import Change
    from connect.runtime.planned import Plan, PlannedSink, PlannedSource, PlannedTable, PlannedTopic


def plan(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Configuration files.", show_default=False)],
    *,
    table: Annotated[
        str | None, typer.Option(metavar="TABLE", help="Only this table: its options, and the line that decided each.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what stays as it is.")] = False,
    acls: Annotated[
        bool, typer.Option("--acls", help="What the cluster's owners have to make and to grant, as a script.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a run would make, and do otherwise than the last one: + comes, ~ changes, - goes. Nothing is changed.

    Exit codes: 0 it can be done, 1 a server is not there and the rest is shown, 2 problems in the files or with what
    exists, an option of identity that was changed too.
    """
    config = load_config(files)
    made = make_plan(config)
    if acls:
        needed = needs(config, made)
        print(json.dumps(needed.to_json()) if as_json else script(needed))
        raise typer.Exit(1 if made.unknown else 0)
    shown = made if table is None else _only(made, table)
    if as_json:
        print(json.dumps(asdict(shown)))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for line in lines(shown, everything=everything) if table is None else _deciding(shown):
            console.print(line)
    if made.unknown:
        raise typer.Exit(1)
    if made.refused:
        raise typer.Exit(2)


def _only(made: Plan, name: str) -> Plan:
    """The plan of one table alone."""
    chosen = [replace(source, tables=tuple(t for t in source.tables if t.table == name)) for source in made.sources]
    chosen = [
        replace(source, left_out=(), uncaptured={}, changes=tuple(c for c in source.changes if c.what == name))
        for source in chosen
        if source.tables
    ]
    if not chosen:
        captured = [table.table for source in made.sources for table in source.tables]
        source = next((source.name for source in made.sources if name in source.left_out), None)
        if source is not None:
            message = f"{name} is on the server of {source}, and the file leaves it out"
            raise ConnectError(
                message, code="table_missing", hint=f"name it under tables: of {source}; exclude: goes first"
            )
        message = f"no source of the file captures a table {name}"
        raise ConnectError(message, code="table_missing", hint=nearest(name, captured) or "; ".join(made.unknown))
    return replace(made, sources=chosen, sinks=[], internal=[], changes=[], leftovers=[])


def _deciding(made: Plan) -> Iterator[Text]:
    for source in made.sources:
        yield Text(f"source {escape(source.name)}", "bold")
        for table in source.tables:
            yield from _table(table)
            for name, option in table.options.items():
                value = escape(json.dumps(option.value, ensure_ascii=False))
                yield Text.assemble(f"      {name}: {value}  ", (escape(option.origin) or "default", "dim"))


def lines(made: Plan, *, everything: bool) -> Iterator[Text]:
    """The plan for people; ``everything``: what stays as it is, too."""
    changes, everything = made.all_changes(), everything or bool(made.unknown)
    if changes or everything:
        yield Text(f"Format: {made.format}", "bold")
    for source in made.sources:
        yield from _source(source, everything=everything)
    for sink in made.sinks:
        yield from _sink(sink, everything=everything)
    for change in made.changes:
        yield from _change(change)
    if everything or any(change.sign == "+" for change in changes):
        yield Text(f"\nthe worker's own topics: {', '.join(map(escape, made.internal))}", "dim")
        if not made.unknown:
            yield Text(f"partitions: {made.partitions}, of which the run makes {made.new_partitions}")
        yield from _amounts(made)
    for line in made.leftovers:
        yield Text(escape(line), "yellow")
    for line in made.unknown:
        yield Text(f"UNKNOWN {escape(line)}", "red")
    if not changes and not made.unknown:
        yield Text("Nothing to do: the file says what the last run did.", "green")


def _amounts(made: Plan) -> Iterator[Text]:
    """What is read, how long that takes, and how long a rebuild of each sink would."""
    for source in made.sources:
        new = [change for change in source.changes if change.sign == "+" and change.rows > 0]
        if new:
            rows, size, seconds = (sum(getattr(c, name) for c in new) for name in ("rows", "bytes", "seconds"))
            text = f"{escape(source.name)} reads about {figures.count(rows)} rows, {figures.size(size)}: "
            yield Text(f"{text}{figures.span(seconds)} {_pace('rows', source.rate, measured=source.measured)}")
        if unknown := [change.bytes for change in source.changes if change.rows < 0]:
            amount = (
                f"{figures.size(sum(unknown))} in {len(unknown)} table(s) whose rows the server has not counted yet"
            )
            yield Text(f"{escape(source.name)} reads {'besides ' if new else ''}{amount}: ANALYZE lets the plan tell")
    for sink in made.sinks:
        if sink.records:
            text = f"{escape(sink.name)}: a rebuild reads at most {figures.count(sink.records)} records: "
            pace = _pace("records", sink.rate, measured=sink.measured)
            yield Text(f"{text}{figures.span(sink.records / sink.rate)} {pace}")


def _pace(what: str, rate: float, *, measured: bool) -> str:
    return f"at {figures.count(rate)} {what}/s, {'as measured' if measured else 'assumed: no run has measured any yet'}"


def _change(change: Change) -> Iterator[Text]:
    style = {"+": "green", "~": "yellow", "-": "red"}[change.sign]
    refused = change.sign == "~" and (change.code or change.acts == Changes.IDENTITY)
    words = [change.acts, f"FAILED({change.code})" if change.code else "refused" if refused else ""]
    acts = f" [{', '.join(filter(None, words))}]"
    what = "" if change.text.startswith(f"{change.what}:") else f"{escape(change.what)}: "
    yield Text(f"{change.sign} {what}{escape(change.text)}{acts if acts != ' []' else ''}", style)
    if change.remedy:
        yield Text(f"      {escape(change.remedy)}", "dim")


def _source(source: PlannedSource, *, everything: bool) -> Iterator[Text]:
    added = {change.what: change for change in source.changes if change.sign == "+"}
    others = [change for change in source.changes if change.sign != "+"]
    shown = [table for table in source.tables if everything or table.table in added]
    if not (shown or others or source.uncaptured):
        return
    yield Text(f"\nsource {escape(source.name)} ({source.plugin}): {len(source.tables)} table(s)", "bold")
    for table in shown:
        yield from _table(table, added.get(table.table))
    for change in others:
        yield from _change(change)
    for name, remedy in source.uncaptured.items():
        yield Text(f"  {escape(name)}: NOT CAPTURED, the log does not carry it: {escape(remedy)}", "yellow")
    if source.left_out and (everything or shown):
        yield Text(f"  not captured: {', '.join(map(escape, source.left_out))}", "dim")


def _table(table: PlannedTable, change: Change | None = None) -> Iterator[Text]:
    key = ", ".join(map(escape, table.key)) or "none"
    sign = change.sign if change else " "
    what = f"{_reading(change)}; " if change else ""
    yield Text.assemble(
        (f"{sign} {escape(table.table)}", "cyan"), f"  key: {key}; {what}new columns: {table.new_columns}"
    )
    for topic in table.topics:
        yield Text(f"    → {_topic(topic)}")
    columns = ", ".join(f"{escape(name)} {word}" for name, word in table.columns.items())
    yield Text(f"      {columns}", "dim")
    for note in table.notes:
        yield Text(f"      note: {escape(note)}", "yellow")


def _reading(change: Change) -> str:
    if change.rows < 0:
        return f"{change.text} ({figures.size(change.bytes)}, rows not counted yet)"
    if not change.rows:
        return change.text
    amount = f"about {figures.count(change.rows)} rows, {figures.size(change.bytes)}, {figures.span(change.seconds)}"
    return f"{change.text} ({amount})"


def _topic(topic: PlannedTopic) -> str:
    if topic.keep_ms is None:
        kept = "compacted"
    else:
        kept = "kept for ever" if topic.keep_ms < 0 else f"kept {figures.span(topic.keep_ms / 1000)}"
    what = {True: "exists", False: "will be made", None: "unknown whether it exists"}[topic.exists]
    return f"{escape(topic.name)}  {topic.view}, {topic.partitions} partition(s), {kept}, {what}"


def _sink(sink: PlannedSink, *, everything: bool) -> Iterator[Text]:
    added = {change.what: change for change in sink.changes if change.sign == "+"}
    shown = [topic for topic in sink.targets if everything or topic in added]
    others = [change for change in sink.changes if change.sign != "+"]
    if not (shown or others):
        return
    yield Text(f"\nsink {escape(sink.name)} ({sink.plugin}): {len(sink.targets)} topic(s)", "bold")
    for topic in shown:
        words = ", ".join(f"{name} {escape(str(value))}" for name, value in sink.targets[topic].items())
        change = added.get(topic)
        yield Text(f"{change.sign if change else ' '} {escape(topic)} → {words}{_filling(change)}")
    for change in others:
        yield from _change(change)
    for note in sink.notes:
        yield Text(f"  note: {escape(note)}", "yellow")


def _filling(change: Change | None) -> str:
    if change is None or change.rows <= 0:
        return ""
    return f"  ({change.text}: at most {figures.count(change.rows)} records, {figures.span(change.seconds)})"
