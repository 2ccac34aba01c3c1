"""Asking before something is dropped (F181), and telling what was."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_NOT_CONFIRMED = 3
EXIT_INTERRUPTED = 130


def confirmed(question: str, *, yes: bool) -> None:
    """Go on only after a yes; without a terminal only with ``--yes``. Ends the command otherwise."""
    if yes:
        return
    if not sys.stdin.isatty():
        print(f"{question}\n  Nothing was done: there is no terminal to ask on; say --yes.", file=sys.stderr)
        raise typer.Exit(EXIT_NOT_CONFIRMED)
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort as end:
        print("\nNothing was done.", file=sys.stderr)  # behind the question, on a line of its own
        by_ctrl_c = isinstance(end.__context__, KeyboardInterrupt)  # else by the end of the input
        raise typer.Exit(EXIT_INTERRUPTED if by_ctrl_c else EXIT_NOT_CONFIRMED) from None
    if not agreed:
        print("Nothing was done.", file=sys.stderr)
        raise typer.Exit(EXIT_NOT_CONFIRMED)


def tell(done: Sequence[str], *, nothing: str, as_json: bool) -> None:
    """A sentence for each thing that was dropped, or ``nothing``."""
    print(json.dumps({"done": done}) if as_json else "\n".join(done) or nothing)
