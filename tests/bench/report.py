"""docs/bench.json for machines, docs/BENCH.md and docs/bench.png for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

SIDES: Final = ("limit", "peer")
DOCS: Final = Path(__file__).parents[2] / "docs"


def line(result: dict[str, Any]) -> str:
    """One result on one line."""
    parts = [f"{result['measure']}: {result['value']} {result['unit']}"]
    parts += [f"{other} {result[other]} (ratio {result[f'ratio_to_{other}']})" for other in SIDES if result[other]]
    if result["error"]:
        parts.append(f"FAILED: {result['error']}")
    return ", ".join(parts)


def show(results: list[dict[str, Any]]) -> None:
    """All that is known, on standard output."""
    print(json.dumps(results, indent=2))


def write(results: list[dict[str, Any]], *, quick: bool) -> None:
    """The files of docs/."""
    (DOCS / "bench.json").write_text(json.dumps(results, indent=2) + "\n")
