"""What a tree of processes used, from ``/proc``: CPU seconds and memory."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from connect.local.keeper import tree

if TYPE_CHECKING:
    from collections.abc import Iterator

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_SAMPLE_SECONDS: Final = 0.1


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all that descend from it, children that ended and were waited for too."""
    return sum(_cpu(each) for each in tree(pid))


def children_cpu_seconds() -> float:
    """User and system time of this process' children that have ended and were waited for."""
    times = os.times()
    return times.children_user + times.children_system


def cpu_of_each(pid: int) -> list[float]:
    """CPU seconds of the process itself, then of each descendant, parents first."""
    return [_cpu(each) for each in tree(pid)]


def _cpu(pid: int) -> float:
    try:
        text = Path("/proc", str(pid), "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0.0  # it has ended; its time is its parent's now
    fields = text.rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS  # utime, stime, cutime, cstime


def pss_bytes(pid: int) -> int:
    """Proportional set size of a process and all that descend from it: a shared page counts once in all."""
    return sum(_pss(each) for each in tree(pid))


def _pss(pid: int) -> int:
    try:
        text = Path("/proc", str(pid), "smaps_rollup").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


@dataclass
class Peak:
    """The highest ``pss_bytes`` seen, in bytes."""

    pss: int = 0


@contextmanager
def watched(pid: int) -> Iterator[Peak]:
    """Sample a tree's memory ten times a second while the block runs."""
    peak, done = Peak(), threading.Event()

    def sample() -> None:
        while not done.wait(_SAMPLE_SECONDS):
            peak.pss = max(peak.pss, pss_bytes(pid))

    thread = threading.Thread(target=sample, name="memory", daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()
