"""What ``connect explain CODE`` says of this plugin's codes: what happened, is anything lost, what to do."""

from __future__ import annotations

from typing import Final

FAILURES: Final[dict[str, tuple[str, str, str]]] = {}
