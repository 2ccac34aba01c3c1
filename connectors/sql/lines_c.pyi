from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connect.record import RowShape
from connect.schema.avro_reader_c import Folded, RowLayout
from connectors.sql.database import Lines

class LineWriter:
    def __init__(
        self, layout: RowLayout, shape: RowShape, writers: Sequence[Callable[[Any], Any]], hows: Mapping[Any, int]
    ) -> None: ...
    def rows(self, folded: Folded) -> tuple[Lines, Lines] | None: ...
    def keys(self, folded: Folded) -> Lines | None: ...
