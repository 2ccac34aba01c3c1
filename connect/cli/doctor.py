"""``connect doctor FILE…``: what keeps the file's connectors from running, with the SQL or setting that mends it."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path  # noqa: TC003 - Typer reads annotations when it runs
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from connect.api.preflight import Severity
from connect.config.load import load_config
from connect.runtime.doctor import Checked, examine
from connect.runtime.logs import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARKS: Final = {
    Severity.OK: ("ok      ", "green"),
    Severity.WARNING: ("warning ", "yellow"),
    Severity.PROBLEM: ("problem ", "bold red"),
}


def doctor(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Configuration files.", show_default=False)],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print one script for the administrator of the databases.")
    ] = False,
) -> None:
    """Ask every server: settings, rights, slots, disks, limits. Nothing is changed.

    Exit codes: 0 no problem (warnings are none), 1 problems, 2 faults in the files.
    """
    checked = []
    console = Console(highlight=False, soft_wrap=True)
    for one in examine(load_config(files)):
        checked.append(one)
        if not (as_json or sql):
            console.print(line(one))
    problems = sum(one.finding.severity is Severity.PROBLEM for one in checked)
    if sql:
        print(script(checked))
    elif as_json:
        print(json.dumps({"problems": problems, "findings": [one.to_json() for one in checked]}))
    else:
        console.print(f"{problems} problem(s)" if problems else "no problem found", style="bold")
    raise typer.Exit(1 if problems else 0)


def script(checked: Sequence[Checked]) -> str:
    """What mends the findings of databases, for whoever may run it: SQL, and in comments what SQL cannot do."""
    lines = ["-- Made by `connect doctor --sql`. Each statement is one that an administrator may leave out."]
    for subject, findings in groupby((one for one in checked if one.finding.remedy), key=lambda one: one.subject):
        mended = list(findings)
        if not any(one.finding.is_sql for one in mended):
            continue
        lines += ["", f"-- {escape(subject)}: connect to its database", *filter(None, [mended[0].session])]
        for one in mended:
            finding = one.finding
            lines += [f"-- {finding.severity}: {escape(finding.check)}: {escape(finding.message)}"]
            lines += [line if finding.is_sql else f"-- by hand: {escape(line)}" for line in finding.remedy.splitlines()]
    return "\n".join(lines if len(lines) > 1 else ["-- connect doctor found nothing that SQL would mend."])


def line(one: Checked) -> Text:
    """A finding for people: mark, whose, of what, what was found, and what mends it on lines of its own."""
    mark, style = _MARKS[one.finding.severity]
    text = Text.assemble(
        (mark, style), f"{escape(one.subject)}  {escape(one.finding.check)}: {escape(one.finding.message)}"
    )
    for remedy in one.finding.remedy.splitlines():
        text.append(f"\n        → {escape(remedy)}")
    return text
