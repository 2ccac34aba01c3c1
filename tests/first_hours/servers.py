"""What the stories' databases and clusters hold, and what others do there: the administrator, the platform team."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

if TYPE_CHECKING:
    from connect.local.kafka import Kafka

REPLACED: Final = (
    "Made by `make transcripts` (tests/first_hours), which runs each command and checks what comes out. Addresses, "
    "paths, ports and the machine's name are replaced by those of an example; long outputs are shortened, and say so."
)


class PlatformTeam:
    """Administers the cluster."""

    def __init__(self, kafka: Kafka) -> None:
        self._admin = AdminClient(kafka.client_settings)

    def make_user(self, name: str, password: str) -> None:
        """A SCRAM user without rights."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        for done in self._admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(name, info, password.encode())]
        ).values():
            done.result()

    def grant(self, user: str, plan: str) -> int:
        """The rights that ``connect plan --acls --json`` asks for; how many."""
        rights = json.loads(plan)["rights"]
        acls = {_binding(user, right, operation) for right in rights for operation in right["operations"]}
        for done in self._admin.create_acls(list(acls)).values():
            done.result()
        return len(acls)

    def records(self, topic: str) -> int:
        """Offsets of a topic's partitions, summed: its records and the markers of transactions."""
        partitions = self._admin.list_topics(topic, timeout=30).topics[topic].partitions
        wanted = {TopicPartition(topic, number): OffsetSpec.latest() for number in partitions}
        return sum(found.result().offset for found in self._admin.list_offsets(wanted).values())


def _binding(user: str, right: dict[str, Any], operation: str) -> AclBinding:
    word = "".join(f"_{letter}" if letter.isupper() else letter for letter in operation).strip("_").upper()
    return AclBinding(
        ResourceType[right["resource"].replace("-", "_").upper()],
        right["name"],
        ResourcePatternType[right["pattern"].upper()],
        f"User:{user}",
        "*",
        AclOperation[word],
        AclPermissionType.ALLOW,
    )
