"""What Kafka's own tools are given."""

from __future__ import annotations

import uuid

from connect.local.kafka import cluster_id


def test_a_cluster_id_is_never_taken_for_an_option() -> None:
    assert not cluster_id(uuid.UUID(bytes=b"\xf8" + bytes(15))).startswith("-")
    assert len(cluster_id(uuid.UUID(int=0))) == 22
