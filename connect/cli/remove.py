"""``connect remove SOURCE FILE…``: take a source off its server."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads annotations when it runs
from typing import Annotated

import typer

from connect.cli.asking import confirmed, tell
from connect.config.load import load_config
from connect.runtime.maintenance import known, refuse_while_running, remove_source


def remove(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Its name in the file.", show_default=False)],
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Configuration files.", show_default=False)],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Drop a source's replication slot and publications, and forget its position. Its topics stay.

    Exit codes: 0 done, 1 failed, 2 faults in the files, 3 not confirmed.
    """
    config = load_config(files)
    known(source, config.sources, "source")
    refuse_while_running(config, source)
    confirmed(
        f"Drop the slot and publications of {source}, and forget its position? Its topics stay. If it is started "
        "again, it reads every table anew, and keys that are gone from a table by then leave its state topic.",
        yes=yes,
    )
    done = remove_source(config, source)
    tell(done, nothing="There was nothing to remove.", as_json=as_json)
