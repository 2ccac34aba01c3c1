"""Elasticsearch: one node, real, of the minimal build."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import ClassVar
from urllib.parse import quote

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
        if security := self.site.security:
            return f"https://{security.user}:{quote(security.password, safe='')}@{LOOPBACK}:{self.port}"
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
        if security := self.site.security:
            settings |= {
                "xpack.security.enabled": "true",
                "xpack.security.http.ssl.enabled": "true",
                "xpack.security.http.ssl.certificate": self.write("config/server.pem", security.certificate),
                "xpack.security.http.ssl.key": self.write("config/server.key", security.key),
            }
            self.write("config/users", f"{security.user}:{_hashed(security.password)}\n")
            self.write("config/users_roles", f"superuser:{security.user}\n")
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
        return probe.status(self.port, "/_cluster/health?wait_for_status=yellow&timeout=1s", self.site.security) == 200


def _hashed(password: str) -> str:
    """A password as the file realm keeps it, so that no tool of its own, a JVM each, need run."""
    rounds, salt = 10000, secrets.token_bytes(32)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds, dklen=32)
    return f"{{PBKDF2}}{rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
