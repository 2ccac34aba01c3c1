"""A sink task in a process of its own, which a failpoint may end as abruptly as ``kill -9``."""

from __future__ import annotations

import sys
import time

from connect.api import SinkContext
from connect.errors import Retriable
from connect.kafka.consumer import Limits
from connect.runtime.report import TaskReport
from connect.runtime.sink_task import SinkSettings, SinkTask
from connect.schema.reader import RecordReader
from connectors.sql import PLUGIN, SqlConfig, SqlTarget


def main(kafka: str, postgres: str, name: str) -> None:
    """Work until everything is read; two records a transaction."""
    reports = [TaskReport()]
    deadline = time.monotonic() + 30
    settings = SinkSettings(
        connector="warehouse",
        group=name,
        kafka={"bootstrap.servers": kafka},
        wanted=lambda topic: topic.startswith(f"{name}.public."),
        limits=Limits(rows=2),
    )

    def stopping() -> bool:
        return (reports[-1].complete and reports[-1].lag_records == 0) or time.monotonic() > deadline

    while not stopping():
        context = SinkContext("warehouse", name, lambda _: SqlTarget())
        sink = PLUGIN.build(SqlConfig(url=postgres, schema=name), context)
        task = SinkTask(settings, sink, RecordReader(None), None, reports.append, stopping)
        try:
            task.run()
        except Retriable:
            time.sleep(0.2)
        finally:
            task.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
