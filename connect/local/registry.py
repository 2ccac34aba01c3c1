"""Apicurio Registry: schemas over Confluent's API."""

from __future__ import annotations

from typing import ClassVar

from connect.local import artifacts, probe
from connect.local.children import Command
from connect.local.java import OPTIONS, java_home
from connect.local.ports import LOOPBACK
from connect.local.server import Server

API = "/apis/ccompat/v7"


class SchemaRegistry(Server):
    """A schema registry whose schemas survive ``kill`` and ``start``."""

    title: ClassVar[str] = "Apicurio Registry"
    ports_needed: ClassVar[int] = 2  # the second is for the management pages, which we do not use

    @property
    def address(self) -> str:
        """See ``Server.address``."""
        scheme = "https" if self.site.security else "http"
        return f"{scheme}://{LOOPBACK}:{self.port}{API}"

    def prepare(self, ports: list[int]) -> None:
        """See ``Server.prepare``."""
        self.make_folder("data")
        self.make_folder("tmp")
        settings = {
            "quarkus.http.host": LOOPBACK,
            "quarkus.http.port": ports[0],
            "quarkus.management.host": LOOPBACK,
            "quarkus.management.port": ports[1],
            "quarkus.http.access-log.enabled": "false",
            # A file instead of memory, and each commit on disk: schema ids must not change under topics that name them.
            "apicurio.datasource.url": f"jdbc:h2:file:{self.folder / 'data' / 'registry'};WRITE_DELAY=0",
        }
        if security := self.site.security:
            settings |= {
                "quarkus.http.insecure-requests": "disabled",
                "quarkus.http.ssl-port": ports[0],
                "quarkus.http.port": 0,
                "quarkus.http.ssl.certificate.files": self.write("server.pem", security.certificate),
                "quarkus.http.ssl.certificate.key-files": self.write("server.key", security.key),
            }
        text = "".join(f"{key}={value}\n" for key, value in settings.items())
        self.write("application.properties", text)

    def command(self) -> Command:
        """See ``Server.command``."""
        app = self.site.cache.fetch(artifacts.apicurio())
        java = java_home(self.site) / "bin" / "java"
        options = [
            *OPTIONS,
            "-Xmx512m",
            "-XX:TieredStopAtLevel=1",  # starts faster, and nothing here runs long enough to want more
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            f"-Dquarkus.config.locations={self.folder / 'application.properties'}",
        ]
        return Command([java, *options, "-jar", app / "quarkus-run.jar"], cwd=self.folder)

    def answers(self) -> bool:
        """See ``Server.answers``."""
        return probe.status(self.port, f"{API}/subjects", self.site.security) == 200
