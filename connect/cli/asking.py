"""Asking before something is dropped (F181)."""

from __future__ import annotations

import sys

import typer

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
