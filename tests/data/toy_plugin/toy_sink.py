"""A sink from outside the tree: a file of JSON that holds the rows of its topics and the offsets after them."""

import contextlib
import fcntl
import json
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from connect.api import Capabilities, Failure, Finding, Plugin, Severity, TopicPartition, WriteResult
from connect.errors import Failed, Fenced, RecordError, Retriable
from connect.record import UNAVAILABLE, Op
from connect.schema.model import Kind

BITS = {Kind.INT8: 8, Kind.INT16: 16, Kind.INT32: 32, Kind.INT64: 64}


class ToyConfig(BaseModel):
    """Options of the toy."""

    model_config = ConfigDict(extra="forbid")

    file: Path


@contextlib.contextmanager
def changing(config, context):
    """This connector's part of the file; what is changed in it is written as one, unless the block raises."""
    name = f"{context.group}.{context.connector}"
    try:
        lock = config.file.with_suffix(".lock").open("w")
    except OSError as error:
        raise Retriable(
            f"{name}: {config.file} cannot be written: {error.strerror}", code="target_unreachable"
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        everything = json.loads(config.file.read_text()) if config.file.exists() else {}
        yield everything.setdefault(name, {"epoch": 0, "topics": {}})
        new = config.file.with_suffix(".new")
        new.write_text(json.dumps(everything))
        os.replace(new, config.file)  # noqa: PTH105 - the word for what it does


class ToySink:
    """Rows and offsets are replaced together, under a lock, by whoever opened last."""

    def __init__(self, config, context):
        self._config = config
        self._context = context
        self._epoch = 0

    def open(self, partitions):
        with changing(self._config, self._context) as state:
            if self._epoch not in {0, state["epoch"]}:
                raise Fenced(f"another owner of sink {self._context.connector} took over")
            self._epoch = state["epoch"] = state["epoch"] + 1
            asked = {partition: _next_offset(state["topics"], partition) for partition in partitions}
            return _held(state["topics"]) | asked

    def write(self, batch, next_offsets, skip):
        failures = []
        with contextlib.suppress(RecordError), changing(self._config, self._context) as state:
            if state["epoch"] != self._epoch:
                raise Fenced(f"another owner of sink {self._context.connector} took over")
            for index, record in enumerate(batch):
                topic = state["topics"][record.topic]
                if index not in skip and record.offset >= topic["next"][str(record.partition)]:
                    try:
                        _apply(topic["rows"], record)
                    except RecordError as error:
                        failures.append(Failure(index, error.message))
            if failures:
                raise RecordError("nothing is written")
            for partition, offset in next_offsets.items():
                held = state["topics"][partition.topic]["next"]
                held[str(partition.partition)] = max(offset, held[str(partition.partition)])
        if failures:
            return WriteResult(failures)
        rows = [row for topic in state["topics"].values() for row in topic["rows"].values()]
        return WriteResult(applied=len(batch), incomplete=sum(bool(row["missing"]) for row in rows))

    def close(self):
        pass


def _next_offset(topics, partition):
    topic = topics.setdefault(partition.topic, {"id": partition.topic_id, "next": {}, "rows": {}})
    if topic["id"] != partition.topic_id:
        message = f"topic {partition.topic} was deleted and made again"
        raise Failed("topic_id_changed", message, hint="Run connect rebuild for this sink.")
    return topic["next"].setdefault(str(partition.partition), 0)


def _held(topics):
    return {
        TopicPartition(name, topic["id"], int(number)): offset
        for name, topic in topics.items()
        for number, offset in topic["next"].items()
        if offset
    }


def _apply(rows, record):
    if record.key is None:
        raise RecordError("the record has no key")
    key = json.dumps(record.key.values())
    if record.op is Op.DELETE:
        rows.pop(key, None)
        return
    old = rows.get(key, {"row": {}, "missing": []})
    row = {name: value for name, value in record.after.to_dict().items() if value is not UNAVAILABLE}
    for name, value in row.items():
        bits = BITS.get(record.after.shape.schema.column(name).type.kind)
        if bits and value is not None and not -(1 << bits - 1) <= value < 1 << bits - 1:
            raise RecordError(f"column {name}: a number out of range")
    have = {name: value for name, value in old["row"].items() if name in record.after.unavailable}
    missing = [name for name in record.after.unavailable if name not in have]
    rows[key] = {"row": have | row, "missing": missing}


def preflight(config, context):
    """Whether the file can be written."""
    folder = config.file.parent
    if os.access(folder, os.W_OK):
        yield Finding("file", Severity.OK, f"{config.file} can be written")
    else:
        yield Finding("file", Severity.PROBLEM, f"{folder} is no folder to write to", f"mkdir -p {folder}")


def rebuild(config, context):
    """Forget rows and offsets; an owner that still runs is fenced."""
    with changing(config, context) as state:
        state["epoch"] += 1
        topics, state["topics"] = state["topics"], {}
    return [f"Dropped the rows of {topic}." for topic in topics]


PLUGIN = Plugin(
    name="toy",
    kind="sink",
    config=ToyConfig,
    build=ToySink,
    capabilities=Capabilities(deletes=True, transactional=True),
    version="1.2.3",
    preflight=preflight,
    rebuild=rebuild,
)
