"""``connect report``: one zip with what helps to answer a question, and nothing that must not leave the house."""

from __future__ import annotations

import json
import os
import zipfile
from typing import TYPE_CHECKING

import pytest

from connect.cli import main as cli

if TYPE_CHECKING:
    from pathlib import Path


def written(tmp_path: Path, text: str) -> tuple[int, dict[str, str]]:
    file, target = tmp_path / "shop.yaml", tmp_path / "out.zip"
    file.write_text(text)
    with pytest.raises(SystemExit) as caught:
        cli.main(["report", str(file), "-o", str(target)])
    with zipfile.ZipFile(target) as archive:
        return int(caught.value.code or 0), {name: archive.read(name).decode() for name in archive.namelist()}


def test_it_has_file_versions_states_positions_and_findings(request, tmp_path: Path) -> None:
    kafka = os.environ.get("CONNECT_TEST_KAFKA") or str(request.getfixturevalue("stack").kafka.address)
    code, parts = written(
        tmp_path,
        f'name: report-test\nkafka: {{bootstrap: "{kafka}"}}\nsources:\n  shop:\n    plugin: postgres\n'
        "    url: postgresql://cdc:hunter2@127.0.0.1:1/shop\n    tables: [public.orders]\n",
    )
    assert code == 0
    assert set(parts) == {
        f"out/{n}" for n in ("config.yaml", "versions.json", "status.json", "positions.json", "doctor.json")
    }
    assert json.loads(parts["out/positions.json"]) == {"shop": None}
    assert json.loads(parts["out/versions.json"])["plugins"]["postgres"]
    assert "source_unreachable" in parts["out/doctor.json"]
    assert not any("hunter2" in part for part in parts.values())


def test_a_file_with_faults_is_reported_too(tmp_path: Path) -> None:
    code, parts = written(tmp_path, "name: x\nkafka: {bootstrap: nonsense}\n")
    assert code == 0
    assert "no address" in parts["out/config-problems.json"]
