"""Elasticsearch: one node, real, of the minimal build."""

from __future__ import annotations

from typing import ClassVar

from connect.local import artifacts, probe
from connect.local.children import Command
from connect.local.java import java_home
from connect.local.ports import LOOPBACK
from connect.local.server import Server

# In place of the build's own: it asks for a Java module that the JRE lacks, and logs into its folder, which is shared.
_JVM_OPTIONS = """\
-Xms512m
-Xmx512m
-XX:+UseG1GC
-XX:-UsePerfData
-XX:+ExitOnOutOfMemoryError
-Djava.io.tmpdir=${ES_TMPDIR}
"""


class Elasticsearch(Server):
    """A search node. The minimal build lacks ``GET /``, ``scaled_float``, painless and reindex."""

    title: ClassVar[str] = "Elasticsearch"
    ports_needed: ClassVar[int] = 2

    @property
    def address(self) -> str:
        """See ``Server.address``."""
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self, ports: list[int]) -> None:
        """See ``Server.prepare``."""
        for name in ("config", "config/jvm.options.d", "data", "logs", "tmp"):
            self.make_folder(name)
        settings = {
            "cluster.name": self.name,
            "discovery.type": "single-node",
            "network.host": LOOPBACK,
            "http.port": ports[0],
            "transport.port": ports[1],
            "path.data": self.folder / "data",
            "path.logs": self.folder / "logs",
            "xpack.security.enabled": "false",
            # A laptop's disk is often fuller than a server's may be; indices would become read-only.
            "cluster.routing.allocation.disk.threshold_enabled": "false",
        }
        self.write("config/elasticsearch.yml", "".join(f"{key}: {value}\n" for key, value in settings.items()))
        self.write("config/jvm.options", _JVM_OPTIONS)
        distribution = self.site.cache.fetch(artifacts.elasticsearch())
        logging = (distribution / "config" / "log4j2.properties").read_text(encoding="utf-8")
        self.write("config/log4j2.properties", logging)

    def command(self) -> Command:
        """See ``Server.command``."""
        distribution = self.site.cache.fetch(artifacts.elasticsearch())
        env = {
            "ES_JAVA_HOME": str(java_home(self.site)),
            "ES_PATH_CONF": str(self.folder / "config"),
            "ES_TMPDIR": str(self.folder / "tmp"),
        }
        return Command([distribution / "bin" / "elasticsearch"], cwd=self.folder, env=env)

    def answers(self) -> bool:
        """See ``Server.answers``."""
        return probe.status(self.port, "/_cluster/health?wait_for_status=yellow&timeout=1s", None) == 200
