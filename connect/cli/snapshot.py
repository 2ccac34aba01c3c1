"""``connect snapshot SOURCE FILE… --table T``: let a source read a table anew."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads annotations when it runs
from typing import Annotated

import typer

from connect.cli.asking import confirmed, tell
from connect.config.load import load_config
from connect.runtime.maintenance import known, read_again


def snapshot(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Its name in the file.", show_default=False)],
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Configuration files.", show_default=False)],
    *,
    table: Annotated[
        list[str], typer.Option(metavar="TABLE", help="As schema.table; again for several.", show_default=False)
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read tables anew while the log streams on: their rows come again as op r, keys that are gone are deleted.

    Not so where snapshot.where hides rows: nobody can tell which are gone.

    Where a worker of yours runs the source, it is paused for a moment and begins at once; else its next start does.

    Exit codes: 0 done, 1 failed, 2 faults in the files, 3 not confirmed.
    """
    config = load_config(files)
    known(source, config.sources, "source")
    confirmed(f"Read {', '.join(table)} of {source} anew? Every row is sent to its topic once more.", yes=yes)
    tell(read_again(config, source, table), nothing="", as_json=as_json)
