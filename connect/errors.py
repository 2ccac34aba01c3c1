"""The whole exception tree, grouped by what the caller does next.

``ConnectError``
├── ``ConfigError``      the operator's file is wrong: nothing starts, exit code 2
├── ``Retriable``        the world is not there right now: the retry table waits and tries again
├── ``Failed``           the connector stops at its position with a code; an operator acts
├── ``Fenced``           another owner took over: stop at once, never retry
└── ``RecordError``      one record cannot be written: dead letter or FAILED, by policy

Every error has a ``code`` that ``connect explain CODE`` knows and a ``hint`` that says how to mend it.
Plugins raise these; only ``runtime/retry.py`` decides what happens next (rule W4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class ConnectError(Exception):
    """An error with a code for scripts and a hint for people.

    Args:
        message: What happened and where: connector, table, position. Never a secret, never a row's values.
        code: A snake_case word, the argument of ``connect explain``.
        hint: How to mend it: the exact SQL, setting or command where there is one.
    """

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file: ``where`` is ``file:line`` or a dotted path, ``fix`` how to mend it."""

    where: str
    message: str
    fix: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}; {self.fix}" if self.fix else text


class ConfigError(ConnectError):
    """The operator's file is wrong. Carries every problem found, not only the first (DESIGN §7)."""

    code = "config"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class Retriable(ConnectError):
    """Something outside is not there right now; trying again later can help.

    Args:
        message: As for ``ConnectError``.
        code: Which of the world's troubles, for example ``source_unreachable``.
        hint: What an operator could look at if it lasts.
        after: Seconds that the other side asked us to wait, if it did.
    """

    code = "retriable"

    def __init__(self, message: str, *, code: str | None = None, hint: str = "", after: float | None = None) -> None:
        super().__init__(message, code=code, hint=hint)
        self.after = after


class Failed(ConnectError):
    """The connector stops at its position, changes nothing and waits for an operator (invariant 6).

    ``code`` is a key of ``connect.failures.FAILURES`` or of the plugin's own table.
    """

    code = "failed"

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, code=code, hint=hint)


class Fenced(ConnectError):
    """Another owner of this connector took over (rules F-1, F-3): stop within one poll, never retry."""

    code = "fenced"


class RecordError(ConnectError):
    """One record cannot be written, however often it is tried (rule K5)."""

    code = "record"
