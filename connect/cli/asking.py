"""Asking before something is dropped (F181), and telling what was."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_NOT_CONFIRMED = 3


def confirmed(question: str, *, yes: bool) -> None:
    """Go on only after a yes; without a terminal only with ``--yes``. Ends the command otherwise."""
    if yes:
        return
    if not sys.stdin.isatty():
        print(f"{question}\n  Nothing was done: there is no terminal to ask on; say --yes.", file=sys.stderr)
        raise typer.Exit(EXIT_NOT_CONFIRMED)
    if not typer.confirm(question, err=True):
        print("Nothing was done.", file=sys.stderr)
        raise typer.Exit(EXIT_NOT_CONFIRMED)


def tell(done: Sequence[str], *, nothing: str, as_json: bool) -> None:
    """A sentence for each thing that was dropped, or ``nothing``."""
    print(json.dumps({"done": done}) if as_json else "\n".join(done) or nothing)
