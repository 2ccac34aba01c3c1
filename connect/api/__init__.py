"""All that a plugin author imports. The contract: DESIGN §4; the shipped suite that checks it: ``connect.testing``."""

from connect.api.plugin import Capabilities, Plugin, later
from connect.api.position import Position, Resume
from connect.api.preflight import Finding, Severity
from connect.api.sink import Failure, Sink, SinkContext, TopicPartition, WriteResult, WritesAgain
from connect.api.snapshots import Chunk, Key, Mark, NamesTransactions, Snapshots
from connect.api.source import Lag, Source, SourceBatch, SourceContext
from connect.api.tables import TableInfo, TableOptions, View
from connect.api.transform import Transform
from connect.api.versions import readable

__all__ = [
    "Capabilities",
    "Chunk",
    "Failure",
    "Finding",
    "Key",
    "Lag",
    "Mark",
    "NamesTransactions",
    "Plugin",
    "Position",
    "Resume",
    "Severity",
    "Sink",
    "SinkContext",
    "Snapshots",
    "Source",
    "SourceBatch",
    "SourceContext",
    "TableInfo",
    "TableOptions",
    "TopicPartition",
    "Transform",
    "View",
    "WriteResult",
    "WritesAgain",
    "later",
    "readable",
]
