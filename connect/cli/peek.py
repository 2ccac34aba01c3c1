"""``connect peek URL``: changes on the terminal as they happen; no Kafka, no file, nothing left behind."""

from __future__ import annotations

import itertools
import json
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from connect.cli.interrupts import kill_as_ctrl_c
from connect.cli.urls import clear
from connect.errors import Failed
from connect.record import UNAVAILABLE, Op
from connect.runtime.logs import escape
from connect.runtime.peek import Peek
from connect.runtime.readable import readable
from connect.runtime.topic_records import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connect.record import ChangeEvent, Row

_WORDS = {Op.CREATE: ("insert", "green"), Op.UPDATE: ("update", "yellow"), Op.DELETE: ("delete", "red")}


def peek(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="postgresql:// or mysql://user@host:port/database", show_default=False)
    ],
    table: Annotated[
        list[str] | None,
        typer.Option("--table", "-t", metavar="TABLE", help="A name or pattern, schema.table; again for more."),
    ] = None,
    publication: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Postgres: a publication that is there, where this role may make none."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="End after so many changes.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """Show changes as they are committed, until Ctrl-C: no Kafka, no file, nothing left behind on the server.

    Exit codes: 0 well, 1 the server or its rights do not allow it, 2 wrong usage.
    """
    options: dict[str, Any] = {"publication": {"name": publication, "manage": False}} if publication else {}
    console = Console(highlight=False, soft_wrap=True, emoji=False, markup=False)
    notes = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False, markup=False)
    try:
        with suppress(KeyboardInterrupt), kill_as_ctrl_c():
            _look(Peek(clear(url), options, table or [], _say(notes)), console, notes, limit, as_json=as_json)
    except Failed as error:
        if error.code == "permission" and "CREATE PUBLICATION" in error.hint and not publication:
            error.hint += "\nThen: connect peek URL --publication NAME"
        raise


def _say(notes: Console) -> Any:
    return lambda message: notes.print(f"… {message}", style="dim") if message else None


def _look(look: Peek, console: Console, notes: Console, limit: int | None, *, as_json: bool) -> None:
    with look:
        names = ", ".join(str(info.table) for info in look.tables[:5])
        more = f" and {len(look.tables) - 5} more" if len(look.tables) > 5 else ""
        notes.print(f"Watching {names}{more}. Change a row elsewhere; Ctrl-C ends this and leaves nothing behind.")
        for event in itertools.islice(look.changes(), limit):
            if as_json:
                sys.stdout.write(json.dumps(to_json(event)) + "\n")
                sys.stdout.flush()
            else:
                console.print(line(event))


def to_json(event: ChangeEvent) -> dict[str, Any]:
    """One JSON object: time, table, operation and both rows."""
    return {
        "ts": _when(event),
        "table": str(event.table),
        "op": event.op.value,
        "transaction": str(event.transaction),
        "before": plain(event.before),
        "after": plain(event.after),
    }


def line(event: ChangeEvent) -> Text:
    """One line for people: what an update did not change is left out where the log says what there was before."""
    word, colour = _WORDS.get(event.op, (event.op.name.lower(), "magenta"))
    head = Text.assemble((_when(event)[11:23], "dim"), "  ", (escape(str(event.table)), "bold"), "  ", (word, colour))
    for name, text in _columns(event):
        head.append("  ").append(f"{escape(name)}=", "cyan").append(escape(text))
    return head


def _columns(event: ChangeEvent) -> Iterator[tuple[str, str]]:
    before, row = event.before, event.after or event.before
    if row is None:
        return
    whole = before is not None and event.after is not None and not before.unavailable
    for name in row:
        if event.after is None and row[name] is UNAVAILABLE:
            continue  # a delete's old row: the log carries the key alone
        if whole and before is not None and row[name] == before[name] and name not in row.shape.schema.key:
            continue
        changed = whole and before is not None and row[name] != before[name]
        yield name, f"{_value(before, name)} → {_value(row, name)}" if changed and before else _value(row, name)


def _value(row: Row, name: str) -> str:
    value = row[name]
    if value is UNAVAILABLE:
        return "(as it was: the log does not repeat it)"
    return readable(row.shape.schema.columns[row.shape.schema.index[name]].type, value)


def _when(event: ChangeEvent) -> str:
    return datetime.fromtimestamp(event.ts_us / 1_000_000, UTC).isoformat(timespec="milliseconds")
