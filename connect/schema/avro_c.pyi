from typing import Any, TypeAlias

from connect.changes_c import Changes
from connect.record import ChangeEvent, Row, RowShape
from connect.schema.avro import EnvelopeEncoder, FlatEncoder
from connect.schema.formats import SourceBlock

Twin: TypeAlias = EnvelopeEncoder | FlatEncoder

class Encoder:
    twin: Twin
    shape: RowShape
    deferred: int
    deferred_cells: int
    @property
    def key_schema_id(self) -> int | None: ...
    def key(self, row: Row) -> bytes: ...
    def value(self, event: ChangeEvent, now_us: int) -> bytes: ...
    def encode(
        self,
        changes: Changes,
        at: int,
        until: int,
        now_us: int,
        records: list[dict[str, bytes]],
        touched: list[tuple[Any, list[bytes] | None]],
        *,
        state: bool,
        keys: bool,
    ) -> int: ...

def compiled_encoder(twin: Twin, shape: RowShape, source: SourceBlock, *, envelope: bool) -> Encoder | Twin: ...
