from collections.abc import Callable, Sequence
from typing import Any

from connect.record import RowShape
from connect.schema.avro_reader_c import RowLayout
from connectors.sql.lines_c import LineWriter

class ValuesWriter(LineWriter):
    def __init__(self, layout: RowLayout, shape: RowShape, writers: Sequence[Callable[[Any], Any]]) -> None: ...
