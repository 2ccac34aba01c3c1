"""``connect rename source OLD NEW FILE…``: a source goes on under another name."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads annotations when it runs
from typing import Annotated

import typer

from connect.cli.asking import tell
from connect.config.load import load_config
from connect.runtime.rename import rename_source

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Give something that has a stored position another name."
)


@app.callback()
def _group() -> None:
    """Give something that has a stored position another name."""


@app.command()
def source(
    old: Annotated[str, typer.Argument(metavar="OLD", help="Its name until now.", show_default=False)],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its name in the file.", show_default=False)],
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Configuration files.", show_default=False)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Let a source go on under another name: position, slot and topics stay. Rename its entry in the file first.

    Exit codes: 0 done, 1 failed, 2 faults in the files.
    """
    done = rename_source(load_config(files), old, new)
    tell(done, nothing=f"{old} was renamed to {new} before.", as_json=as_json)
