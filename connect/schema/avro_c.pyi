from typing import TypeAlias

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

def compiled_encoder(twin: Twin, shape: RowShape, source: SourceBlock, *, envelope: bool) -> Encoder | Twin: ...
