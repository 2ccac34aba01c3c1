"""The sink contract, kept by a plugin from outside the tree that can do less than ours."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from connect.testing.sink_contract import SinkContract

if TYPE_CHECKING:
    from connect.api import Plugin
    from connect.schema.model import TableId

_FILE = Path(__file__).parents[1] / "data" / "toy_plugin" / "toy_sink.py"


def _toy() -> Plugin:
    spec = importlib.util.spec_from_file_location("toy_sink", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PLUGIN  # type: ignore[no-any-return]


class Driver:
    plugin = _toy()

    def __init__(self, folder: Path) -> None:
        self._file = folder / "rows.json"
        self.options = {"file": self._file}
        self.unreachable = {"file": folder / "no" / "such" / "folder" / "rows.json"}

    def rows(self, table: TableId) -> list[dict[str, Any]]:
        if not self._file.exists():
            return []
        topics = [state["topics"] for state in json.loads(self._file.read_text()).values()]
        kept = [topic["rows"] for every in topics for name, topic in every.items() if name.endswith(f".{table}")]
        return [row["row"] for rows in kept for row in rows.values()]


class TestToy(SinkContract):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> Driver:
        return Driver(tmp_path)
