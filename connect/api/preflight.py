"""What ``doctor`` finds: a problem, and the exact SQL or setting that mends it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """``ok`` was checked and is right, ``warning`` bites later, ``problem`` keeps the connector from running."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One checked thing.

    Attributes:
        check: A short name, ``wal_level``.
        severity: How bad it is.
        message: What was found, in one sentence with the values seen.
        remedy: The SQL, setting or command that mends it, ready to paste; "" for ok.
        is_sql: Whether the remedy is SQL that an administrator of the server can run as it stands.
    """

    check: str
    severity: Severity
    message: str
    remedy: str = ""
    is_sql: bool = False
