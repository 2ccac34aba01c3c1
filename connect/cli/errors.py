"""An error as one message that says what, where and how to mend it; a stack trace only with ``--debug``."""

from __future__ import annotations

import json
import traceback
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from connect.errors import ConfigError, ConnectError
from connect.failures import FAILURES
from connect.runtime.logs import escape

EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 2


def tell(error: Exception, *, as_json: bool, debug: bool) -> int:
    """Print an error and return the exit code for it.

    Args:
        error: What ended the command.
        as_json: One JSON object on standard output; otherwise text on standard error.
        debug: With the stack trace.
    """
    if debug:
        traceback.print_exception(error)
    if as_json:
        print(json.dumps({"error": to_json(error)}))
    else:
        console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
        for line in lines(error):
            console.print(line)
    return EXIT_CONFIG if isinstance(error, ConfigError) else EXIT_FAILED


def to_json(error: Exception) -> dict[str, Any]:
    """``{"code", "message", "hint"}``, and ``problems`` of a file."""
    if isinstance(error, ConfigError):
        problems = [{"where": p.where, "message": p.message, "fix": p.fix} for p in error.problems]
        return {"code": error.code, "message": _count(error), "hint": "", "problems": problems}
    if isinstance(error, ConnectError):
        return {"code": error.code, "message": error.message, "hint": error.hint}
    return {"code": "internal", "message": _place(error), "hint": _REPORT_IT}


def lines(error: Exception) -> list[Text]:
    """The same for people."""
    if isinstance(error, ConfigError):
        found = [Text(_count(error), "bold red")]
        for problem in error.problems:
            place = f"{problem.where}: " if problem.where else ""
            found.append(Text.assemble(escape(place), escape(problem.message), *_arrow(problem.fix)))
        return found
    entry = to_json(error)
    head = Text.assemble((f"{entry['code']}: ", "bold red"), escape(entry["message"]), *_arrow(entry["hint"]))
    explain = [Text(f"  connect explain {entry['code']} says more", "dim")] if entry["code"] in FAILURES else []
    return [head, *explain]


def _count(error: ConfigError) -> str:
    n = len(error.problems)
    return "there is a problem in the configuration" if n == 1 else f"there are {n} problems in the configuration"


def _arrow(fix: str) -> list[str]:
    return [f"\n  → {escape(line.strip())}" for line in fix.splitlines() if line.strip()]


def _place(error: Exception) -> str:
    """Type and line of a fault of our own; its text could hold a row's values (F175)."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


_REPORT_IT: Final = "this is a fault of connect itself: run it again with --debug and report what it prints"
