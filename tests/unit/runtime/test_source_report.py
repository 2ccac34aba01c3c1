"""When a source tells of itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from connect.runtime.source_report import SourceReport
from connect.schema.model import TableId

if TYPE_CHECKING:
    from connect.runtime.report import TaskReport


@pytest.mark.parametrize(("tables", "seconds"), [(1, 0.6), (1_000, 2.6), (100_000, 5.1)])
def test_the_more_tables_the_less_often_they_are_told_but_never_too_seldom(
    tables: int, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[TaskReport] = []
    report = SourceReport(told.append)
    for number in range(tables):
        report.add(TableId("public", f"t{number}"), "")
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    report.tell()
    now[0] += seconds - 0.2
    too_soon = report.is_due()
    now[0] += 0.2

    assert (too_soon, report.is_due(), len(told)) == (False, True, 1)
