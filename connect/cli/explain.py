"""``connect explain CODE``: what happened, is anything lost, what to do."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from connect.config.plugins import discover
from connect.config.problems import nearest
from connect.errors import ConnectError
from connect.failures import FAILURES, Explanation


def explain(
    code: Annotated[str | None, typer.Argument(help="The word before a message's colon; without: every code.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a code means: what happened, whether anything is lost, what to do.

    Exit codes: 0 well, 1 there is no such code.
    """
    known = explanations()
    if code is None:
        print(json.dumps({"codes": sorted(known)}) if as_json else "\n".join(sorted(known)))
        return
    found = known.get(code)
    if found is None:
        near = nearest(code, known)
        hint = near if near.startswith("did you mean") else "connect explain lists every code"
        raise ConnectError(f"there is no code {code!r}", code="code_unknown", hint=hint)
    if as_json:
        print(json.dumps({"code": code, **{owner or "connect": text._asdict() for owner, text in found.items()}}))
        return
    for owner, text in found.items():
        print(f"{code} ({owner})" if owner else f"{code} (in general)" if len(found) > 1 else code)
        print(f"  What happened  {text.what}\n  Is data lost   {text.lost}\n  What to do     {text.do}")


def explanations() -> dict[str, dict[str, Explanation]]:
    """Code → plugin ("" for the framework) → its three sentences."""
    known: dict[str, dict[str, Explanation]] = {code: {"": text} for code, text in FAILURES.items()}
    for found in discover():
        for code, text in (found.plugin.failures if found.plugin else {}).items():
            known.setdefault(code, {})[found.name] = Explanation(*text)
    return known
