"""What a cluster's administrator does for a worker: users of SCRAM, and the rights that ``plan --acls`` asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connect.local.kafka import Kafka


class ClusterAdmin:
    """Acts as the superuser of a local broker."""

    def __init__(self, broker: Kafka) -> None:
        self.broker = broker
        self.admin = AdminClient(broker.client_settings)

    def user(self, name: str, password: str) -> None:
        """A SCRAM user, made or given another password."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        change = UserScramCredentialUpsertion(name, info, password.encode())
        for done in self.admin.alter_user_scram_credentials([change]).values():
            done.result()

    def grant(self, user: str, rights: Sequence[Mapping[str, Any]]) -> int:
        """Rights as ``connect plan --acls --json`` has them; how many ACLs that is."""
        acls = [_binding(user, right, operation) for right in rights for operation in right["operations"]]
        wanted = list(dict.fromkeys(acls))  # source and sink may want the same
        for done in self.admin.create_acls(wanted).values():
            done.result()
        return len(wanted)

    def revoke(self, user: str) -> None:
        """All of a user's rights."""
        kind, pattern = ResourceType.ANY, ResourcePatternType.ANY
        allowed = AclPermissionType.ANY
        every = AclBindingFilter(kind, None, pattern, f"User:{user}", None, AclOperation.ANY, allowed)
        for done in self.admin.delete_acls([every]).values():
            done.result()


def _binding(user: str, right: Mapping[str, Any], operation: str) -> AclBinding:
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
