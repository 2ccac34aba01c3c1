"""How row data is split into cells: compiled where that is built, else by the Python twins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from connect.compiled import COMPILED
from connectors.postgres.pgoutput import split_tuple, tuple_of_copy_text

if COMPILED:
    from connectors.postgres import pgoutput_c

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Split = Callable[[Any], Sequence[Any]]

LOG_ROW: Final[Split] = pgoutput_c.TupleSplitter() if COMPILED else split_tuple
COPY_ROW: Final[Split] = pgoutput_c.CopyTextSplitter() if COMPILED else tuple_of_copy_text
