from collections.abc import Collection, Sequence
from typing import Any, Protocol

from connect.record import RowShape, SinkRecord
from connect.schema.avro_reader import AvroForm

class Layout:
    def __init__(self, avro: Any) -> None: ...
    def parse(self, data: bytes, start: int) -> Any: ...

class RowLayout(Layout):
    width: int
    envelope: bool
    def __init__(self, avro: Any, form: AvroForm) -> None: ...
    def kind_of(self, column: int) -> int: ...

class KeyLayout(RowLayout):
    distinct: bool

class Lane:
    topic: str
    key_id: int
    value_id: int
    key_layout: KeyLayout
    layout: RowLayout
    key_shape: RowShape
    shape: RowShape

class Twin(Protocol):
    def read(
        self, topic: str, partition: int, offset: int, timestamp_ms: int, key: bytes | None, value: bytes | None
    ) -> SinkRecord: ...
    def key_layout(self, schema_id: int) -> KeyLayout | None: ...
    def row_layout(self, schema_id: int) -> RowLayout | None: ...

class Lanes:
    def __init__(self, reader: Twin) -> None: ...
    def learn(self, raw: Any, record: SinkRecord) -> None: ...

class SinkRecords(Sequence[SinkRecord]):
    raws: list[Any]
    def __init__(self, lanes: Lanes) -> None: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: Any) -> Any: ...
    def extend(self, raws: list[Any], start: int) -> int: ...
    def append(self, raw: Any, record: SinkRecord, passes: bool) -> None: ...
    def places(self) -> dict[Any, list[int]]: ...
    def indexes(self, topics: Collection[str]) -> list[int]: ...
    def fold(self) -> tuple[dict[str, Folded], set[str]]: ...

class Folded:
    records: SinkRecords
    lane: Lane
    count: int
    size: int
    rows: int
    removed: int
    first_row: int
    first_delete: int
