"""How fast a source reads rows, measured over its snapshots and noted for ``plan``. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTE: Final = "rate"  # the note's name
_CHUNK_ROWS: Final = 1_000  # a smaller chunk's time is a round trip's, whatever its rows
_ENOUGH_ROWS: Final = 10_000
_PAUSE_SECONDS: Final = 60.0  # longer than a chunk takes: a closed window, a source that was away


class SnapshotRate:
    """Adds chunks up."""

    def __init__(self) -> None:
        self._rows = 0
        self._seconds = 0.0

    def add(self, rows: int, seconds: float) -> None:
        """A chunk was sent, so many seconds after the one before it."""
        if rows >= _CHUNK_ROWS and seconds < _PAUSE_SECONDS:
            self._rows += rows
            self._seconds += seconds

    def note(self) -> dict[str, Any] | None:
        """What to store; None while there was too little to tell by."""
        if self._rows < _ENOUGH_ROWS:
            return None
        return {"rows_per_second": round(self._rows / max(self._seconds, 1e-3))}


def noted(notes: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Rows a second, as an earlier run measured them."""
    return notes.get(NOTE, {}).get("rows_per_second")
