"""``connect run FILE…``: its options. The worker is loaded while its first child loads its code beside it."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - Typer reads the annotation when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from connect.runtime.process import CHILD, ChildProcess

if TYPE_CHECKING:
    from collections.abc import Iterator


class Until(StrEnum):
    """When a run ends by itself."""

    STOPPED = "stopped"
    LIVE = "live"


def run(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Configuration files.", show_default=False)],
    *,
    until: Annotated[
        Until, typer.Option(help="`live`: end with 0 once snapshots are done and sinks hold them.")
    ] = Until.STOPPED,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Do not wait as STANDBY: another worker of this file ends as FENCED.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Log everything, stack traces too.")] = False,
) -> None:
    """Run every connector of the files until Ctrl-C. While another worker runs them, wait as STANDBY for its end.

    Exit codes: 0 stopped or live, 1 a connector is FAILED, also when it is stopped, 2 faults in the files, 3 another
    worker took over, 4 a connector had to be killed, 130 stopped before it was live.
    """
    os.umask(0o077)  # F179
    with _spares() as spares:
        from connect.cli.worker import Options, work  # noqa: PLC0415 - it takes as long to load as a child does

        code = work(files, until, Options(take_over, as_json, debug), spares)
    raise typer.Exit(code)


@contextmanager
def _spares() -> Iterator[list[ChildProcess]]:
    """The first connector's process, started before the files are read: on a second core it is ready when they are."""
    spares: list[ChildProcess] = []
    with suppress(OSError):  # the supervisor tries again, and says so
        spares.append(ChildProcess(CHILD))
    try:
        yield spares
    finally:
        for spare in spares:
            spare.kill()
            spare.exit_code(1.0)
            spare.close()
