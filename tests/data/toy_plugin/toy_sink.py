"""A sink from outside the tree: it appends each record to a file, as JSON lines."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from connect.api import Capabilities, Plugin, WriteResult


class ToyConfig(BaseModel):
    """Options of the toy."""

    model_config = ConfigDict(extra="forbid")

    file: Path


class ToySink:
    """Remembers offsets in the file itself: each line carries its own."""

    def __init__(self, config, context):
        self._file = config.file

    def open(self, partitions):
        held = {}
        if self._file.exists():
            for line in self._file.read_text().splitlines():
                topic, partition, offset, _ = json.loads(line)
                held[topic, partition] = offset + 1
        return {p: held.get((p.topic, p.partition), 0) for p in partitions}

    def write(self, batch, next_offsets, skip):
        with self._file.open("a") as file:
            for record in batch:
                row = None if record.after is None else record.after.to_dict()
                file.write(json.dumps([record.topic, record.partition, record.offset, row], default=str) + "\n")
        return WriteResult(applied=len(batch))

    def close(self):
        pass


PLUGIN = Plugin(name="toy", kind="sink", config=ToyConfig, build=ToySink, capabilities=Capabilities(), version="1.2.3")
