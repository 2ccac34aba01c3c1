from collections.abc import Hashable
from collections.abc import Set as AbstractSet
from typing import TypeAlias

from connect.changes_c import Changes
from connect.record import ChangeEvent, Row, RowShape
from connect.records_c import Records
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
        records: Records,
        transactions: list[Hashable],
        keys: list[list[bytes]] | None,
        *,
        state: bool,
        drop: AbstractSet[bytes] | None = None,
    ) -> int: ...

def compiled_encoder(twin: Twin, shape: RowShape, source: SourceBlock, *, envelope: bool) -> Encoder | Twin: ...
