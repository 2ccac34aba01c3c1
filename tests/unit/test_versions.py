"""Stored state of another version: older is read, newer is refused by name with nothing changed."""

from __future__ import annotations

import json

import pytest

from connect.api import readable
from connect.errors import Failed
from connectors.elasticsearch.state import FORMAT, Progress
from connectors.mysql.position import MysqlPosition
from connectors.postgres.position import PostgresPosition


def test_what_was_stored_without_a_version_has_version_1() -> None:
    assert readable("it", None, 1) == 1


def test_an_older_version_is_read() -> None:
    assert readable("it", 1, 3) == 1


def test_a_newer_version_is_refused_with_the_thing_and_both_versions() -> None:
    with pytest.raises(
        Failed, match=r"topic shop\.s\.positions has version 3, and this Connect reads up to 2"
    ) as caught:
        readable("topic shop.s.positions", 3, 2)
    assert caught.value.code == "state_is_newer"
    assert "Upgrade Connect" in caught.value.hint


@pytest.mark.parametrize("version", ["1", 0, -1, True, 1.0, []])
def test_what_is_no_version_is_refused(version) -> None:
    with pytest.raises(Failed) as caught:
        readable("it", version, 1)
    assert caught.value.code == "offset_format"


@pytest.mark.parametrize("position", [PostgresPosition, MysqlPosition])
def test_a_position_of_a_newer_version_is_refused(position) -> None:
    with pytest.raises(Failed) as caught:
        position.from_json({"version": position.version + 1, "anything": "new"})
    assert caught.value.code == "state_is_newer"


def test_an_elasticsearch_state_document_of_a_newer_version_is_refused() -> None:
    with pytest.raises(Failed) as caught:
        Progress.from_json({"version": FORMAT + 1, "of": "another form"})
    assert caught.value.code == "state_is_newer"


def test_an_elasticsearch_state_document_without_a_version_is_read() -> None:
    stored = Progress(epoch=3).to_json()
    del stored["version"]
    assert Progress.from_json(json.loads(json.dumps(stored))).epoch == 3
