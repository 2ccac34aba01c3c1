from collections.abc import Sequence
from typing import Any, overload

from connect.record import ChangeEvent, Row, RowShape

AT: object
ROW: object

class Transaction:
    id: Any
    ts_us: int
    source: tuple[Any, ...] | None
    sequence: bytes | None

class Group:
    shape: RowShape
    event: ChangeEvent | None
    count: int
    first: int

class Changes(Sequence[ChangeEvent]):
    groups: list[Group]
    held: int
    def __init__(self, repack: Any) -> None: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int) -> ChangeEvent: ...
    @overload
    def __getitem__(self, index: slice) -> list[ChangeEvent]: ...
    def append(self, event: ChangeEvent) -> None: ...
    def after(self, i: int) -> int: ...
    def between(self, at: int, until: int) -> int: ...
    def cut(self, at: int) -> Changes: ...

class ChunkRows(Sequence[Row]):
    changes: Changes
    def __init__(self, changes: Changes) -> None: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
