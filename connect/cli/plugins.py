"""``connect plugins [NAME]``: what is installed, and which options it takes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from connect.config.plugins import discover
from connect.config.problems import nearest
from connect.config.reference import Option, options
from connect.errors import ConnectError
from connect.runtime.logs import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connect.api.plugin import Plugin
    from connect.config.plugins import Found


def plugins(
    name: Annotated[str | None, typer.Argument(help="One plugin, with its options.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the installed plugins: kind, version, options.

    Exit codes: 0 well, 1 there is no such plugin.
    """
    found = discover()
    if name is not None:
        found = [entry for entry in found if entry.name == name] or _unknown(name, found)
    if as_json:
        print(json.dumps({"plugins": [to_json(entry) for entry in found]}))
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(_table(found))
    if name is not None and found[0].plugin:
        for title, rows in _option_groups(found[0].plugin):
            console.print(Text(f"\n{title}", "bold"))
            console.print(_option_table(rows))
    elif name is None:
        console.print(Text("\nconnect plugins NAME shows a plugin's options", "dim"))


def _unknown(name: str, found: Sequence[Found]) -> list[Found]:
    hint = nearest(name, [entry.name for entry in found])
    raise ConnectError(f"there is no plugin {name!r}", code="plugin_unknown", hint=hint)


def to_json(entry: Found) -> dict[str, Any]:
    """An entry with every option; ``error`` where it does not load."""
    plugin = entry.plugin
    if plugin is None:
        return {"name": entry.name, "distribution": entry.distribution, "error": entry.error}
    return {
        "name": plugin.name,
        "kind": plugin.kind,
        "version": plugin.version,
        "distribution": entry.distribution,
        "capabilities": asdict(plugin.capabilities),
        "options": [asdict(option) for option in options(plugin.config)],
        "target_options": [asdict(option) for option in options(plugin.target)] if plugin.target else [],
    }


def _table(found: Iterable[Found]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("plugin", "kind", "version", "from", ""):
        table.add_column(heading, overflow="fold")
    for entry in found:
        plugin = entry.plugin
        what = (
            ", ".join(word.replace("_", " ") for word, can in asdict(plugin.capabilities).items() if can)
            if plugin
            else ""
        )
        cells = (
            (plugin.kind, plugin.version, entry.distribution, what)
            if plugin
            else ("", "", entry.distribution, entry.error)
        )
        table.add_row(escape(entry.name), *(Text(escape(cell)) for cell in cells), style="" if plugin else "red")
    return table


def _option_groups(plugin: Plugin) -> Iterable[tuple[str, Iterable[Option]]]:
    yield f"{plugin.kind}s: NAME: plugin: {plugin.name}", options(plugin.config)
    if plugin.target:
        yield "under defaults: and below a topic", options(plugin.target)


def _option_table(rows: Iterable[Option]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("option", "type", "default", ""):
        table.add_column(heading, overflow="fold")
    for option in rows:
        default = "required" if option.default is None else option.default
        table.add_row(*(Text(cell.replace("`", "")) for cell in (option.name, option.type, default, option.doc)))
    return table
