"""``connect rebuild SINK FILE…``: let a sink begin again from offset 0."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads annotations when it runs
from typing import Annotated

import typer

from connect.cli.asking import confirmed, tell
from connect.config.load import load_config
from connect.runtime.maintenance import known, rebuild_sink


def rebuild(
    sink: Annotated[str, typer.Argument(metavar="SINK", help="Its name in the file.", show_default=False)],
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Configuration files.", show_default=False)],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Drop the tables or indices that a sink made, and nothing else; its next start fills them again.

    Where a worker of yours runs it, the sink is paused meanwhile and fills them at once.

    Exit codes: 0 done, 1 failed, 2 faults in the files, 3 not confirmed.
    """
    config = load_config(files)
    known(sink, config.sinks, "sink")
    confirmed(f"Drop what {sink} made in its target? It is filled again from the topics.", yes=yes)
    done = rebuild_sink(config, sink)
    tell(done, nothing="There was nothing to drop.", as_json=as_json)
