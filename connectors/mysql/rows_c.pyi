from collections.abc import Callable, Hashable, Sequence
from typing import Any, overload

from connect.changes_c import Changes, Transaction
from connect.record import RowShape
from connect.record_c import Splitter
from connectors.mysql.collected import Hooks
from connectors.mysql.row_image import LogTable
from connectors.mysql.transactions import Group

class ImageSplitter(Splitter):
    twin: Callable[[Any], Sequence[Any]]
    def __init__(self, twin: Callable[[Any], Sequence[Any]], widths: Sequence[int]) -> None: ...

class TextSplitter(Splitter):
    twin: Callable[[Any], Sequence[Any]]

def transaction(
    name: Hashable, ts_us: int, file: str, before: tuple[Any, ...], after: tuple[Any, ...]
) -> Transaction: ...

class Lane:
    pos: int
    size: int
    queries: bool
    def forget(self) -> None: ...
    def learn(self, table_id: int, body: bytes, table: LogTable | None) -> None: ...
    def forget_maps(self) -> None: ...
    def run(
        self,
        hooks: Hooks,
        group: Group | None,
        events: list[bytes],
        at: int,
        changes: Changes,
        rows: int,
        size: int,
    ) -> int: ...
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

class Packets(Sequence[bytes]):
    size: int
    more: bool
    cut: bool
    error: bytes | None
    broken: bool
    inside: bool
    def __init__(self, sequence: int, most: int | None = None) -> None: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, i: int) -> bytes: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[bytes]: ...
    def feed(self, data: bytes) -> None: ...
    def read(self, shape: RowShape, source: tuple[Any, ...], ts_us: int) -> Changes: ...
