"""``connect validate FILE…``: every problem of the files at once, without a server."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - Typer reads annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from connect.config.load import load_config
from connect.errors import ConfigError
from connect.runtime.logs import escape
from connect.transforms.build import check_functions

if TYPE_CHECKING:
    from connect.config.models import Config


def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Configuration files.", show_default=False)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the files: keys, types, names, secrets, plugins, functions. No server is asked; `connect plan` asks.

    Exit codes: 0 no problem, 2 problems.
    """
    config = load_config(files)
    problems = check_functions(config)
    if problems:
        raise ConfigError(problems)
    if as_json:
        print(json.dumps(summary(config)))
        return
    print(f"{escape(config.name)}: no problem found in {', '.join(escape(str(file)) for file in files)}")
    for word, entries in (("source", config.sources), ("sink", config.sinks)):
        for name, entry in entries.items():
            print(f"  {word} {escape(name)} ({entry.plugin.name})")
    print("  without servers; `connect plan` looks at tables and topics, `connect doctor` at servers and rights")


def summary(config: Config) -> dict[str, object]:
    """What was checked."""
    return {
        "name": config.name,
        "problems": [],
        "sources": {name: source.plugin.name for name, source in config.sources.items()},
        "sinks": {name: sink.plugin.name for name, sink in config.sinks.items()},
    }
