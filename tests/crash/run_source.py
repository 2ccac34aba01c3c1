"""A source's task as a process of its own: ``run_source.py FILE LSN SECONDS``.

It ends with 0 once its snapshots are complete and its position is at ``LSN``, with 3 when the time is up before that.
"""

import sys
import time
from pathlib import Path

from connect.config.load import load_config
from connect.runtime.report import TaskReport
from connect.runtime.tasks import build_task


def main(file: str, lsn: int, seconds: float) -> int:
    config = load_config([Path(file)])
    [name] = config.sources
    last, deadline = TaskReport(), time.monotonic() + seconds

    def report(now: TaskReport) -> None:
        nonlocal last
        last = now

    def arrived() -> bool:
        return last.complete and last.position.get("lsn_commit", 0) >= lsn

    task = build_task(config, name, report, lambda: arrived() or time.monotonic() > deadline)
    try:
        task.run()
    finally:
        task.close()
    return 0 if arrived() else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
