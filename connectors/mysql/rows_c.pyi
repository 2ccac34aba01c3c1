from collections.abc import Callable, Hashable, Sequence
from typing import Any

from connect.changes_c import Changes, Transaction
from connect.record_c import Splitter
from connectors.mysql.row_image import LogTable

class ImageSplitter(Splitter):
    twin: Callable[[Any], Sequence[Any]]
    def __init__(self, twin: Callable[[Any], Sequence[Any]], widths: Sequence[int]) -> None: ...

class TextSplitter(Splitter):
    twin: Callable[[Any], Sequence[Any]]

def transaction(
    name: Hashable, ts_us: int, file: str, before: tuple[Any, ...], after: tuple[Any, ...]
) -> Transaction: ...

class Lane:
    def forget(self) -> None: ...
    def take(
        self,
        changes: Changes,
        table: LogTable,
        kind: int,
        body: bytes,
        common: Transaction,
        pos: int,
        placed: bool,
        ordinal: int,
    ) -> int: ...
