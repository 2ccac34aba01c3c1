"""``connect doctor FILE…``: what keeps the file's connectors from running, with the SQL or setting that mends it."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - Typer reads annotations when it runs
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from connect.api.preflight import Severity
from connect.config.load import load_config
from connect.runtime.doctor import Checked, examine
from connect.runtime.logs import escape

_MARKS: Final = {
    Severity.OK: ("ok      ", "green"),
    Severity.WARNING: ("warning ", "yellow"),
    Severity.PROBLEM: ("problem ", "bold red"),
}


def doctor(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Configuration files.", show_default=False)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask every server: settings, rights, slots, disks, limits. Nothing is changed.

    Exit codes: 0 no problem (warnings are none), 1 problems, 2 faults in the files.
    """
    checked = []
    console = Console(highlight=False, soft_wrap=True)
    for one in examine(load_config(files)):
        checked.append(one)
        if not as_json:
            console.print(line(one))
    problems = sum(one.finding.severity is Severity.PROBLEM for one in checked)
    if as_json:
        print(json.dumps({"problems": problems, "findings": [one.to_json() for one in checked]}))
    else:
        console.print(f"{problems} problem(s)" if problems else "no problem found", style="bold")
    raise typer.Exit(1 if problems else 0)


def line(one: Checked) -> Text:
    """A finding for people: mark, whose, of what, what was found, and what mends it on lines of its own."""
    mark, style = _MARKS[one.finding.severity]
    text = Text.assemble(
        (mark, style), f"{escape(one.subject)}  {escape(one.finding.check)}: {escape(one.finding.message)}"
    )
    for remedy in one.finding.remedy.splitlines():
        text.append(f"\n        → {escape(remedy)}")
    return text
