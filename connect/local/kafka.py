"""Apache Kafka: one node, KRaft, fit for transactions."""

from __future__ import annotations

import base64
import logging
import uuid
from typing import TYPE_CHECKING, ClassVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from connect.local import artifacts
from connect.local.children import Command
from connect.local.java import OPTIONS, java_home
from connect.local.ports import LOOPBACK
from connect.local.server import Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from connect.local.server import Site

MAX_MESSAGE_BYTES = 22 * 1024 * 1024  # topics that we make allow 20 MB (DESIGN §6), and a batch has an overhead

SCRAM = ("SCRAM-SHA-512", "SCRAM-SHA-256")

# After `kill -9` a broker is let in again when its old session has run out: 3 s instead of 9. An index is a sparse file
# of its full size: where the disk reads far ahead, the first row of each partition had 20 MB filled with zeros.
_PROPERTIES = f"""\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
message.max.bytes={MAX_MESSAGE_BYTES}
replica.fetch.max.bytes={MAX_MESSAGE_BYTES}
log.cleaner.dedupe.buffer.size=16777216
log.index.size.max.bytes=524288
"""

_LOGGING = """\
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
logger.client.name=org.apache.kafka.clients.NetworkClient
logger.client.level=error
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %m (%c)%n
"""


class Kafka(Server):
    """A broker. In a secure stack its clients need TLS, SCRAM or PLAIN, and ACLs, but for the stack's own user.

    Args:
        site: See ``Server``.
        name: See ``Server``.
        port: See ``Server``.
        settings: Of server.properties, over our own.
        java: Options of the runtime.
    """

    title: ClassVar[str] = "Kafka"
    ports_needed: ClassVar[int] = 3

    def __init__(
        self,
        site: Site,
        name: str,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        java: Sequence[str] = (),
    ) -> None:
        super().__init__(site, name, port=port)
        self._settings = dict(settings or {})
        self._options = tuple(java)

    @property
    def address(self) -> str:
        """See ``Server.address``."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def client_settings(self) -> dict[str, str]:
        """What a librdkafka client needs to connect."""
        settings = {"bootstrap.servers": self.address}
        security = self.site.security
        if security is not None:
            settings |= {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": security.user,
                "sasl.password": security.password,
                "ssl.ca.location": str(security.authority),
            }
        return settings

    def prepare(self, ports: list[int]) -> None:
        """See ``Server.prepare``."""
        self.make_folder("tmp")
        self.write("log4j2.properties", _LOGGING)
        lines = self._listeners(ports) | self._settings
        text = _PROPERTIES + "".join(f"{key}={value}\n" for key, value in lines.items())
        settings = self.write("server.properties", text)
        format_words: list[str | Path] = ["format", "-t", cluster_id(uuid.uuid4()), "-c", settings]
        if security := self.site.security:
            for mechanism in SCRAM:
                format_words += ["--add-scram", f"{mechanism}=[name={security.user},password={security.password}]"]
        self.site.children.run(self.name, self._java("kafka.tools.StorageTool", *format_words, heap="128m"), self.log)

    def command(self) -> Command:
        """See ``Server.command``."""
        return self._java("kafka.Kafka", self.folder / "server.properties", heap="1g")

    def answers(self) -> bool:
        """See ``Server.answers``."""
        quiet = logging.getLogger("connect.local.kafka.probe")
        quiet.disabled = True  # that nobody listens yet is no news
        try:
            # A broker appears in its own metadata once it may lead partitions.
            return bool(AdminClient({**self.client_settings, "logger": quiet}).list_topics(timeout=1.0).brokers)
        except KafkaException:
            return False

    def _java(self, main: str, *words: str | Path, heap: str) -> Command:
        jars = self.site.cache.fetch(artifacts.kafka())
        java = java_home(self.site) / "bin" / "java"
        options = [
            *OPTIONS,
            *self._options,
            f"-Xmx{heap}",
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
        ]
        return Command([java, *options, "-cp", f"{jars}/*", main, *words], cwd=self.folder)

    def _listeners(self, ports: list[int]) -> dict[str, object]:
        client, controller, internal = ports
        lines: dict[str, object] = {
            "log.dirs": self.folder / "data",
            "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
            "listeners": f"CLIENT://{LOOPBACK}:{client},CONTROLLER://{LOOPBACK}:{controller}",
            "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "CLIENT",
        }
        if security := self.site.security:
            keys = self.write("server.pem", security.key + security.certificate)
            lines |= {
                "listeners": f"{lines['listeners']},INTERNAL://{LOOPBACK}:{internal}",
                "listener.security.protocol.map": "CLIENT:SASL_SSL,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
                "inter.broker.listener.name": "INTERNAL",
                "listener.name.client.sasl.enabled.mechanisms": ",".join((*SCRAM, "PLAIN")),
                "listener.name.client.plain.sasl.jaas.config": _jaas(
                    "plain.PlainLoginModule", **{f"user_{security.user}": security.password}
                ),
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": keys,
                # The plain listeners are the broker's own, whose principal is ANONYMOUS.
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": f"User:{security.user};User:ANONYMOUS",
            }
            for mechanism in SCRAM:
                setting = f"listener.name.client.{mechanism.lower()}.sasl.jaas.config"
                lines[setting] = _jaas("scram.ScramLoginModule")
        return lines


def _jaas(module: str, **options: str) -> str:
    words = "".join(f' {name}="{value}"' for name, value in options.items())
    return f"org.apache.kafka.common.security.{module} required{words};"


def cluster_id(number: uuid.UUID) -> str:
    """A cluster's id as Kafka writes it; never one that its tools would take for an option."""
    text = base64.urlsafe_b64encode(number.bytes).decode().rstrip("=")
    return f"A{text[1:]}" if text.startswith("-") else text
