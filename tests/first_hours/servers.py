"""What the stories' databases and clusters hold, and what others do there: the administrator, the platform team."""

from __future__ import annotations

import json
from typing import Final

from confluent_kafka import TopicPartition
from confluent_kafka.admin import OffsetSpec

from connect.testing.cluster_admin import ClusterAdmin

REPLACED: Final = (
    "Made by `make transcripts` (tests/first_hours), which runs each command and checks what comes out. Addresses, "
    "paths, ports and the machine's name are replaced by those of an example; long outputs are shortened, and say so."
)


class PlatformTeam(ClusterAdmin):
    """Administers the cluster."""

    def grant_plan(self, user: str, plan: str) -> int:
        """The rights that ``connect plan --acls --json`` asks for; how many."""
        return self.grant(user, json.loads(plan)["rights"])

    def records(self, topic: str) -> int:
        """Offsets of a topic's partitions, summed: its records and the markers of transactions."""
        partitions = self.admin.list_topics(topic, timeout=30).topics[topic].partitions
        wanted = {TopicPartition(topic, number): OffsetSpec.latest() for number in partitions}
        return sum(found.result().offset for found in self.admin.list_offsets(wanted).values())
